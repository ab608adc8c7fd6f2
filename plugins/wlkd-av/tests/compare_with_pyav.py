"""The decoder beside PyAV reading the same files seekably: hundreds of files, made by ffmpeg.

  python plugins/wlkd-av/tests/compare_with_pyav.py [--keep FOLDER]

For each file, streamed in pieces and read from the file: the same length and place within 0.1 s, the same level within
1 dB, of one channel as the mean of all (what the decoder does where nothing cancels). Prints what differs, and exits
with 1 if anything does. Takes some minutes.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from wlkd_av.decoder import Av
from wlkd_av.options import AvOptions

from wlkd import SAMPLE_RATE, SessionError, StreamOffer
from wlkd.testing import decoded, speech_like

SECONDS = 2.0
MAX_SECONDS_APART = 0.1
MAX_DECIBEL_APART = 1.0
PIECE_BYTES = 4096
OUTPUTS_IN_ONE_CALL = 20

ANY_RATE = (8000, 11025, 16000, 22050, 32000, 44100, 48000)
PCM_RATES = (8000, 11025, 44100, 96000)
OPUS_RATES = (8000, 16000, 24000, 48000)
LAYOUTS = ("mono", "stereo", "5.1")


@dataclass(frozen=True)
class Kind:
    """A codec in a container, at several rates and layouts."""

    suffix: str
    codec: str
    rates: tuple[int, ...] = (16000, 44100)
    layouts: tuple[str, ...] = ("mono", "stereo")
    options: tuple[str, ...] = ()


KINDS = (
    *(Kind("wav", codec, PCM_RATES, LAYOUTS) for codec in ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le")),
    *(Kind("wav", codec, PCM_RATES) for codec in ("pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw")),
    *(Kind("wav", codec) for codec in ("adpcm_ima_wav", "adpcm_ms", "libmp3lame")),
    *(Kind("aiff", codec, PCM_RATES) for codec in ("pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_s8")),
    *(Kind("caf", codec) for codec in ("pcm_s16be", "pcm_s16le", "pcm_f32le", "alac", "adpcm_ima_qt")),
    Kind("caf", "libopus", (48000,)),
    *(Kind("au", codec, PCM_RATES) for codec in ("pcm_s16be", "pcm_mulaw", "pcm_f32be")),
    *(Kind("w64", codec, PCM_RATES) for codec in ("pcm_s16le", "pcm_f32le")),
    *(Kind("voc", codec, (8000, 16000)) for codec in ("pcm_u8", "pcm_s16le")),
    Kind("flac", "flac", ANY_RATE, LAYOUTS),
    Kind("mp3", "libmp3lame", ANY_RATE),
    Kind("mp2", "mp2", (22050, 44100, 48000)),
    Kind("aac", "aac", ANY_RATE, LAYOUTS),
    Kind("ac3", "ac3", (32000, 44100, 48000), LAYOUTS),
    Kind("eac3", "eac3", (48000,), LAYOUTS),
    Kind("dts", "dca", (44100, 48000), ("stereo", "5.1"), ("-strict", "-2")),
    Kind("tta", "tta", (16000, 44100)),
    Kind("wv", "wavpack", (16000, 44100)),
    Kind("amr", "libopencore_amrnb", (8000,), ("mono",)),
    *(Kind("ogg", codec, (16000, 44100), LAYOUTS) for codec in ("libvorbis", "flac")),
    Kind("opus", "libopus", OPUS_RATES, LAYOUTS),
    Kind("spx", "libspeex", (8000, 16000, 32000), ("mono",)),
    Kind("webm", "libopus", OPUS_RATES),
    Kind("webm", "libvorbis", (16000, 44100, 48000)),
    *(
        Kind("mkv", codec, (16000, 48000), LAYOUTS)
        for codec in ("libvorbis", "flac", "aac", "ac3", "pcm_s16le", "alac", "libmp3lame", "libopus")
        if codec != "libmp3lame"
    ),
    Kind("mkv", "libmp3lame"),
    Kind("m4a", "aac", ANY_RATE, LAYOUTS),
    Kind("m4a", "alac", (16000, 44100, 96000), LAYOUTS),
    Kind("mp4", "aac", (16000, 48000), LAYOUTS, ("-movflags", "faststart")),
    Kind("mp4", "aac", (16000, 48000), LAYOUTS, ("-movflags", "frag_keyframe+empty_moov+default_base_moof")),
    *(Kind("mp4", codec, (48000,)) for codec in ("libopus", "flac", "libmp3lame", "ac3")),
    *(Kind("mov", codec, (16000, 44100)) for codec in ("pcm_s16le", "pcm_s16be", "pcm_f32le", "aac", "alac")),
    Kind("3gp", "aac", (16000,), ("mono",)),
    *(Kind("ts", codec, (44100, 48000)) for codec in ("aac", "mp2", "libmp3lame", "ac3")),
    Kind("ts", "libopus", (48000,)),
    Kind("m2ts", "ac3", (48000,)),
    *(Kind("mpg", codec, (44100, 48000)) for codec in ("mp2", "ac3")),
    *(Kind("flv", codec, (44100,)) for codec in ("aac", "libmp3lame")),
    Kind("flv", "adpcm_swf", (22050, 44100)),
    *(Kind("avi", codec, (44100, 48000)) for codec in ("libmp3lame", "pcm_s16le", "ac3", "aac")),
    *(Kind("asf", codec, (44100,)) for codec in ("wmav1", "wmav2", "libmp3lame")),
    Kind("wma", "wmav2", (16000, 22050, 44100)),
    *(Kind("nut", codec) for codec in ("pcm_s16le", "flac")),
    Kind("mxf", "pcm_s16le", (48000,), ("mono",)),
    Kind("sox", "pcm_s32le"),
)


def sound(channels: int = 1) -> NDArray[np.float32]:
    """What every file holds, at 48 kHz: something like speech, other on each channel, below all rates' limits."""
    quiet = np.zeros((channels, int(SECONDS * 48000)), np.float32)
    for channel in range(channels):
        slow = speech_like(SECONDS, rate=6000, seed=channel)
        at = np.arange(quiet.shape[1]) / 8
        quiet[channel] = 0.5 * np.interp(at, np.arange(len(slow)), slow)
    return quiet


