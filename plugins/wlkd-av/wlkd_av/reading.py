"""One container, demuxed and decoded by libav: samples, gaps and notes, in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from wlkd import SAMPLE_RATE, Decoded, Gap, Note, Samples
from wlkd.contract.mixing import Mono
from wlkd_av.clock import Clock
from wlkd_av.errors import TooMuch, Undecodable
from wlkd_av.formats import ALLOWED, FROM_ZERO, LATE, MEASURED, UNTIMED
from wlkd_av.tracks import choose_track

log = logging.getLogger(__name__)

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Hz. Rates beyond any sound card cost the resampler minutes or gigabytes: they come from attacks and damage."""
MAX_CHANNELS = 64
"""What libav's resampler takes."""
PIECE_BYTES = 32 * 1024
"""So many bytes may unpack to `burst_seconds`."""
STUCK_READS = 1000
"""Reads in a row that may fail without getting any further in the bytes."""
HOPELESS_PACKETS = 2000
"""Packets from the start that may fail: then a stream in which nothing decodes gets an error."""
SILENT_BYTES = {"amrnb": 6, "amrwb": 6}
"""By decoder, of the largest packet by which a phone says that nobody speaks (3GPP TS 26.101, 26.201). libav refuses
these."""
TOLD_SECONDS = 1.0
"""Less at the end is not worth a note: a last frame cut in two, a tag taken for a packet."""

SAFE = {"format_whitelist": ALLOWED, "protocol_whitelist": "none"}
STREAM = {
    # Settle for what the headers say, rather than read seconds of audio to be sure.
    "analyzeduration": "1",
    "max_probe_packets": "1",
    "probesize": "262144",
}
PROBE_BYTES = 64 * 1024 * 1024
LOOK_SECONDS = (1, 5, 30, 300)
"""How long to look for a track that turns up late, one try after the other."""


class Source(Protocol):
    """Where libav reads; a stream has no `seek`."""

    @property
    def size(self) -> int:
        """Bytes that there are so far."""

    @property
    def position(self) -> int:
        """How far reading has come."""

    def read(self, size: int, /) -> bytes: ...

    def rewind(self) -> bool:
        """Read from the start again; False: that would show nothing new."""

    def settle(self) -> None:
        """There will be no `rewind` any more."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How libav is to open a container."""

    format: str | None
    """Its name for the demuxer; None: it finds out."""
    options: dict[str, str] = field(default_factory=dict)
    channel: int | None = None
    """Which one is heard; None: all of them, mixed down."""
    last_channel: bool = False
    """See `StreamOffer.last_channel`."""
    seconds: float | None = None
    """How long it is, if its header says so and libav does not see the header."""


