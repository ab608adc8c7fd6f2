"""docs/clients.md says which clients were tried: the tests named there drive them, at that version or a later one."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
ROWS = re.findall(
    r"^\| `([\w-]+)` \| ([\d.]+) \| .* \| \[[^]]*\]\(([^)]+)\) \|$", (DOCS / "clients.md").read_text(), re.MULTILINE
)
MODULES = {"deepgram-sdk": "deepgram"}
"""How a package is imported whose name is another one."""


def test_there_is_a_table() -> None:
    assert {name for name, _, _ in ROWS} >= {"openai", "deepgram-sdk", "wyoming"}


@pytest.mark.parametrize(("name", "tried", "test"), ROWS, ids=[f"{name} {Path(test).name}" for name, _, test in ROWS])
def test_a_client_is_driven_by_the_test_named(name: str, tried: str, test: str) -> None:
    source = (DOCS / test).read_text(encoding="utf-8")
    folder = "".join(path.read_text(encoding="utf-8") for path in (DOCS / test).parent.glob("conftest.py"))
    module = MODULES.get(name, name)
    assert re.search(rf"^ *(from|import) {module}\b|importorskip\(.{module}", source + folder, re.MULTILINE), (
        f"{test} does not use {name}"
    )
    try:
        installed = version(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    assert numbers(installed) >= numbers(tried), f"{name} {installed} is older than what docs/clients.md says was tried"


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
