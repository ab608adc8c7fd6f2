"""Imports go down only: the arrows of docs/architecture.md, read from the source with `ast`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "wlkd"
HEAVY = {"torch", "ctranslate2", "av", "onnxruntime", "faster_whisper", "transformers", "whisper"}

LAYERS = [
    {"__main__", "cli"},
    {"bench"},
    {"app", "testing"},
    {"core", "reload"},
    {"admission", "admin", "health", "http", "recognition"},
    {
        "session",
        "worker",
        "batch",
        "schedule",
        "stream",
        "capacity",
        "load",
        "wishes",
        "systemd",
        "tcp",
        "websocket",
        "plugins",
        "client",
        "logs",
        "subtitles",
    },
    {"config", "options", "metrics", "transcript", "models", "memory"},
    {"hookspecs", "interfaces", "audio", "window", "cpu", "cuda", "explain", "document"},
    {"types", "errors"},
]
"""Top to bottom. A module imports from its own layer or one below."""

PLUGIN_SURFACE = {
    "wlkd",
    "wlkd.audio",
    "wlkd.cuda",
    "wlkd.errors",
    "wlkd.interfaces",
    "wlkd.models",
    "wlkd.subtitles",
    "wlkd.tcp",
    "wlkd.testing",
    "wlkd.types",
    "wlkd.websocket",
    "wlkd.window",
}
"""What plugins may import: what docs/plugins.md documents for them."""


def modules(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module that is imported at run time, with its line: `from wlkd import audio` is `wlkd.audio` if that
    is a module. What is imported for type checkers only is no arrow."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: write absolute imports"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield (submodule if _is_core_module(submodule) else str(node.module)), node.lineno
        yield from imports(node)


def _is_core_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return name.startswith("wlkd.") and (path.with_suffix(".py").exists() or path.is_dir())


def _is_command(tree: ast.Module) -> bool:
    """Whether the module is run, not imported: a development tool that stands above what it measures."""
    return any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body)


def layer(name: str) -> int:
    for number, names in enumerate(LAYERS):
        if name in names:
            return number
    raise AssertionError(f"wlkd/{name} has no place in LAYERS: decide what may import it")


def wrong_arrows(path: Path, tree: ast.Module) -> Iterator[str]:
    own = path.relative_to(CORE).parts[0].removesuffix(".py")
    for imported, line in imports(tree):
        top, _, rest = imported.partition(".")
        if top in HEAVY:
            yield f"{path.relative_to(ROOT)}:{line}: {imported} must not enter wlkd/"
        if top == "wlkd" and rest and layer(rest.partition(".")[0]) < layer(own):
            yield f"{path.relative_to(ROOT)}:{line}: {own} -> {imported} points up"


def test_imports_inside_the_core_go_down() -> None:
    found = [
        arrow for path, tree in modules(CORE) if path != CORE / "__init__.py" for arrow in wrong_arrows(path, tree)
    ]
    assert not found, "\n".join(found)


def test_the_public_names_come_from_the_contract_alone() -> None:
    public = {name for name, _ in imports(ast.parse((CORE / "__init__.py").read_text(encoding="utf-8")))}
    assert public <= {"wlkd.audio", "wlkd.errors", "wlkd.hookspecs", "wlkd.interfaces", "wlkd.types"}


def test_no_core_module_names_a_plugin() -> None:
    """A privileged path begins with an import of `wlkd_<plugin>`, at run time or by name."""
    packages = {path.name for path in ROOT.glob("plugins/*/wlkd_*") if path.is_dir() and path.suffix == ""}
    assert packages
    found = [
        f"{path.relative_to(ROOT)}: {node.value}"
        for path, tree in modules(CORE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in packages
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("plugin", sorted(ROOT.glob("plugins/*/wlkd_*/__init__.py")), ids=lambda path: path.parent.name)
def test_a_plugin_imports_public_names_and_no_other_plugin(plugin: Path) -> None:
    own = plugin.parent.name
    found = []
    for path, tree in modules(plugin.parent):
        if _is_command(tree):
            continue
        for imported, line in imports(tree):
            top = imported.partition(".")[0]
            foreign = top.startswith("wlkd_") and top != own
            private = top == "wlkd" and ".".join(imported.split(".")[:2]) not in PLUGIN_SURFACE
            if foreign or private:
                found.append(f"{path.relative_to(ROOT)}:{line}: {own} -> {imported}")
    assert not found, "\n".join(found)


def test_a_wrong_arrow_is_seen() -> None:
    tree = ast.parse("def f():\n    from wlkd.app import serve\n    import torch\n    from wlkd import app")
    assert list(wrong_arrows(CORE / "types.py", tree)) == [
        "wlkd/types.py:2: types -> wlkd.app points up",
        "wlkd/types.py:3: torch must not enter wlkd/",
        "wlkd/types.py:4: types -> wlkd.app points up",
    ]
