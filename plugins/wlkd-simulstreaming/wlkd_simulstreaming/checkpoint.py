"""The decoder's file: an OpenAI Whisper checkpoint, `{"dims": …, "model_state_dict": …}`."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from wlkd_whisper.dims import WhisperDims

from wlkd import ProvisionError


@dataclass(frozen=True)
class Checkpoint:
    """Weights by OpenAI's names, as stored (usually float16)."""

    path: Path
    dims: WhisperDims
    weights: dict[str, Tensor]


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; runs no code from it. Raises `ProvisionError`."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise ProvisionError(
            f"{path}: not a readable checkpoint ({type(error).__name__}: {str(error).splitlines()[0]}); "
            f"perhaps half-copied: copy it again, or `wlkd models verify {path.stem}`"
        ) from error
    try:
        dims = WhisperDims.from_mapping(content["dims"])
        weights = dict(content["model_state_dict"])
        width, vocabulary = weights["decoder.ln.weight"].shape[0], weights["decoder.token_embedding.weight"].shape[0]
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ProvisionError(f"{path}: not a Whisper checkpoint in OpenAI's format ({error})") from error
    if (width, vocabulary) != (dims.n_text_state, dims.n_vocab):
        raise ProvisionError(f"{path}: its weights do not have the shape that its own `dims` state; copy it again")
    return Checkpoint(path, dims, weights)
