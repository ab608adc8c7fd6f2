"""Encodes windows as Whisper was trained to, with silence behind them up to 30 s, of which hardly any is computed.

What the encoder makes of that silence depends little on the speech before it. So its keys and values in every layer are
computed once, behind a made-up voice, and all windows attend to them. Most of the attention that silence gets goes to a
few of its frames: those are kept, and of the others one in `THINNED`, which counts for its neighbours too.
docs/experiments.md ("Silence that is not computed") has what that costs and saves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wlkd import SAMPLE_RATE
from wlkd.contract.types import Samples
from wlkd_simulstreaming.crew import Crew
from wlkd_simulstreaming.encoder import CONVOLVED, STRIDE, Encoder, EncoderBlock, TorchEncoder
from wlkd_simulstreaming.mel import MAX_MEL_FRAMES, LogMel
from wlkd_simulstreaming.timing import FRAME_SAMPLES

BEHIND = 25
"""Frames (20 ms) of silence behind the speech that are to be computed: their states are not those of silence."""
KEPT = 128
"""Frames of silence that get most of the attention. With 64, states are another point off."""
THINNED = 16
VOICED = 50
"""Frames of the voice. No window is encoded shorter: only from here on is there silence. Behind a longer voice it would
be nearer to that of long windows, and short ones would cost more."""


Attended = tuple[Tensor, Tensor, Tensor]
"""Keys, values and the weights of their frames."""


@dataclass(frozen=True)
class Silence:
    """What a layer attends to of the silence."""

    frames: Tensor
    """(n,): which ones, ascending."""
    keys: Tensor
    """(n, width), and `values` too."""
    values: Tensor
    weight: Tensor
    """(n,): added to scores; the logarithm of how many frames each stands for."""

    @classmethod
    def chosen(cls, keys: Tensor, values: Tensor, attention: Tensor) -> Silence:
        """Of the `keys` and `values` (frames, width) of a voice and the silence behind it, and the `attention` (heads,
        frames of the voice, frames) of the voice to both."""
        heard, count = attention.shape[1:]
        kept = heard + attention[..., heard:].mean(1).amax(0).topk(min(KEPT, count - heard)).indices
        weight = torch.full((count,), -torch.inf)
        weight[kept] = 0
        others = weight[heard:].isinf().nonzero()[:, 0] + heard
        weight[others[THINNED // 2 :: THINNED]] = math.log(THINNED)
        frames = weight.isfinite().nonzero()[:, 0]
        return cls(frames, keys[frames], values[frames], weight[frames])

    def behind(self, frames: int) -> Silence:
        """The part of it that follows a window of so many frames."""
        first = int(torch.searchsorted(self.frames, frames))
        return Silence(self.frames[first:], self.keys[first:], self.values[first:], self.weight[first:])

    def after(self, parts: Sequence[Part]) -> Attended:
        """Keys and values (rows, n, width) of the `parts` of a window and of this silence, which follows them; and the
        weight (n,) of each."""
        rows, frames = len(parts[0].x), sum(part.x.shape[1] for part in parts)
        keys = torch.cat([*(part.keys for part in parts), self.keys.expand(rows, -1, -1)], 1)
        values = torch.cat([*(part.values for part in parts), self.values.expand(rows, -1, -1)], 1)
        return keys, values, F.pad(self.weight, (frames, 0))


class Part(NamedTuple):
    """Some of the frames of windows on their way to a layer: (rows, frames, width) each."""

    x: Tensor
    query: Tensor
    keys: Tensor
    values: Tensor

    @classmethod
    def of(cls, x: Tensor, block: EncoderBlock) -> Part:
        """What `block` gets."""
        return cls(x, *block.projected(x))


class PaddedEncoder(Encoder):
    """A PyTorch encoder on the CPU whose rows are as long as their speech and `BEHIND`."""

    heard_silence = MAX_MEL_FRAMES // STRIDE

    @torch.inference_mode()
    def __init__(self, encoder: TorchEncoder, mel: LogMel, crew: Crew) -> None:
        self._encoder = encoder
        self._crew = crew
        voice = made_up_voice(VOICED * FRAME_SAMPLES)
        x = encoder.embedded(mel(voice, MAX_MEL_FRAMES)[None], range(MAX_MEL_FRAMES // STRIDE))
        self._silence = []
        for block in encoder.blocks:
            query, keys, values = block.projected(x)
            attention = block.attention(query[:, :VOICED], keys)
            self._silence.append(Silence.chosen(keys[0], values[0], attention[0]))
            x = block.mixed(x, query, keys, values)
        self.silence = encoder.normalised(x)[0]
        """The states (1500, width) of the voice, and of the silence behind it."""

    def __call__(self, mel: Tensor) -> Tensor:
        frames = mel.shape[2] // STRIDE
        # What the convolutions see behind the window is silence too, and not the zeros that they take for sound.
        mel = F.pad(mel, (0, STRIDE * CONVOLVED), mode="replicate")
        blocks, share = self._encoder.blocks, self._crew.share
        *silences, last = (silence.behind(frames) for silence in self._silence)

        def embedded(span: range) -> Part:
            return Part.of(self._encoder.embedded(mel, span), blocks[0])

        with self._crew.gathered() as threads:
            parts = share(embedded, _spans(frames, threads))
            # They wait for each other where a layer's frames attend to each other, and nowhere else.
            for (block, following), silence in zip(pairwise(blocks), silences, strict=True):
                parts = share(partial(_through, block, silence.after(parts), following), parts)
            ends = share(partial(_mixed, blocks[-1], last.after(parts)), parts)
        return self._encoder.normalised(torch.cat(ends, 1))


def _through(block: EncoderBlock, attended: Attended, following: EncoderBlock, part: Part) -> Part:
    return Part.of(_mixed(block, attended, part), following)


def _mixed(block: EncoderBlock, attended: Attended, part: Part) -> Tensor:
    return block.mixed(part.x, part.query, *attended)


def _spans(frames: int, count: int) -> list[range]:
    """So many frames in `count` parts."""
    return [range(frames * n // count, frames * (n + 1) // count) for n in range(count)]


def made_up_voice(samples: int) -> Samples:
    """Sounds like speech as far as an encoder goes: overtones of a voice under three formants that move, in syllables,
    and noise 10 dB below them. Silence behind mere noise is further from that behind speech."""
    time = np.arange(samples) / SAMPLE_RATE
    pitch = 120 * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = np.zeros_like(time)
    for centre, loudness, rate in ((600, 1.0, 1.3), (1300, 0.5, 1.9), (2500, 0.25, 2.3)):
        formant = centre * (1 + 0.3 * np.sin(2 * np.pi * rate * time))
        for overtone in range(1, 30):
            nearness = np.exp(-(((overtone * pitch - formant) / 150) ** 2))
            voice += loudness * nearness * np.sin(overtone * phase)
    voice *= np.clip(np.sin(2 * np.pi * 2 * time) + 0.5, 0, 1)
    voice *= 0.3 / np.abs(voice).max()
    noise = np.random.default_rng(0).normal(0, np.sqrt(np.mean(voice**2) / 10), len(time))
    return (voice + noise).astype(np.float32)
