"""From attention over frames to the one frame that a token attends to."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad

SMOOTHED_FRAMES = 7
"""Width of the median over frames (140 ms): spikes of a single frame are not evidence."""


def attended_frames(attention: Tensor) -> Tensor:
    """The frame attended to most, after smoothing: (…, frames) to (…)."""
    half = SMOOTHED_FRAMES // 2
    frames = attention.shape[-1]
    flat = attention.reshape(-1, frames)
    if frames > half:
        flat = pad(flat, (half, half), mode="reflect").unfold(-1, SMOOTHED_FRAMES, 1).median(-1).values
    return flat.argmax(-1).reshape(attention.shape[:-1])
