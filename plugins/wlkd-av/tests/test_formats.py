"""Every format that people have, made by ffmpeg, on every path; `docs/formats.md` holds the table.

After a change: `python plugins/wlkd-av/tests/test_formats.py` writes the table anew.
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from wlkd_av.decoder import Av
from wlkd_av.options import AvOptions

from wlkd import SAMPLE_RATE, Samples, SessionError, StreamOffer
from wlkd.testing import as_samples, decoded

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "formats.md"
BEGIN, END = "<!-- table -->\n", "<!-- /table -->\n"
SECONDS = 2.0
PIECE_BYTES = 3000

FORMATS = {
    "WAV, 16-bit": ("wav", "-c:a pcm_s16le"),
    "WAV, 24-bit": ("wav", "-c:a pcm_s24le -ar 44100"),
    "WAV, float": ("wav", "-c:a pcm_f32le -ar 48000"),
    "WAV, A-law": ("wav", "-c:a pcm_alaw -ar 8000"),
    "WAV, ADPCM": ("wav", "-c:a adpcm_ima_wav"),
    "WAV, MP3 inside": ("wav", "-c:a libmp3lame"),
    "RF64": ("wav", "-c:a pcm_s16le -rf64 always"),
    "W64": ("w64", "-c:a pcm_s16le"),
    "AIFF": ("aiff", "-c:a pcm_s16be"),
    "AU": ("au", "-c:a pcm_s16be"),
    "CAF, PCM": ("caf", "-c:a pcm_s16le"),
    "CAF, ALAC": ("caf", "-c:a alac"),
    "CAF, Opus": ("caf", "-c:a libopus -ar 48000"),
    "VOC": ("voc", "-c:a pcm_u8 -ar 8000"),
    "SoX": ("sox", "-c:a pcm_s32le"),
    "FLAC": ("flac", "-c:a flac"),
    "WavPack": ("wv", "-c:a wavpack"),
    "TTA": ("tta", "-c:a tta"),
    "MP3": ("mp3", "-c:a libmp3lame"),
    "MP2": ("mp2", "-c:a mp2 -ar 44100"),
    "AAC (ADTS)": ("aac", "-c:a aac"),
    "AC-3": ("ac3", "-c:a ac3 -ar 48000"),
    "Ogg, Opus": ("ogg", "-c:a libopus -ar 48000"),
    "Ogg, Vorbis": ("ogg", "-c:a libvorbis"),
    "Ogg, FLAC": ("ogg", "-c:a flac"),
    "Ogg, Speex": ("spx", "-c:a libspeex"),
    "WebM, Opus": ("webm", "-c:a libopus -ar 48000"),
    "WebM, Vorbis": ("webm", "-c:a libvorbis"),
    "Matroska, AAC": ("mkv", "-c:a aac"),
    "Matroska, FLAC": ("mkv", "-c:a flac"),
    "MP4/M4A, AAC, index at the end": ("m4a", "-c:a aac"),
    "MP4, AAC, index first": ("mp4", "-c:a aac -movflags faststart"),
    "MP4, AAC, in fragments": ("mp4", "-c:a aac -movflags frag_keyframe+empty_moov+default_base_moof"),
    "M4A, ALAC": ("m4a", "-c:a alac"),
    "QuickTime, PCM": ("mov", "-c:a pcm_s16le"),
    "3GP, AAC": ("3gp", "-c:a aac"),
    "MPEG-TS": ("ts", "-c:a aac"),
    "M2TS/MTS": ("m2ts", "-c:a ac3 -ar 48000"),
    "MPEG-PS": ("mpg", "-c:a mp2 -ar 44100"),
    "FLV": ("flv", "-c:a aac"),
    "AVI": ("avi", "-c:a libmp3lame"),
    "ASF/WMA": ("wma", "-c:a wmav2"),
    "NUT": ("nut", "-c:a pcm_s16le"),
}
"""Name to suffix and ffmpeg's options."""


def chirp() -> Samples:
    """What each holds: sweeping, so that a stretch that is lost or moved shows."""
    t = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.4 * np.sin(2 * np.pi * (300 * t + 200 * t**2))).astype(np.float32)


def make_all(folder: Path) -> dict[str, Path]:
    """A recording in each format, from one call of ffmpeg."""
    paths = {name: folder / f"{number}.{suffix}" for number, (name, (suffix, _)) in enumerate(FORMATS.items())}
    outputs = [part for name, path in paths.items() for part in (*FORMATS[name][1].split(), str(path))]
    command = ["ffmpeg", "-v", "error", "-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "-", *outputs]
    subprocess.run(command, input=chirp().astype("<f4").tobytes(), check=True)
    return paths


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]


def streamed(path: Path) -> Samples:
    return decoded(Av(AvOptions()).open(StreamOffer()), pieces(path.read_bytes()))


