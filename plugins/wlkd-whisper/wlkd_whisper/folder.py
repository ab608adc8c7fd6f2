"""The models folder: where each half of a size lies, and whether it can be read."""

from __future__ import annotations

import os
from pathlib import Path

from wlkd_models.access import contents, is_public

ENCODER_PREFIX = "faster-whisper-"
DECODER_PREFIX = "pytorch-whisper-"


def encoder_dir(models_dir: Path, size: str) -> Path:
    """The encoder's folder, in CTranslate2's format."""
    return models_dir / f"{ENCODER_PREFIX}{size}"


def decoder_file(models_dir: Path, size: str) -> Path:
    """The decoder's checkpoint, in PyTorch's format."""
    return models_dir / f"{DECODER_PREFIX}{size}" / f"{size}.pt"


def sizes_in(models_dir: Path) -> list[str]:
    """Every size of which the folder holds at least one half, in order. Raises OSError."""
    return sorted(
        {
            entry.name.removeprefix(prefix)
            for entry in models_dir.iterdir()
            for prefix in (ENCODER_PREFIX, DECODER_PREFIX)
            if entry.name.startswith(prefix)
        }
    )


def private_paths(models_dir: Path, size: str) -> list[Path]:
    """What another user, such as the service's, cannot read although its reader here can.

    What cannot even be looked at here is left out: `check_pair` tells about it.
    """
    decoder = decoder_file(models_dir, size)
    encoder = encoder_dir(models_dir, size)
    candidates = [encoder, decoder.parent, decoder, *contents(encoder)]
    return [path for path in candidates if os.access(path, os.R_OK) and not is_public(path)]
