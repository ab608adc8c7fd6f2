"""The network's file: its digest, and where it can be had."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wlkd_models.files import PinnedFile, in_wheel
from wlkd_models.pinned import PinnedFamily, PinnedModel
from wlkd_models.sources import Source, WheelSource

NAME = "smart-turn"
WHEEL = "pipecat-ai==1.14.0"
FOLDER = "pipecat/audio/turn/smart_turn/data"

NETWORK = PinnedFile(
    "smart-turn-v3.2-cpu.onnx", 8_679_182, "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
)


def network_file(models_dir: Path) -> Path:
    return models_dir / NAME / NETWORK.name


def _sources(scratch: Path) -> Sequence[Source]:
    return [WheelSource(in_wheel(WHEEL, FOLDER, [NETWORK]), scratch)]


FAMILY = PinnedFamily(
    {NAME: PinnedModel((NETWORK,), _sources, "Smart Turn 3.2: is a turn over? 23 languages; BSD-2-Clause")}
)