def uploaded(path: Path) -> Samples:
    """As from a spool: the file grows while it is fed."""
    with tempfile.TemporaryFile() as spool:
        stream = Av(AvOptions()).open(StreamOffer(file=spool))
        parts = []
        try:
            for piece in pieces(path.read_bytes()):
                spool.write(piece)
                spool.flush()
                parts.append(as_samples(stream.feed(piece)))
            parts.append(as_samples(stream.finish()))
        finally:
            stream.close()
    return np.concatenate(parts)


def local(path: Path) -> Samples:
    with path.open("rb") as file:
        return decoded(Av(AvOptions()).open(StreamOffer(file=file)), pieces(path.read_bytes()))


PATHS: dict[str, Callable[[Path], Samples]] = {"streamed": streamed, "uploaded": uploaded, "local": local}


def verdict(path: Path, read: Callable[[Path], Samples]) -> str:
    """`yes`, or what is wrong."""
    try:
        samples = read(path)
    except SessionError as error:
        return error.message
    length = len(samples) / SAMPLE_RATE
    if abs(length - SECONDS) > 0.15:
        return f"{length:.2f} s of {SECONDS:.2f} s"
    reference = chirp()
    size = len(samples) + len(reference)
    spectrum = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(reference, size))
    across = np.fft.irfft(spectrum, size)
    shift = int(np.argmax(np.abs(across)))
    shift = shift - size if shift > size // 2 else shift
    likeness = np.abs(across).max() / (np.linalg.norm(samples) * np.linalg.norm(reference) + 1e-9)
    if abs(shift) / SAMPLE_RATE > 0.1:
        return f"moved by {shift / SAMPLE_RATE:.2f} s"
    return "yes" if likeness > 0.9 else f"only {likeness:.2f} alike"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_all(tmp_path_factory.mktemp("formats"))


def table(paths: dict[str, Path]) -> str:
    lines = ["| format | streamed | uploaded | local |", "|---|---|---|---|"]
    for name, path in paths.items():
        lines.append(f"| {name} | " + " | ".join(verdict(path, read) for read in PATHS.values()) + " |")
    return "\n".join(lines) + "\n"


def test_the_table_is_what_is_so(recordings: dict[str, Path]) -> None:
    documented = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    found = table(recordings)
    assert "| yes |" in found
    assert documented == found, f"write it anew: python {Path(__file__).name}"


def wrong(rows: str) -> list[str]:
    return [row for row in rows.splitlines()[2:] if row.count("| yes") < len(PATHS)]


def test_nothing_stays_out(recordings: dict[str, Path]) -> None:
    documented = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    assert wrong(documented) == []


JOINED = ["Ogg, Opus", "WebM, Opus", "FLAC", "WAV, 16-bit", "MP3", "AAC (ADTS)", "MP4, AAC, in fragments", "MPEG-TS"]
JOINED += ["ASF/WMA", "W64", "TTA"]


@pytest.mark.parametrize("name", JOINED)
def test_two_that_are_joined(recordings: dict[str, Path], name: str, tmp_path: Path) -> None:
    joined = tmp_path / "joined"
    joined.write_bytes(recordings[name].read_bytes() * 2)
    for read in PATHS.values():
        assert len(read(joined)) / SAMPLE_RATE == pytest.approx(2 * SECONDS, abs=0.3)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Ogg, Opus", "Ogg, Vorbis"),
        ("WAV, 16-bit", "WAV, float"),
        ("WAV, 16-bit", "WAV, A-law"),
        ("WebM, Opus", "WebM, Vorbis"),
        ("Matroska, AAC", "Matroska, FLAC"),
        ("MP4, AAC, index first", "MP4/M4A, AAC, index at the end"),
        ("MP4, AAC, in fragments", "MP4/M4A, AAC, index at the end"),
    ],
)
def test_a_next_part_of_another_sort(recordings: dict[str, Path], first: str, second: str, tmp_path: Path) -> None:
    joined = tmp_path / "joined"
    joined.write_bytes(recordings[first].read_bytes() + recordings[second].read_bytes())
    for read in PATHS.values():
        assert len(read(joined)) / SAMPLE_RATE == pytest.approx(2 * SECONDS, abs=0.3)


ID3V2 = b"ID3\x04\x00\x00" + bytes([0, 0x7F, 0x7F, 0x7F])
"""A tag of 2 MiB."""


@pytest.mark.parametrize("name", ["MP3", "FLAC", "WAV, 16-bit", "AAC (ADTS)", "Ogg, Opus", "WAV, ADPCM", "AIFF"])
def test_tags_before_and_behind(recordings: dict[str, Path], name: str, tmp_path: Path) -> None:
    tagged = tmp_path / "tagged"
    behind = b"TAG" + b"title".ljust(125, b"\0")
    data = recordings[name].read_bytes()
    for before, after in itertools.product((b"", ID3V2 + bytes(0x1FFFFF)), (b"", behind)):
        tagged.write_bytes(before + data + after)
        for read in (streamed, local):
            assert verdict(tagged, read) == "yes"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        rows = table(make_all(Path(folder)))
    text = DOCUMENT.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    DOCUMENT.write_text(head + BEGIN + rows + END + tail, encoding="utf-8")
    print("\n".join(wrong(rows)) or "all work")
