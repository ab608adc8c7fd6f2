"""One container, demuxed and decoded by libav in a thread of its own, because libav pulls and clients push."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from wlkd import SAMPLE_RATE, Samples
from wlkd_av.pipe import Pipe

log = logging.getLogger(__name__)

FORMATS = (
    "matroska,webm,ogg,mov,mp4,m4a,3gp,3g2,mj2,mp3,flac,wav,w64,aac,loas,aiff,au,caf,amr,ac3,eac3,asf,avi,"
    "wv,tta,ape,u8,s16le,s24le,s32le,f32le,f64le,alaw,mulaw"
)
"""Demuxers that strangers' bytes may reach. Playlists, image readers and `concat`, which open other files, are out,
and so are MPEG-TS and FLV, whose streams appear on the way, which PyAV is not made for."""

OPEN_OPTIONS = {
    # Settle for what the headers say, rather than read seconds of audio to be sure.
    "analyzeduration": "1",
    "max_probe_packets": "1",
    "probesize": "262144",
    "format_whitelist": FORMATS,
    "protocol_whitelist": "none",
    "ignore_length": "1",  # of WAV; see wav.py
}

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Hz. Rates beyond any sound card cost the resampler minutes or gigabytes: they come from attacks and damage."""
MAX_CHANNELS = 64
"""What libav's resampler takes."""

EMPTY: Samples = np.zeros(0, dtype=np.float32)


class Undecodable(Exception):
    """The container has nothing to offer, or stopped making sense; the message says what was found."""


class TooMuch(Undecodable):
    """A small piece of input that unpacks to more than memory is meant for."""


@dataclass(frozen=True, slots=True)
class Limits:
    bad_packets: int
    """This many packets in a row may fail."""
    burst_samples: int
    """More samples from one piece of input are an attack: silence compresses a thousandfold and more."""


class Demuxer:
    """Bytes in, samples out. The thread starts with the first byte and ends with the container."""

    def __init__(self, format_name: str | None, limits: Limits, options: dict[str, str] | None = None) -> None:
        """`format_name` and `options` are libav's; no name: libav finds out."""
        self._format = format_name
        self._options = OPEN_OPTIONS | (options or {})
        self._limits = limits
        self._pipe = Pipe()
        self._thread: threading.Thread | None = None
        # Written by the thread only while the caller waits in the pipe, so no lock is needed.
        self._samples: list[Samples] = []
        self._pending = 0
        self.opened = False
        """An audio stream was found."""
        self.yielded = False
        """Samples came of it."""
        self._crash: Exception | None = None
        self.failure: Undecodable | None = None
        """Why the thread ended early."""

    def feed(self, data: bytes) -> Samples:
        """Returns what `data` completed. After a failure, or past the end of the container: nothing."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, args=(self._pipe,), name="wlkd-av", daemon=True)
            thread.start()
            # Not before: where no more threads may be had there is none to wait for.
            self._thread = thread
        self._pipe.give(data)
        return self._take()

    def finish(self) -> Samples:
        """The container ends here. Returns the rest; the thread is gone afterwards."""
        if self._thread is not None:
            self._pipe.end()
            self._thread.join()
        return self._take()

    def decode_file(self, data: bytes) -> None:
        """A whole file instead of a stream, decoded in the caller's thread; `finish()` returns its samples."""
        self._run(io.BytesIO(data))

    def close(self) -> None:
        """Ends the thread wherever it is. A second call does nothing."""
        if self._thread is not None:
            self._pipe.abandon()
            self._thread.join()
        self._samples.clear()

    def _take(self) -> Samples:
        if self._crash is not None:
            raise self._crash
        taken = np.concatenate(self._samples) if self._samples else EMPTY
        self._samples.clear()
        self._pending = 0
        return taken

    def _run(self, source: Pipe | io.BytesIO) -> None:
        try:
            with av.open(
                source, "r", format=self._format, container_options=self._options, metadata_errors="replace"
            ) as container:
                stream = _audio_stream(container)
                self.opened = True
                self._decode(container, stream)
        except Undecodable as error:
            self.failure = error
        except (av.error.FFmpegError, ValueError) as error:
            log.debug("libav gave up: %s", error)
            self.failure = Undecodable(_reason(error) if self.opened else f"no audio found ({_reason(error)})")
        except Exception as error:
            # Nobody joins this thread for its exception: the caller raises it.
            self._crash = error
        finally:
            self._pipe.leave()

    def _decode(self, container: InputContainer, stream: AudioStream) -> None:
        mixer = Mixer()
        bad = 0
        for packet in _packets(container, stream, self._limits.bad_packets):
            try:
                frames = stream.decode(packet)
            except av.error.FFmpegError as error:
                bad += 1
                log.debug("bad %s packet: %s", stream.codec_context.name, error)
                if bad > self._limits.bad_packets:
                    raise Undecodable(f"{bad} broken {stream.codec_context.name} packets in a row") from error
                continue
            for frame in frames:
                bad = 0
                self._put(mixer.mix(frame))
        self._put(mixer.rest())

    def _put(self, samples: Samples) -> None:
        if not len(samples):
            return
        if not np.isfinite(samples).all():
            raise Undecodable("float samples contain NaN or infinity")
        self._pending += len(samples)
        if self._pending > self._limits.burst_samples:
            raise TooMuch(f"one piece of input holds more than {self._limits.burst_samples // SAMPLE_RATE} s")
        self._samples.append(samples)
        self.yielded = True


