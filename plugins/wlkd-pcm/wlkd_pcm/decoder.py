"""Decoder `pcm`: raw samples of any rate and channel count."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from wlkd import SAMPLE_RATE, Decoded, Decoder, DecoderStream, Options, Restart, Samples, SessionError, StreamOffer
from wlkd.contract.mixing import Mono
from wlkd.contract.resampling import MAX_RATE, MIN_RATE, Resampler
from wlkd_pcm.encodings import ENCODINGS
from wlkd_pcm.formats import MAX_CHANNELS, Format, announced

RECORDINGS = {
    "WebM": re.compile(rb"\x1a\x45\xdf\xa3.*(webm|matroska)", re.DOTALL),
    "Ogg": re.compile(rb"OggS\0\x02"),
    "FLAC": re.compile(rb"fLaC\0\0\0\x22"),
    "MP4": re.compile(rb"\0\0\0.ftyp", re.DOTALL),
}
"""How recordings begin that clients send in place of raw samples. WAV is not among them: its header is a click of a
millisecond, and people do send WAV where samples are wanted."""
HEAD_BYTES = 64
"""Enough to tell them by."""
EMPTY: Samples = np.zeros(0, dtype=np.float32)


class PcmOptions(Options):
    """What a stream is taken for when its client says nothing about it."""

    encoding: Literal["s16le", "s16be", "s24le", "s24be", "s32le", "f32le", "u8", "mulaw", "alaw"] = Field(
        "s16le", description="Sample encoding of streams that do not announce one."
    )
    sample_rate: int = Field(
        SAMPLE_RATE, ge=MIN_RATE, le=MAX_RATE, description="Their sample rate in Hz; audio is resampled to 16000."
    )
    channels: int = Field(
        1, ge=1, le=MAX_CHANNELS, description="How many interleaved channels they have; channels are mixed down to one."
    )


class Pcm(Decoder[PcmOptions]):
    encodings = tuple(ENCODINGS)

    def open(self, offer: StreamOffer) -> DecoderStream:
        if offer.encoding is None and offer.content_type is None:
            offer = replace(
                offer,
                encoding=self.config.encoding,
                sample_rate=self.config.sample_rate if offer.sample_rate is None else offer.sample_rate,
                channels=self.config.channels if offer.channels is None else offer.channels,
            )
        fmt = announced(offer)
        if fmt is None:
            raise SessionError(
                "bad_request",
                f"{offer.encoding or offer.content_type!r} is not raw audio known here; "
                f"known encodings: {', '.join(ENCODINGS)}",
            )
        return PcmStream(fmt, offer.channel, last=offer.last_channel)


class PcmStream(DecoderStream):
    """Whole sample frames of each piece become samples; the rest waits for the next piece."""

    def __init__(self, fmt: Format, only: int | None = None, *, last: bool = False) -> None:
        self._encoding = ENCODINGS[fmt.encoding]
        self._channels = fmt.channels
        self._block = self._encoding.width * fmt.channels
        self._remainder = b""
        self._name = fmt.encoding
        self._head = b""
        """The first bytes, until they are enough to tell a recording by."""
        self._mono = Mono(fmt.channels, floats=self._encoding.floats, only=only, last=last)
        self._rate = fmt.sample_rate
        self._frames = 0
        """Sample frames taken so far."""
        self._resampler = Resampler(fmt.sample_rate)

    def feed(self, data: bytes) -> Samples | Iterable[Decoded]:
        self._look_at(data)
        data = self._remainder + data
        whole = len(data) - len(data) % self._block
        self._remainder = data[whole:]
        if not whole:
            return EMPTY
        self._frames += whole // self._block
        mixed = self._mono.mix(self._encoding.decode(data[:whole]).reshape(-1, self._channels))
        return [*self._mono.take_notes(), self._resampler.resample(mixed)]

    def _look_at(self, data: bytes) -> None:
        """Raises `SessionError` when the stream turns out to be a recording."""
        if len(self._head) >= HEAD_BYTES:
            return
        self._head += data[:HEAD_BYTES]
        if len(self._head) < HEAD_BYTES:
            return
        for name, beginning in RECORDINGS.items():
            if beginning.match(self._head[:HEAD_BYTES]):
                remedy = "send raw samples, or recordings to /asr?format=container"
                raise SessionError("undecodable_audio", f"this is {name}, not raw samples ({self._name}): {remedy}")

    def restarts(self) -> list[Restart]:
        return [Restart(0, self._frames * self._block, round(self._frames * SAMPLE_RATE / self._rate))]

    def finish(self) -> Samples | Iterable[Decoded]:
        # A last sample cut short has no value to give.
        self._remainder = b""
        mixed = self._mono.rest()
        return [*self._mono.take_notes(), self._resampler.resample(mixed, last=True)]