def make(folder: Path) -> list[Path]:
    """All the files that this ffmpeg can make."""
    for layout, channels in (("mono", 1), ("stereo", 2), ("5.1", 6)):
        raw = sound(channels).T.astype("<f4").tobytes()
        source = ["-f", "f32le", "-ar", "48000", "-channel_layout", layout, "-ac", str(channels), "-i", "-"]
        run(source, ["-c:a", "pcm_f32le", str(folder / f"{layout}.source.wav")], raw)
    wanted = []
    for kind in KINDS:
        for rate, layout in itertools.product(kind.rates, kind.layouts):
            way = "-".join(option.strip("-+").replace("+", "-") for option in kind.options)[:20]
            path = folder / f"{kind.codec}-{rate}-{layout}{way}.{kind.suffix}"
            codec = ["-map", str(LAYOUTS.index(layout)), "-c:a", kind.codec, "-ar", str(rate)]
            wanted.append((path, [*codec, *kind.options, str(path)]))
    sources = [part for layout in LAYOUTS for part in ("-i", str(folder / f"{layout}.source.wav"))]
    for begin in range(0, len(wanted), OUTPUTS_IN_ONE_CALL):
        batch = wanted[begin : begin + OUTPUTS_IN_ONE_CALL]
        if run(sources, [part for _, output in batch for part in output]):
            continue
        for path, output in batch:  # One that cannot be made spoils a call.
            if not run(sources, output):
                path.unlink(missing_ok=True)
    return [path for path, _ in wanted if path.exists() and path.stat().st_size]


def run(source: list[str], output: list[str], data: bytes = b"") -> bool:
    command = ["ffmpeg", "-v", "error", "-y", *source, *output]
    return subprocess.run(command, input=data, capture_output=True, check=False).returncode == 0


def by_pyav(path: Path) -> NDArray[np.float32]:
    """The first audio track as PyAV decodes it, each frame at its time, all channels' mean."""
    heard = np.zeros(0, np.float32)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler, parts, begin = None, [], None
        for frame in container.decode(stream):
            if begin is None:
                begin = frame.time or 0.0
            resampler = resampler or AudioResampler(format="flt", layout=frame.layout, rate=SAMPLE_RATE)
            frame.pts = None
            parts += resampler.resample(frame)
        parts += resampler.resample(None) if resampler else []
        flat = [np.asarray(part.to_ndarray()).reshape(-1, part.layout.nb_channels).mean(axis=1) for part in parts]
        heard = np.concatenate(flat).astype(np.float32) if flat else heard
        zero = 0.0 if container.start_time is None else container.start_time / 1e6
        from_zero = bool({"matroska", "mov", "ogg", "flv", "avi", "nut"} & set(container.format.name.split(",")))
        late = (begin or 0.0) - (0.0 if from_zero else zero)
    return np.concatenate([np.zeros(round(max(late, 0) * SAMPLE_RATE), np.float32), heard])


def difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> str:
    """What is not alike; empty: all is."""
    apart = abs(len(ours) - len(theirs)) / SAMPLE_RATE
    if apart > MAX_SECONDS_APART:
        return f"{len(ours) / SAMPLE_RATE:.2f} s, PyAV {len(theirs) / SAMPLE_RATE:.2f} s"
    level = 20 * np.log10((rms(ours) + 1e-9) / (rms(theirs) + 1e-9))
    if abs(level) > MAX_DECIBEL_APART:
        return f"{level:+.1f} dB"
    size = min(len(ours), len(theirs))
    spectrum = np.fft.rfft(ours[:size], 2 * size) * np.conj(np.fft.rfft(theirs[:size], 2 * size))
    shift = int(np.argmax(np.fft.irfft(spectrum)))
    shift = shift - 2 * size if shift > size else shift
    return f"moved by {shift / SAMPLE_RATE:.2f} s" if abs(shift) / SAMPLE_RATE > MAX_SECONDS_APART else ""


def rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def by_us(path: Path, *, whole: bool) -> NDArray[np.float32]:
    data = path.read_bytes()
    pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
    with path.open("rb") as file:
        stream = Av(AvOptions()).open(StreamOffer(file=file if whole else None))
        return decoded(stream, pieces)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="make the files here, and leave them")
    folder = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as temporary:
        where = folder or Path(temporary)
        where.mkdir(parents=True, exist_ok=True)
        paths = make(where)
        differing = 0
        for path in paths:
            try:
                theirs = by_pyav(path)
            except av.error.FFmpegError as error:
                print(f"{path.name}: PyAV cannot read it: {error}")
                continue
            for whole in (False, True):
                try:
                    told = difference(by_us(path, whole=whole), theirs)
                except SessionError as error:
                    told = error.message
                if told:
                    differing += 1
                    print(f"{path.name} ({'from its file' if whole else 'streamed'}): {told}", flush=True)
        kinds = Counter(path.suffix for path in paths)
        print(f"{len(paths)} files of {len(kinds)} kinds, each streamed and from its file: {differing} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
