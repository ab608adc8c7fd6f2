"""What a stream makes of bytes, and how like the recorded sound that is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from wlkd_av.decoder import Av
from wlkd_av.options import AvOptions

from wlkd import SAMPLE_RATE, Decoded, DecoderStream, Note, Samples, SessionError, StreamOffer
from wlkd.testing import as_samples

Recorded = Callable[[str], bytes]

SECONDS = 3.0
KINDS = [
    "webm",
    "webm+video",
    "ogg",
    "fmp4",
    "mp4 faststart",
    "mp4 index last",
    "mp3",
    "flac",
    "wav",
    "wav 16 kHz",
    "wav 44.1 kHz stereo",
    "wav float",
    "wav adpcm",
    "wav 5.1",
    "avi",
    "aac",
    "mkv flac stereo",
]
"""Recordings of the fixture `recorded`, one of each kind."""


def open_stream(**options: int) -> DecoderStream:
    return Av(AvOptions(**options)).open(StreamOffer())


def decode_in_pieces(factory: Callable[[], DecoderStream], data: bytes, cuts: list[int]) -> Samples:
    """Everything a fresh stream makes of `data` cut at `cuts`."""
    stream = factory()
    try:
        edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        pieces = [as_samples(stream.feed(data[a:b])) for a, b in itertools.pairwise(edges)]
        return np.concatenate([*pieces, as_samples(stream.finish())])
    finally:
        stream.close()


def decode(data: bytes, piece: int | None = None, **options: int) -> Samples:
    cuts = list(range(0, len(data), piece)) if piece else []
    return decode_in_pieces(lambda: open_stream(**options), data, cuts)


def refusal(data: bytes, piece: int | None = None, **options: int) -> str:
    """The message with which `data` is found undecodable."""
    with pytest.raises(SessionError) as caught:
        decode(data, piece, **options)
    assert caught.value.code == "undecodable_audio"
    return caught.value.message


def notes(items: Iterable[Decoded]) -> list[Note]:
    return [item for item in items if isinstance(item, Note)]


def chirp() -> Samples:
    """What the recordings hold, at 16 kHz."""
    t = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.4 * np.sin(2 * np.pi * (300 * t + 200 * t**2))).astype(np.float32)


def likeness(samples: Samples) -> float:
    """Correlation with the chirp at the best shift within 50 ms (encoders put a little silence in front)."""
    chirped = chirp()[2000:40000]

    def at(shift: int) -> float:
        heard = samples[2000 + shift : 40000 + shift]
        return float(np.dot(heard, chirped) / (np.linalg.norm(heard) * np.linalg.norm(chirped) + 1e-9))

    return max(at(shift) for shift in range(0, 800))
