"""A model's folder: whether it can be used, and how much memory it takes."""

from __future__ import annotations

from pathlib import Path

from wlkd_models.access import absent, read_fault

from wlkd_vosk.catalogue import FAMILY

NEEDED = ("am/final.mdl", "conf/model.conf")
GRAPHS = (("graph/HCLG.fst",), ("graph/HCLr.fst", "graph/Gr.fst"))
"""The graph lies in one file, or in two that are put together while it searches."""


def folder_problem(folder: Path) -> str | None:
    """Why the model cannot be used; None: it looks whole. Vosk itself tells no more than that it failed."""
    if folder.name in FAMILY.names():
        remedy = f"`wlkd models get {folder.name}` brings it"
    else:
        remedy = "unpack a model of https://alphacephei.com/vosk/models there"
    if absent(folder):
        return f"{folder} is missing; {remedy}"
    graph = min(GRAPHS, key=lambda names: sum(absent(folder / name) for name in names))
    needed = (*NEEDED, *graph)
    lacking = [name for name in needed if absent(folder / name)]
    if lacking:
        return f"{folder}: {', '.join(lacking)} is missing; {remedy}"
    return next(filter(None, (read_fault(folder / name) for name in needed)), None)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
