"""A live container can be taken up by another decoder: its header, then a later cluster, page or fragment."""

from __future__ import annotations

import io
from collections.abc import Iterable

import av
import numpy as np
import pytest
from wlkd_av.decoder import Av
from wlkd_av.options import AvOptions
from wlkd_av.stream import MAX_RESTARTS

from wlkd import SAMPLE_RATE, Decoded, DecoderStream, Restart, StreamOffer


def recording(name: str, codec: str, options: dict[str, str], seconds: int = 8) -> bytes:
    """A tone that gets higher, in pieces of 20 ms."""
    written = io.BytesIO()
    with av.open(written, "w", format=name, options=options) as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        times = np.arange(seconds * 48_000) / 48_000
        tone = (10_000 * np.sin(2 * np.pi * (200 + 50 * times) * times)).astype(np.int16)
        for at in range(0, len(tone), 960):
            frame = av.AudioFrame.from_ndarray(tone[None, at : at + 960], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return written.getvalue()


def heard(items: Iterable[Decoded]) -> int:
    return sum(len(item) for item in items if isinstance(item, np.ndarray))


def opened() -> DecoderStream:
    return Av(AvOptions()).open(StreamOffer())


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("webm", "libopus", {"live": "1", "cluster_time_limit": "1000"}),
        ("ogg", "libopus", {"page_duration": "500000"}),
        ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1000000"}),
    ],
)
@pytest.mark.parametrize("piece", [700, 5000])
def test_another_decoder_goes_on_where_one_was(name: str, codec: str, options: dict[str, str], piece: int) -> None:
    data = recording(name, codec, options)
    stream, restarts, whole = opened(), list[Restart](), 0
    for at in range(0, len(data), piece):
        whole += heard(stream.feed(data[at : at + piece]))
        restarts += stream.restarts()
    whole += heard(stream.finish())
    stream.close()
    assert len(restarts) >= 5
    assert [cut.at for cut in restarts] == sorted(cut.at for cut in restarts)
    for cut in restarts[1::2]:
        other = opened()
        rest = heard(other.feed(data[: cut.header_bytes] + data[cut.offset_bytes :]))
        rest += heard(other.finish())
        other.close()
        # A frame or two of the codec, at most.
        assert abs(cut.at + rest - whole) < 0.1 * SAMPLE_RATE


def test_places_that_nobody_asks_for_do_not_pile_up() -> None:
    """A session that cannot be resumed never asks, and a page for each packet makes 180,000 an hour."""
    data = recording("ogg", "libopus", {"page_duration": "20000"}, seconds=60)
    assert data.count(b"OggS") > 2500
    stream = opened()
    for at in range(0, len(data), 5000):
        heard(stream.feed(data[at : at + 5000]))
    restarts = stream.restarts()
    stream.close()
    assert MAX_RESTARTS / 2 <= len(restarts) <= MAX_RESTARTS
    assert [cut.at for cut in restarts] == sorted(cut.at for cut in restarts)
    assert restarts[-1].offset_bytes > len(data) - 5000, "the last ones are the ones to go on from"
