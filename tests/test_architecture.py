"""The folders are the plan: imports go down from room to room, and never in a circle. Read from the source with `ast`.

Imports for type checkers count like any other: who names a type depends on it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "wlkd"
HEAVY = {"torch", "ctranslate2", "av", "onnxruntime", "faster_whisper", "onnx", "transformers", "whisper"}

ROOMS = [
    "__main__",
    "cli",
    "testing",
    "daemon",
    "sessions",
    "inference",
    "plugins",
    "discovery",
    "hookspecs",
    "client",
    "transports",
    "metrics",
    "config",
    "contract",
    "host",
]
"""Top to bottom: a room imports from those below it."""

PLUGIN_SURFACE = {
    "wlkd",
    "wlkd.config",
    "wlkd.contract",
    "wlkd.hookspecs",
    "wlkd.testing",
    "wlkd.transports",
}
"""What plugins may import: what docs/plugins.md documents for them."""
LIBRARIES = {"wlkd_models", "wlkd_whisper"}
"""Plugins that others may build on: fetching model files, and a model family that several backends read."""
INSTRUMENTS = {"wlkd_bench"}
"""They stand above what they measure, and may import anything."""


@dataclass(frozen=True)
class Arrow:
    """One module imports another."""

    path: Path
    line: int
    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.source} -> {self.target}"


def module_name(path: Path) -> str:
    """The dotted name of the core's module at `path`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def arrows(path: Path, source: str, tree: ast.AST | None = None) -> Iterator[Arrow]:
    """Every import in the file at `path`, which is the module `source`; `from wlkd import metrics` leads to
    `wlkd.metrics` if that is a module."""
    for node in ast.walk(tree or ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (Arrow(path, node.lineno, source, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: write absolute imports"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield Arrow(path, node.lineno, source, submodule if _is_core_module(submodule) else str(node.module))


def _is_core_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return name.startswith("wlkd.") and (path.with_suffix(".py").exists() or path.is_dir())


def core_arrows() -> list[Arrow]:
    return [arrow for path in sorted(CORE.rglob("*.py")) for arrow in arrows(path, module_name(path))]


def room(module: str) -> str | None:
    """The room of a core module; None for the package itself, which gathers the public names."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def between_rooms(found: Iterable[Arrow]) -> Iterator[tuple[str, str, Arrow]]:
    for arrow in found:
        source, target = room(arrow.source), room(arrow.target) if arrow.target.startswith("wlkd.") else None
        if source and target and source != target:
            yield source, target, arrow


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The nodes of one circle in `graph`, the first one repeated at the end; empty: there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_room_has_its_place() -> None:
    present = {path.name.removesuffix(".py") for path in CORE.iterdir() if not path.name.startswith("__pycache__")}
    assert present - {"__init__", "__init__.pyi", "py.typed"} == set(ROOMS)


def test_arrows_between_rooms_go_down() -> None:
    wrong = [
        str(arrow)
        for source, target, arrow in between_rooms(core_arrows())
        if ROOMS.index(target) < ROOMS.index(source)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for arrow in core_arrows():
        # A package imports what it gathers; who imports the package means one of those.
        if arrow.target.startswith("wlkd.") and arrow.source != arrow.target and not _is_package(arrow.source):
            graph.setdefault(arrow.source, set()).add(arrow.target)
    found = circle(graph)
    assert not found, " -> ".join(found)


def _is_package(module: str) -> bool:
    return (ROOT / Path(*module.split("."))).is_dir()


def test_the_core_imports_nothing_heavy() -> None:
    wrong = [str(arrow) for arrow in core_arrows() if arrow.target.partition(".")[0] in HEAVY]
    assert not wrong, "\n".join(wrong)


def test_the_public_names_come_from_the_contract() -> None:
    public = {arrow.target for arrow in core_arrows() if arrow.source == "wlkd"}
    assert {room(name) for name in public if name.startswith("wlkd.")} <= {"contract", "hookspecs", "config", "plugins"}


def test_no_core_module_names_a_plugin() -> None:
    """A privileged path begins with an import of `wlkd_<plugin>`, at run time or by name."""
    packages = {path.name for path in ROOT.glob("plugins/*/wlkd_*") if path.is_dir() and path.suffix == ""}
    assert packages
    found = [
        f"{path.relative_to(ROOT)}: {node.value}"
        for path in sorted(CORE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.split(".")[0] in packages
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("plugin", sorted(ROOT.glob("plugins/*/wlkd_*/__init__.py")), ids=lambda path: path.parent.name)
def test_a_plugin_imports_public_names_and_no_other_plugin(plugin: Path) -> None:
    own = plugin.parent.name
    if own in INSTRUMENTS:
        return
    found = []
    for path in sorted(plugin.parent.rglob("*.py")):
        for arrow in arrows(path, own):
            top = arrow.target.partition(".")[0]
            foreign = top.startswith("wlkd_") and top != own and top not in LIBRARIES
            private = top == "wlkd" and ".".join(arrow.target.split(".")[:2]) not in PLUGIN_SURFACE
            if foreign or private:
                found.append(str(arrow))
    assert not found, "\n".join(found)


def test_a_wrong_arrow_is_seen() -> None:
    tree = ast.parse("def f():\n    from wlkd.daemon.app import serve\n    from wlkd import metrics")
    path = CORE / "contract" / "types.py"
    found = [str(arrow) for _, _, arrow in between_rooms(arrows(path, "wlkd.contract.types", tree))]
    assert found == [
        "wlkd/contract/types.py:2: wlkd.contract.types -> wlkd.daemon.app",
        "wlkd/contract/types.py:3: wlkd.contract.types -> wlkd.metrics",
    ]


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle({"a": {"b", "c"}, "b": {"c"}})
