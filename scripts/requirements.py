"""Print what the distributions of this repository need from outside, a requirement a line, and what builds them.

scripts/requirements.py [--dev]      --dev: what the tests need too
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {"dev", "test"}
"""The extras of a distribution that its tests need."""


def requirements(dev: bool) -> Iterator[str]:
    """What all distributions here require, without our own."""
    for path in (ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        project = document["project"]
        yield from document["build-system"]["requires"]
        yield from project["dependencies"]
        for name, needed in project.get("optional-dependencies", {}).items():
            if dev and name in EXTRAS:
                yield from needed


if __name__ == "__main__":
    outside = {line for line in requirements("--dev" in sys.argv) if not line.startswith("wlkd")}
    print("\n".join(sorted(outside)))
