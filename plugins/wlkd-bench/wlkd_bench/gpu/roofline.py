"""What a batch must move and compute at least, from the dimensions of the network (Williams et al. 2009: "Roofline").

Rows are streams. Weights are read once for all of them, keys and values once for each. Activations, which stay in the
caches of a card, are left out; so are normalisation and softmax.
"""

from __future__ import annotations

from dataclasses import dataclass

from wlkd_whisper.dims import WhisperDims


@dataclass(frozen=True)
class Card:
    """What a maker states of a card."""

    name: str
    bandwidth: float
    """Bytes a second."""
    peak: float
    """Operations a second in float16, without sparsity."""


CARDS = (
    Card("H200", 4.8e12, 989e12),
    Card("H100", 3.35e12, 989e12),
    Card("A100", 2.04e12, 312e12),
    Card("L40S", 0.864e12, 362e12),
    Card("L4", 0.3e12, 121e12),
)
"""By a part of the name that CUDA gives them. H100 and A100: the SXM modules with 80 GB."""


def card(name: str) -> Card | None:
    """The card that CUDA calls `name`."""
    return next((one for one in CARDS if one.name in name.split() or one.name in name.split("-")), None)


@dataclass(frozen=True)
class Work:
    """What must be moved and computed."""

    bytes: float
    flops: float
    """A multiplication and an addition are two."""

    def __add__(self, other: Work) -> Work:
        return Work(self.bytes + other.bytes, self.flops + other.flops)

    def __mul__(self, times: float) -> Work:
        return Work(self.bytes * times, self.flops * times)

    def seconds(self, card: Card) -> float:
        """The least time: memory and arithmetic work side by side."""
        return max(self.bytes / card.bandwidth, self.flops / card.peak)


@dataclass(frozen=True)
class Roofline:
    """For one network."""

    dims: WhisperDims
    item: int = 2
    """Bytes of a number."""

    @property
    def frame_bytes(self) -> int:
        """Keys and values of a frame, or of a token, in all layers of the decoder."""
        return 2 * self.dims.n_text_layer * self.dims.n_text_state * self.item

    def stream_bytes(self, frames: int, slots: int) -> int:
        """What a stream of a batch keeps of `frames` of audio and `slots` tokens."""
        return (frames + slots) * self.frame_bytes

    def encoder(self, rows: int, frames: int) -> Work:
        """From the spectrogram to `frames` states for each row."""
        width, layers = self.dims.n_audio_state, self.dims.n_audio_layer
        # Query, key, value, output; a hidden layer of four widths, in and out. Two convolutions of three places, the
        # first one on twice the frames.
        first, second = 3 * self.dims.n_mels * width, 3 * width * width
        weights = layers * 12 * width * width + second
        linear = rows * frames * 2 * (weights + 2 * first)
        attention = rows * layers * 4 * frames * frames * width
        return Work((weights + first) * self.item, linear + attention)

    def memory(self, rows: int, frames: int, tail: int) -> Work:
        """Keys and values of `frames` states for the cross-attention; `tail` further frames are copied."""
        weights = self.dims.n_text_layer * 2 * self.dims.n_audio_state * self.dims.n_text_state
        written = rows * (frames + 2 * tail) * self.frame_bytes
        return Work(weights * self.item + written, rows * frames * 2 * weights)

    def tokens(self, rows: int, count: int, slots: int, frames: int) -> Work:
        """`count` tokens of each row read at once, with `slots` in the cache then, and the scores of the last one."""
        width, layers = self.dims.n_text_state, self.dims.n_text_layer
        # Six projections of the two attentions, and a hidden layer of four widths.
        weights, scores = layers * 14 * width * width, self.dims.n_vocab * width
        kept = rows * self.stream_bytes(frames, slots)
        linear = rows * 2 * (count * weights + scores)
        attention = rows * layers * 4 * count * (slots + frames) * width
        return Work((weights + scores) * self.item + kept, linear + attention)
