"""A whole recording in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO

from wlkd import Decoded, StreamOffer
from wlkd_av.errors import Undecodable
from wlkd_av.files import Window, mp4_parts
from wlkd_av.reading import Opening, Reading
from wlkd_av.sniff import container_format
from wlkd_av.tags import tag_length
from wlkd_av.wav import wav_samples

HEAD_BYTES = 4096
MAX_TAGS = 100
"""Before the recording."""


def read_file(file: IO[bytes], begin: int, size: int, burst_seconds: int, offer: StreamOffer) -> Iterator[Decoded]:
    """Everything from `begin` on in the first `size` bytes of `file`, all channels or as `offer` says. Raises
    `Undecodable`; what was yielded before counts."""
    begin = _behind_tags(file, begin)
    head = os.pread(file.fileno(), HEAD_BYTES, begin)
    name = container_format(head)
    if name == "wav":
        yield from _read_wav(file, begin, size, burst_seconds, offer)
        return
    parts = mp4_parts(file, begin, size) if name == "mp4" else iter([(begin, size)])
    for start, end in parts:
        yield from Reading(
            Window(file, start, end), Opening(name, {}, offer.channel, offer.last_channel), burst_seconds, seekable=True
        ).items()


def _behind_tags(file: IO[bytes], begin: int) -> int:
    for _ in range(MAX_TAGS):
        length = tag_length(os.pread(file.fileno(), 32, begin))
        if not length:
            break
        begin += length
    return begin


def _read_wav(file: IO[bytes], begin: int, end: int, burst_seconds: int, offer: StreamOffer) -> Iterator[Decoded]:
    def read_at(offset: int, size: int) -> bytes:
        data = os.pread(file.fileno(), size, begin + offset)
        if len(data) < size:
            raise EOFError
        return data

    try:
        samples = wav_samples(read_at, seekable=True)
    except EOFError:
        raise Undecodable("cut short: it ends before its samples begin, or without saying how to read them") from None
    if samples is None:
        yield from Reading(
            Window(file, begin, end),
            Opening("wav", {}, offer.channel, offer.last_channel),
            burst_seconds,
            seekable=True,
        ).items()
        return
    start = begin + samples.offset
    stop = end if samples.length is None else min(start + samples.length, end)
    opening = Opening(samples.demuxer, samples.options, offer.channel, offer.last_channel, samples.seconds)
    yield from Reading(Window(file, start, stop), opening, burst_seconds, seekable=True).items()
