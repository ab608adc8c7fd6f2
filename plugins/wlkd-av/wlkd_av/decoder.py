"""Decoder `av`: any container that FFmpeg reads, as a stream that cannot be rewound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from wlkd import SAMPLE_RATE, Decoder, DecoderStream, Options, Samples, SessionError, StreamOffer
from wlkd_av.demux import EMPTY, Demuxer, Limits, TooMuch
from wlkd_av.sniff import MAX_HEADER_BYTES, Choice, Wait, choose, container_format, describe

MIB = 1 << 20
HEAD_BYTES = 64
INDEX_FIRST = "write the index first (ffmpeg -movflags +faststart) or in fragments"
MAX_BARREN = 8
"""Containers in a row that may hold nothing: each costs a thread and a demuxer."""


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


class Av(Decoder[AvOptions]):
    def open(self, offer: StreamOffer) -> DecoderStream:
        return AvStream(self.config)


class AvStream(DecoderStream):
    """One client's bytes: mostly one container, sometimes several after each other."""

    def __init__(self, options: AvOptions) -> None:
        self._options = options
        self._limits = Limits(options.max_bad_packets, options.max_burst_seconds * SAMPLE_RATE)
        self._held = bytearray()
        """Bytes that no demuxer has yet."""
        self._keep_whole = False
        """An MP4 file with its index at the end: held until it is complete."""
        self._head = b""
        """The first bytes of the present container, for messages."""
        self._choice: Choice | None = None
        self._demuxer: Demuxer | None = None
        self._demuxed = 0
        """Bytes handed to the present demuxer."""
        self._tail = b""
        """The last of them: a header may be cut in two."""
        self._decoded = 0
        """Samples of all containers."""
        self._barren = 0
        """Containers in a row without any."""
        self._failed: SessionError | None = None
        """What the next call raises."""

    def feed(self, data: bytes) -> Samples:
        self._check_failed()
        self._held += data
        parts = [EMPTY]
        try:
            for samples in self._decode_held():
                parts.append(samples)
        except SessionError as error:
            # What was decoded goes first; the next call fails.
            self._failed = error
        decoded = np.concatenate(parts)
        if not len(decoded):
            self._check_failed()
        return decoded

    def finish(self) -> Samples:
        self._check_failed()
        if self._demuxer is None and self._held:
            # The stream ended before a demuxer was chosen; now all its bytes are there.
            self._demuxer = Demuxer(container_format(self._head), self._limits)
            self._demuxer.decode_file(bytes(self._held))
        if self._demuxer is None:
            return EMPTY
        samples = self._end(self._demuxer)
        if self._decoded == 0:
            self._check(self._demuxer)
        return samples

    def close(self) -> None:
        if self._demuxer is not None:
            self._demuxer.close()
        self._held.clear()

    def _check_failed(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _decode_held(self) -> Iterator[Samples]:
        """Samples of the held bytes, as far as demuxers can take them."""
        while self._held:
            if self._demuxer is None and not self._begin():
                return
            assert self._demuxer is not None
            restart = self._find_restart()
            piece = bytes(self._held[:restart])
            del self._held[:restart]
            yield self._demux(self._demuxer, piece)
            # A failure that is known before the end is no mere lack of an end.
            self._check(self._demuxer)
            if restart is not None:
                yield self._end(self._demuxer)
                self._demuxer = None

    def _begin(self) -> bool:
        """Choose a demuxer, if the held bytes suffice."""
        self._head = bytes(self._held[:HEAD_BYTES])
        choice = Wait.WHOLE_FILE if self._keep_whole else choose(bytes(self._held))
        if isinstance(choice, Wait):
            self._keep_whole = choice is Wait.WHOLE_FILE
            self._check_held()
            return False
        del self._held[: choice.offset]
        self._choice = choice
        self._demuxer, self._demuxed, self._tail = Demuxer(choice.format, self._limits, choice.options), 0, b""
        return True

    def _check_held(self) -> None:
        if self._keep_whole and len(self._held) > self._options.max_mp4_bytes:
            raise self._undecodable(
                f"its index is at the end, beyond {self._options.max_mp4_bytes / MIB:.3g} MiB; {INDEX_FIRST}"
            )
        if not self._keep_whole and len(self._held) > self._options.max_probe_bytes:
            raise self._undecodable(f"no audio stream within {len(self._held)} bytes")

    def _find_restart(self) -> int | None:
        """How many of the held bytes belong to the present container, if another one follows it.

        Of a header that was cut in two, the first part has gone to the present demuxer already, where it is
        no more than a broken end; the whole header is put back in front of the held bytes.
        """
        assert self._choice is not None
        if self._choice.restart is None:
            return None
        # The container's own header is no restart.
        window = self._tail + self._held
        match = self._choice.restart.search(window, 1 if self._demuxed == len(self._tail) else 0)
        if match is None:
            self._tail = bytes(window[1 - MAX_HEADER_BYTES :])
            return None
        cut = match.start() - len(self._tail)
        if cut < 0:
            self._held[:0] = self._tail[cut:]
        return max(cut, 0)

    def _demux(self, demuxer: Demuxer, data: bytes) -> Samples:
        samples = demuxer.feed(data)
        self._demuxed += len(data)
        self._decoded += len(samples)
        if not demuxer.opened and demuxer.failure is None and self._demuxed > self._options.max_probe_bytes:
            raise self._undecodable(f"no audio stream within {self._demuxed} bytes")
        return samples

    def _end(self, demuxer: Demuxer) -> Samples:
        """The container ends. One that lacks its own end counts as far as it goes."""
        samples = demuxer.finish()
        self._decoded += len(samples)
        self._barren = 0 if demuxer.yielded else self._barren + 1
        if self._barren > MAX_BARREN:
            raise self._undecodable(f"{self._barren} containers in a row without audio")
        if isinstance(demuxer.failure, TooMuch):
            if self._keep_whole:
                raise self._undecodable(f"its index is at the end, and {demuxer.failure}; {INDEX_FIRST}")
            self._check(demuxer)
        return samples

    def _check(self, demuxer: Demuxer) -> None:
        if demuxer.failure is not None:
            raise self._undecodable(str(demuxer.failure)) from demuxer.failure

    def _undecodable(self, reason: str) -> SessionError:
        name = container_format(self._head)
        found = f"this {name} stream" if name else describe(self._head)
        return SessionError("undecodable_audio", f"cannot decode {found}: {reason}")
