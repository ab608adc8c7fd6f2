"""Finds who can rebuild a decoder from an encoder's file, and lets them.

Writing a PyTorch checkpoint takes torch, which the core does without: a plugin that has torch anyway offers
the work in the entry-point group `wlkd.derive_decoder`, as a function `(model_bin, target) -> None`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from wlkd_models.digest import write_note

from wlkd_whisper.dims import ModelFileError
from wlkd_whisper.folder import decoder_file, encoder_dir

GROUP = "wlkd.derive_decoder"

Derive = Callable[[Path, Path], None]


class DerivationUnavailable(Exception):
    """Nothing that is installed can write a checkpoint."""


def derive_decoder(models_dir: Path, size: str, derive: Derive | None = None) -> Path:
    """Write `pytorch-whisper-<size>/<size>.pt` from `faster-whisper-<size>/model.bin`, and its digest beside it.

    `derive` does the work; by default what a plugin offers. Returns the checkpoint.
    Raises ModelFileError, DerivationUnavailable, OSError.
    """
    source, target = encoder_dir(models_dir, size) / "model.bin", decoder_file(models_dir, size)
    if not source.exists():
        raise ModelFileError(f"{source}: is missing; the decoder is rebuilt from it")
    derive = derive or _find()
    if not target.parent.exists():
        target.parent.mkdir(mode=0o755)
        target.parent.chmod(0o755)
    derive(source, target)
    write_note(target)
    return target


def _find() -> Derive:
    reasons = []
    for entry in entry_points(group=GROUP):
        try:
            found: Derive = entry.load()
        except ImportError as error:
            reasons.append(f"{entry.value} cannot be imported: {error}")
        else:
            return found
    if reasons:
        raise DerivationUnavailable(f"a decoder cannot be derived here: {'; '.join(reasons)}")
    raise DerivationUnavailable("no installed plugin can derive a decoder; `pip install wlkd-simulstreaming`")
