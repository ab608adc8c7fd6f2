"""Print what the distributions of this repository need from outside, a requirement a line, and what builds them.

scripts/requirements.py [--dev] [--cuda]      --dev: what the tests need too; --cuda: what an NVIDIA GPU needs
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Container, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {"--dev": {"dev", "test"}, "--cuda": {"cuda"}}
"""The extras of a distribution that each argument asks for."""


def requirements(extras: Container[str]) -> Iterator[str]:
    """What all distributions here require, with those of their extras."""
    for path in (ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        project = document["project"]
        yield from document["build-system"]["requires"]
        yield from project["dependencies"]
        for name, needed in project.get("optional-dependencies", {}).items():
            if name in extras:
                yield from needed


if __name__ == "__main__":
    extras = {name for argument in sys.argv[1:] for name in EXTRAS[argument]}
    outside = {line for line in requirements(extras) if not line.startswith("wlkd")}
    print("\n".join(sorted(outside)))
