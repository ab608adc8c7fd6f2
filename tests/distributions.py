"""Plugins as pip would have installed them."""

from __future__ import annotations

from pathlib import Path


def write_distribution(folder: Path, name: str, point: str, module: str) -> None:
    """In `folder`, which is made: version 1.2 of the distribution `name`, whose entry point `point` is `module`."""
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[wlkd]\n{point} = {module}\n")