def _audio_stream(container: InputContainer) -> AudioStream:
    # PyAV leaves codec_context out, against its own annotations, when libav has no decoder.
    for stream in container.streams.audio:
        if stream.codec_context is not None:
            return stream
    if container.streams.audio:
        raise Undecodable("its audio codec is unknown")
    others = ", ".join(stream.type for stream in container.streams) or "nothing"
    raise Undecodable(f"no audio in it, but {others}")


def _packets(container: InputContainer, stream: AudioStream, patience: int) -> Iterator[av.Packet[AudioStream]]:
    """The packets of `stream`, the empty one that flushes the decoder last. Reading goes on past damage."""
    bad = 0
    while True:
        try:
            for packet in container.demux(stream):
                bad = 0
                yield packet
            return
        except IndexError:
            # PyAV, flushing streams that appeared on the way; ours, which was there before them, is flushed.
            return
        except av.error.InvalidDataError as error:
            bad += 1
            log.debug("damaged container: %s", error)
            if bad > patience:
                raise Undecodable("the container is damaged") from error


def _reason(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, av.error.FFmpegError) else str(error)


class Mixer:
    """Decoded frames of any layout, rate and sample type to mono floats at 16 kHz."""

    def __init__(self) -> None:
        self._setup: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None

    def mix(self, frame: AudioFrame) -> Samples:
        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        before = EMPTY
        if setup != self._setup:
            # A stream may change its layout or rate on the way; a resampler may not.
            if not MIN_RATE <= frame.sample_rate <= MAX_RATE:
                raise Undecodable(f"a sample rate of {frame.sample_rate} Hz")
            if frame.layout.nb_channels > MAX_CHANNELS:
                raise Undecodable(f"{frame.layout.nb_channels} channels")
            before = self.rest()
            self._setup = setup
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=SAMPLE_RATE)
        frame.pts = None  # timestamps of live streams jump; samples are counted instead
        return np.concatenate([before, self._push(frame)])

    def rest(self) -> Samples:
        """What the resampler held back."""
        return self._push(None) if self._resampler is not None else EMPTY

    def _push(self, frame: AudioFrame | None) -> Samples:
        assert self._resampler is not None
        # Mixed down by mean here: libav's own mix to mono lifts what is alike on both sides by 3 dB, beyond ±1.
        # Interleaved, because PyAV reads wild memory for planar frames of more than eight channels.
        out = [
            resampled.to_ndarray().reshape(-1, resampled.layout.nb_channels).mean(axis=1)
            for resampled in self._resampler.resample(frame)
        ]
        return np.concatenate(out).astype(np.float32, copy=False) if out else EMPTY
