"""Made-up recordings in every container, written by libav as a live recorder or a file encoder would."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

SECONDS = 3.0


class Wire:
    """A place to write to that cannot be rewound: what a recorder sends live."""

    def __init__(self) -> None:
        self.sent = bytearray()

    def write(self, data: bytes) -> int:
        self.sent += data
        return len(data)


@dataclass(frozen=True)
class Recording:
    """How to write one."""

    format: str
    codec: str
    live: bool = True
    rate: int = 48000
    layout: str = "mono"
    bit_rate: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    video: bool = False


RECORDINGS = {
    "webm": Recording("webm", "libopus", bit_rate=32000, options={"cluster_time_limit": "250", "live": "1"}),
    "webm+video": Recording("webm", "libopus", bit_rate=32000, options={"cluster_time_limit": "250"}, video=True),
    "ogg": Recording("ogg", "libopus", bit_rate=32000, options={"page_duration": "100000"}),
    "fmp4": Recording(
        "mp4", "aac", options={"movflags": "empty_moov+default_base_moof+frag_keyframe", "frag_duration": "250000"}
    ),
    "mp4 faststart": Recording("mp4", "aac", live=False, options={"movflags": "faststart"}),
    "mp4 index last": Recording("mp4", "aac", live=False),
    "mp3": Recording("mp3", "libmp3lame"),
    "flac": Recording("flac", "flac"),
    "wav": Recording("wav", "pcm_s16le"),
    "wav 16 kHz": Recording("wav", "pcm_s16le", rate=16000),
    "wav 44.1 kHz stereo": Recording("wav", "pcm_s16le", rate=44100, layout="stereo"),
    "wav float": Recording("wav", "pcm_f32le"),
    "wav adpcm": Recording("wav", "adpcm_ima_wav"),
    "wav 5.1": Recording("wav", "pcm_s16le", layout="5.1"),
    "avi": Recording("avi", "libmp3lame"),
    "aac": Recording("adts", "aac", rate=44100),
    "aac 22 kHz": Recording("adts", "aac", rate=22050),
    "mkv flac stereo": Recording("matroska", "flac", layout="stereo"),
}


def tone(seconds: float = SECONDS, rate: int = 48000) -> NDArray[np.float32]:
    """A chirp, shape (n,): sweeping, so that a lost or repeated stretch shows."""
    t = np.arange(int(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (300 * t + 200 * t**2))).astype(np.float32)


def write(recording: Recording, file: Path) -> bytes:
    wire = Wire()
    target = wire if recording.live else str(file)
    with av.open(target, "w", format=recording.format, container_options=recording.options) as container:
        stream = container.add_stream(recording.codec, rate=recording.rate)
        stream.layout = recording.layout
        if recording.bit_rate:
            stream.bit_rate = recording.bit_rate
        video = container.add_stream("libvpx", rate=10) if recording.video else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.open()
        resampler = AudioResampler(
            format=stream.codec_context.format,
            layout=recording.layout,
            rate=recording.rate,
            frame_size=stream.codec_context.frame_size or 1024,
        )
        samples = tone()
        for i in range(0, len(samples), 4800):
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis, i : i + 4800], format="flt", layout="mono")
            frame.sample_rate, frame.pts = 48000, i
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
            if video is not None:
                picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                picture.pts = i // 4800
                container.mux(video.encode(picture))
        for resampled in resampler.resample(None):
            container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
        if video is not None:
            container.mux(video.encode(None))
    return bytes(wire.sent) if recording.live else file.read_bytes()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """The bytes of a named recording of `tone()`, made once."""
    made: dict[str, bytes] = {}

    def record(name: str) -> bytes:
        if name not in made:
            made[name] = write(RECORDINGS[name], tmp_path_factory.mktemp("recorded") / "recording")
        return made[name]

    return record


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "wlkd-av"] == []
