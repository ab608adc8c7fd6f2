"""Decoder `av`: any container that FFmpeg reads, as a stream that cannot be rewound."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from wlkd import SAMPLE_RATE, Decoder, DecoderStream, Options, Samples, SessionError, StreamOffer
from wlkd_av.demux import EMPTY, Demuxer, Limits, TooMuch
from wlkd_av.sniff import (
    SIGNATURE_BYTES,
    WEBM_HEADER,
    container_format,
    describe,
    mp4_index_first,
    webm_header_may_begin,
)

MIB = 1 << 20
HEAD_BYTES = 64


class AvOptions(Options):
    max_probe_bytes: int = Field(
        8 * MIB, ge=4096, description="Bytes without an audio stream after which a stream is refused."
    )
    max_mp4_bytes: int = Field(
        64 * MIB, ge=4096, description="An MP4 file with its index at the end is kept whole, up to this size."
    )
    max_bad_packets: int = Field(50, ge=0, description="Broken packets in a row that are skipped: 1 s of Opus.")
    max_burst_seconds: int = Field(
        3600, ge=1, description="Audio that a single piece of input may unpack to (an hour: 230 MB)."
    )


class Av(Decoder):
    Config = AvOptions

    def open(self, offer: StreamOffer) -> DecoderStream:
        return AvStream(self.config)


class AvStream(DecoderStream):
    """One client's bytes: mostly one container, sometimes several after each other."""

    def __init__(self, options: AvOptions) -> None:
        self._options = options
        self._limits = Limits(options.max_bad_packets, options.max_burst_seconds * SAMPLE_RATE)
        self._head = b""
        """The first bytes of the stream, for messages."""
        self._held = bytearray()
        """Bytes that no demuxer has yet."""
        self._keep_whole = False
        """An MP4 file with its index at the end: held until it is complete."""
        self._format: str | None = None
        self._demuxer: Demuxer | None = None
        self._demuxed = 0
        """Bytes handed to the present demuxer."""
        self._decoded = 0
        """Samples of all containers."""

    def feed(self, data: bytes) -> Samples:
        if not data:
            return EMPTY
        self._head += data[: max(HEAD_BYTES - len(self._head), 0)]
        if self._demuxer is None:
            self._held += data
            return self._begin()
        if self._format == "matroska":
            return self._across_restarts(data)
        return self._demux(self._demuxer, data)

    def finish(self) -> Samples:
        if self._demuxer is None:
            return self._decode_held()
        # A failure that is known before the end is no mere lack of an end.
        self._check(self._demuxer)
        rest = self._demux(self._demuxer, bytes(self._held))
        return np.concatenate([rest, self._end(self._demuxer)])

    def close(self) -> None:
        if self._demuxer is not None:
            self._demuxer.close()
        self._held.clear()

    def _begin(self) -> Samples:
        """Choose a demuxer, once the held bytes suffice, and hand them over."""
        if self._keep_whole:
            self._check_size(self._options.max_mp4_bytes)
            return EMPTY
        if len(self._held) < SIGNATURE_BYTES:
            return EMPTY
        held = bytes(self._held)
        self._format = container_format(held)
        if self._format == "mp4":
            index_first = mp4_index_first(held)
            self._keep_whole = index_first is False
            if not index_first:
                self._check_size(self._options.max_mp4_bytes if self._keep_whole else self._options.max_probe_bytes)
                return EMPTY
        self._held.clear()
        demuxer = self._start()
        return self._across_restarts(held) if self._format == "matroska" else self._demux(demuxer, held)

    def _check_size(self, limit: int) -> None:
        if len(self._held) > limit:
            self._held.clear()
            raise SessionError(
                "undecodable_audio",
                f"an MP4 file of more than {limit / MIB:.3g} MiB with its index at the end; write the index first "
                "(ffmpeg -movflags +faststart) or in fragments",
            )

    def _start(self) -> Demuxer:
        self._demuxer, self._demuxed = Demuxer(self._format, self._limits), 0
        return self._demuxer

    def _across_restarts(self, data: bytes) -> Samples:
        """A recorder that stops and starts again sends a new WebM header in mid-stream: a new container."""
        assert self._demuxer is not None
        data = bytes(self._held) + data
        parts = []
        # The header at the very beginning is no restart.
        while match := WEBM_HEADER.search(data, 1 if self._demuxed == 0 else 0):
            parts += [self._demux(self._demuxer, data[: match.start()]), self._end(self._demuxer)]
            data = data[match.start() :]
            self._start()
        cut = max(webm_header_may_begin(data), 1 if self._demuxed == 0 else 0)
        self._held = bytearray(data[cut:])
        parts.append(self._demux(self._demuxer, data[:cut]))
        return np.concatenate(parts)

    def _demux(self, demuxer: Demuxer, data: bytes) -> Samples:
        if not data:
            return EMPTY
        samples = demuxer.feed(data)
        self._demuxed += len(data)
        self._decoded += len(samples)
        if not len(samples):
            # Else what was decoded goes first; the next call fails.
            self._check(demuxer)
        if not demuxer.opened and self._demuxed > self._options.max_probe_bytes:
            raise self._undecodable(f"no audio stream within {self._demuxed} bytes")
        return samples

    def _end(self, demuxer: Demuxer) -> Samples:
        """The container ends. One that lacks its own end counts as far as it goes."""
        samples = demuxer.finish()
        return self._settle(demuxer, samples)

    def _decode_held(self) -> Samples:
        """The stream ended before a demuxer was chosen; now all its bytes are there."""
        if not self._held:
            return EMPTY
        held = bytes(self._held)
        self._held.clear()
        demuxer = Demuxer(container_format(held), self._limits)
        return self._settle(demuxer, demuxer.decode_file(held))

    def _settle(self, demuxer: Demuxer, samples: Samples) -> Samples:
        self._decoded += len(samples)
        if self._decoded == 0 or isinstance(demuxer.failure, TooMuch):
            self._check(demuxer)
        return samples

    def _check(self, demuxer: Demuxer) -> None:
        if demuxer.failure is not None:
            raise self._undecodable(str(demuxer.failure)) from demuxer.failure

    def _undecodable(self, reason: str) -> SessionError:
        found = f"{self._format} container" if self._format else describe(self._head)
        return SessionError("undecodable_audio", f"cannot decode this stream: {found}: {reason}")
