"""A model's folder: whether it can be used, and how much memory it takes."""

from __future__ import annotations

import os
from pathlib import Path

NEEDED = ("am/final.mdl", "conf/model.conf")
GRAPHS = (("graph/HCLG.fst",), ("graph/HCLr.fst", "graph/Gr.fst"))
"""The graph lies in one file, or in two that are put together while it searches."""


def folder_problem(folder: Path) -> str | None:
    """Why the model cannot be used; None: it looks whole. Vosk itself tells no more than that it failed."""
    remedy = f"`wlkd models get {folder.name}` brings it, if `wlkd models list` knows it"
    if not folder.is_dir():
        return f"{folder} is missing; {remedy}"
    graph = min(([name for name in names if not (folder / name).is_file()] for names in GRAPHS), key=len)
    lacking = [*(name for name in NEEDED if not (folder / name).is_file()), *graph]
    if lacking:
        return f"{folder}: {', '.join(lacking)} is missing; {remedy}"
    private = [path for name in NEEDED if not os.access(path := folder / name, os.R_OK)]
    return f"{private[0]} cannot be read; `chmod -R a+rX {folder}`" if private else None


def folder_bytes(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
