"""Encodes a window that grows: anew only what changed in it, and what lies near.

A frame's states depend on all of the audio, but hardly on what lies seconds away. So the keys and values of every
layer are kept from one step to the next. What was heard since, and the frames within `BEFORE` and `BEHIND` of it, pass
through the layers again and attend to all frames, as they are kept. A window that begins anew begins as silence.
docs/experiments.md ("A window that grows") has what that costs and saves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wlkd_simulstreaming.encoder import STRIDE, TorchEncoder
from wlkd_simulstreaming.mel import LogMel

BEFORE, BEHIND = 200, 25
"""Frames (20 ms) encoded anew before what changed, and behind it."""
SAME = 0.1
"""Two mel frames that differ less, in a quarter of log10 of the power, are the same: the loudest frame of the window
sets the floor of all others."""


@dataclass(eq=False)
class Encoding:
    """What was computed of one stream's window. It changes with every step; what it holds of another window is found
    by comparing, so a state that is old may share it."""

    mel: Tensor
    """(bins, mel frames)"""
    content: int
    """Frames of audio; the rest is silence."""
    keys: list[Tensor]
    """(frames, width) of each layer in float16, and `values` too: 10 MB for base."""
    values: list[Tensor]
    states: Tensor
    """(frames, width)"""
    renewed: int = 0
    """Frames that the last step encoded anew."""

    def copy(self) -> Encoding:
        keys, values = ([layer.clone() for layer in layers] for layers in (self.keys, self.values))
        return replace(self, keys=keys, values=values, states=self.states.clone())


class GrowingEncoder:
    """One encoder in PyTorch for many windows of one length."""

    def __init__(self, encoder: TorchEncoder, mel: LogMel, mel_frames: int) -> None:
        self._encoder = encoder
        self.mel_frames = mel_frames
        self._silence = self._nothing(mel.silence(mel_frames))

    def __call__(self, mel: Tensor, content: int, before: Encoding | None) -> Encoding:
        """`mel` (bins, mel frames), of which `content` frames are audio; `before`: of the last step, and used up."""
        changed = None if before is None else self._changed(mel, content, before)
        if before is None or changed is None:
            encoding, (first, stop) = self._silence.copy(), (0, content)
        else:
            encoding, (first, stop) = before, changed
        encoding.renewed = 0
        if first < stop:
            self._encode(encoding, mel, max(first - BEFORE, 0), min(stop + BEHIND, mel.shape[1] // STRIDE))
        # Last: after an error the next step encodes it again.
        encoding.mel, encoding.content = mel, content
        return encoding

    def _changed(self, mel: Tensor, content: int, before: Encoding) -> tuple[int, int] | None:
        """The first frame that is not as it was, and the one behind the last; None: all of the audio is new."""
        heard = STRIDE * max(content, before.content)
        differ = (mel - before.mel).abs().amax(0)[:heard].ge(SAME).nonzero()
        if not len(differ):
            return 0, 0
        first, last = int(differ[0]) // STRIDE, int(differ[-1]) // STRIDE
        return None if first == 0 else (first, last + 1)

    def _encode(self, encoding: Encoding, mel: Tensor, first: int, stop: int) -> None:
        """Frames from `first` up to, not including, `stop` of `mel`."""
        x = self._encoder.embedded(mel[None], first, stop)
        for block, keys, values in zip(self._encoder.blocks, encoding.keys, encoding.values, strict=True):
            query, keys[first:stop], values[first:stop] = block.projected(x)
            x = block.mixed(x, query, keys[None].float(), values[None].float())
        encoding.states[first:stop] = self._encoder.normalised(x)[0]
        encoding.renewed = stop - first

    def _nothing(self, mel: Tensor) -> Encoding:
        frames = mel.shape[1] // STRIDE
        width, layers = self._encoder.width, range(len(self._encoder.blocks))
        keys, values = ([torch.empty(frames, width, dtype=torch.float16) for _ in layers] for _ in range(2))
        silence = Encoding(mel, 0, keys, values, torch.empty(frames, width))
        self._encode(silence, mel, 0, frames)
        return silence