class Reading:
    """One container. `items()` is all that it holds."""

    def __init__(self, source: Source, opening: Opening, burst_seconds: int, *, seekable: bool = False) -> None:
        self._source = source
        self._opening = opening
        self._burst = burst_seconds * SAMPLE_RATE
        self._seekable = seekable
        self.heard = 0
        """Samples so far."""
        self._lost = 0.0
        """Seconds of packets that failed since the last good frame."""
        self._damaged = False
        """One of them at least should not have."""
        self._failed_packets = 0
        self.opened = False
        """An audio track was found."""

    def items(self) -> Iterator[Decoded]:
        """Raises `Undecodable` when there is nothing, or no way to go on; what was yielded before counts."""
        try:
            yield from self._look()
        except (av.error.FFmpegError, ValueError) as error:
            log.debug("libav gave up: %s", error)
            raise Undecodable(_reason(error) if self.opened else f"no audio found ({_reason(error)})") from error

    def _look(self) -> Iterator[Decoded]:
        """Open the container, longer each time while its tracks have not turned up."""
        for seconds in LOOK_SECONDS:
            with self._open(seconds) as container:
                names = frozenset(container.format.name.split(","))
                missing = not container.streams.audio and names & LATE
                if missing and seconds != LOOK_SECONDS[-1] and self._source.rewind():
                    continue
                stream, note = choose_track(container)
                self.opened = True
                self._source.settle()
                if note is not None:
                    yield note
                yield from self._hear(container, stream, Clock(_begin(container, names)))
                return

    def _open(self, look_seconds: int) -> InputContainer:
        options = SAFE | self._opening.options
        if self._opening.format in LATE or self._opening.format is None or self._seekable:
            options |= {"probesize": str(PROBE_BYTES)} if look_seconds > 1 else {}
            options |= {"analyzeduration": str(look_seconds * 1_000_000)}
        if self._opening.format not in LATE and not self._seekable:
            options |= STREAM
        return av.open(
            self._source, "r", format=self._opening.format, container_options=options, metadata_errors="replace"
        )

    def _hear(self, container: InputContainer, stream: AudioStream, clock: Clock) -> Iterator[Decoded]:
        voice = Voice(
            floats=stream.codec_context.name.startswith(("pcm_f", "wavpack")),
            only=self._opening.channel,
            last=self._opening.last_channel,
        )
        for packet in _packets(container, stream, lambda: self._source.position):
            try:
                frames = stream.decode(packet)
            except av.error.FFmpegError as error:
                self._fail(packet, error)
                continue
            for frame in frames:
                at = None if container.format.name in UNTIMED else frame.time
                gap = clock.gap(at, damaged=self._lost > 0)
                if at is None:
                    gap = round(self._lost * SAMPLE_RATE)
                if gap:
                    yield from voice.rest()
                    if self._damaged:
                        yield Note("damaged", f"{gap / SAMPLE_RATE:.1f} s are damaged and left out", length=gap)
                    yield Gap(gap)
                self._lost, self._damaged = 0.0, False
                self._failed_packets = -1
                if frame.sample_rate:
                    clock.heard(frame.samples / frame.sample_rate)
                for item in voice.take(frame):
                    yield self._counted(item)
        yield from map(self._counted, voice.rest())
        if self.heard and self._damaged and self._lost >= TOLD_SECONDS:
            yield Note("cut_short", f"the last {self._lost:.1f} s are damaged")
        elif not self.heard and self._failed_packets > 0:
            raise Undecodable("none of it can be decoded")
        elif (promised := self._promised(container, stream)) - clock.passed > 2 * TOLD_SECONDS:
            yield Note("cut_short", f"cut short: {clock.passed:.1f} of {promised:.1f} s are there")

    def _promised(self, container: InputContainer, stream: AudioStream) -> float:
        """How many seconds the header says there are; 0: it does not say."""
        if self._opening.seconds is not None:
            return self._opening.seconds
        measured = MEASURED.intersection(container.format.name.split(","))
        return float(stream.duration * stream.time_base) if measured and stream.duration and stream.time_base else 0.0

    def _fail(self, packet: Packet[AudioStream], error: Exception) -> None:
        log.debug("bad packet: %s", error)
        duration = packet.duration and packet.time_base and float(packet.duration * packet.time_base)
        self._lost += duration or 0.02
        self._damaged |= packet.size > SILENT_BYTES.get(packet.stream.codec_context.name, 0)
        if self._failed_packets >= 0:
            self._failed_packets += 1
            if self._failed_packets > HOPELESS_PACKETS:
                raise Undecodable("none of it can be decoded")

    def _counted(self, item: Decoded) -> Decoded:
        if isinstance(item, np.ndarray):
            self.heard += len(item)
            if self.heard > self._burst * (1 + self._source.size // PIECE_BYTES):
                raise TooMuch(f"a few bytes of it hold more than {self._burst // SAMPLE_RATE} s")
        return item


class Voice:
    """Decoded frames of any layout, rate and sample type to mono floats at 16 kHz."""

    def __init__(self, *, floats: bool, only: int | None = None, last: bool = False) -> None:
        """`floats`: the samples are as their writer wrote them. `only`, `last`: as of `Mono`."""
        self._floats = floats
        self._only = only
        self._last = last
        self._setup: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None
        self._mono: Mono | None = None

    def take(self, frame: AudioFrame) -> Iterator[Samples | Note]:
        """What `frame` completes."""
        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if setup != self._setup:
            # A stream may change its layout or rate on the way; a resampler may not.
            yield from self.rest()
            if not MIN_RATE <= frame.sample_rate <= MAX_RATE:
                raise Undecodable(f"a sample rate of {frame.sample_rate} Hz")
            channels = frame.layout.nb_channels
            if not 1 <= channels <= MAX_CHANNELS:
                raise Undecodable(f"{channels} channels")
            if self._setup is None or self._setup[1] != frame.layout.name or self._mono is None:
                self._mono = Mono(channels, floats=self._floats, only=self._only, last=self._last)
            self._setup = setup
        if self._resampler is None:
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=SAMPLE_RATE)
        frame.pts = None  # The clock has read it; libav would fill or cut by it.
        yield from self._mix(frame)

    def rest(self) -> Iterator[Samples | Note]:
        """What was held back; the next frame starts afresh."""
        if self._resampler is not None and self._mono is not None:
            yield from self._mix(None)
            yield self._mono.rest()
            yield from self._mono.take_notes()
            self._resampler = None

    def _mix(self, frame: AudioFrame | None) -> Iterator[Samples | Note]:
        assert self._resampler is not None and self._mono is not None
        # Mixed down here: libav's own mix to mono lifts what is alike on both sides by 3 dB, beyond ±1.
        # Interleaved, because PyAV reads wild memory for planar frames of more than eight channels.
        for resampled in self._resampler.resample(frame):
            floats = np.asarray(resampled.to_ndarray(), np.float32)
            if not self._floats:
                # A damaged frame of AAC may decode to 100,000 times full scale: beside it, a recognizer takes all the
                # speech of its window for silence.
                floats = np.clip(floats, -1.0, 1.0)
            mixed = self._mono.mix(floats.reshape(-1, resampled.layout.nb_channels))
            yield from self._mono.take_notes()
            if len(mixed):
                yield mixed


def _begin(container: InputContainer, names: frozenset[str]) -> float:
    """The container's time at which its recording begins."""
    if names & FROM_ZERO or container.start_time is None:
        return 0.0
    return container.start_time / 1_000_000


def _packets(
    container: InputContainer, stream: AudioStream, position: Callable[[], int]
) -> Iterator[Packet[AudioStream]]:
    """The packets of `stream`, the empty one that flushes the decoder last. Reading goes on past damage."""
    failed, last = 0, -1
    while True:
        try:
            for packet in container.demux(stream):
                failed = 0
                yield packet
            return
        except IndexError:
            # PyAV, flushing streams that appeared on the way; ours, which was there before them, is flushed.
            return
        except av.error.InvalidDataError as error:
            failed = failed + 1 if position() == last else 1
            last = position()
            log.debug("damaged container: %s", error)
            if failed > STUCK_READS:
                raise Undecodable("the container is damaged") from error


def _reason(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, av.error.FFmpegError) else str(error)
