"""Which build this is: the version, and the commit that it was made of."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
COMMIT_FILE = PACKAGE / "COMMIT"
"""Written beside the package by what builds it for another place: install.sh, make_bundle.sh, container/build.sh."""


@cache
def commit() -> str:
    """The commit's short name, with `+` behind it where a checkout has changes; empty: nobody knows."""
    try:
        return COMMIT_FILE.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return _of_checkout(PACKAGE.parent)


def build(version: str) -> str:
    """`version`, and the commit in brackets where it is known."""
    return f"{version} ({commit()})" if commit() else version


def _of_checkout(folder: Path) -> str:
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git here, or a checkout of another user
        return ""
