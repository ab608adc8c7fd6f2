"""WAV files of every writer: headers that lie, unusual layouts, and floats of any scale."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from wlkd import SAMPLE_RATE
from wlkd.testing import as_samples, decoded_items

from .decoding import chirp, decode, likeness, notes, open_stream, refusal


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 4000])
@pytest.mark.parametrize("channels", [1, 2, 6, 9, 33, 64])
def test_wav_that_lies_about_its_length(length: int, channels: int) -> None:
    block = 2 * channels
    fmt = struct.pack("<HHIIHH", 1, channels, SAMPLE_RATE, SAMPLE_RATE * block, block, 16)
    header = b"RIFF" + struct.pack("<I", length) + b"WAVEfmt " + struct.pack("<I", 16) + fmt
    data = header + b"junk" + struct.pack("<I", 3) + b"abc\0" + b"data" + struct.pack("<I", length)
    samples = decode(data + struct.pack("<h", 8192) * SAMPLE_RATE * channels, 1000)
    assert len(samples) == SAMPLE_RATE
    assert samples[8000] == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize("piece", [777, None])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("tag", "kind", "loud"), [(1, "h", 8192), (3, "f", 0.25), (0xFFFE, "h", 8192)])
def test_wav_with_the_high_byte_first(tag: int, kind: str, loud: float, channels: int, piece: int | None) -> None:
    width = struct.calcsize(f">{kind}")
    fmt = struct.pack(">HHIIHH", tag, channels, 16_000, 16_000 * width * channels, width * channels, 8 * width)
    if tag == 0xFFFE:
        fmt += struct.pack(">HHII", 22, 16, 0, 1) + bytes.fromhex("00000010800000aa00389b71")
    samples = struct.pack(f">{kind}", loud) * 4000 * channels
    sizes = [struct.pack(">I", len(part)) for part in (fmt, samples)]
    data = b"RIFX\0\0\0\0WAVEfmt " + sizes[0] + fmt + b"data" + sizes[1] + samples
    heard = decode(data, piece)
    assert len(heard) == 4000
    assert heard[2000] == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize("kind", [b"RIFF", b"RIFX"])
@pytest.mark.parametrize(("bits", "width"), [(12, 2), (20, 3), (24, 3), (32, 4)])
def test_wav_of_a_depth_between_bytes(kind: bytes, bits: int, width: int) -> None:
    order = "<" if kind == b"RIFF" else ">"
    fmt = struct.pack(f"{order}HHIIHH", 1, 1, SAMPLE_RATE, SAMPLE_RATE * width, width, bits)
    # A number's bits stand at the top of its bytes.
    sample = (1 << (8 * width - 3)).to_bytes(width, "little" if kind == b"RIFF" else "big")
    sizes = [struct.pack(f"{order}I", size) for size in (len(fmt), 4000 * width)]
    heard = decode(kind + b"\0\0\0\0WAVEfmt " + sizes[0] + fmt + b"data" + sizes[1] + sample * 4000)
    assert len(heard) == 4000
    assert heard[2000] == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize("rate", [1, 50_000_000])
def test_rates_of_no_sound_card_are_undecodable(rate: int) -> None:
    fmt = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    data = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fmt + b"data\0\0\0\0" + bytes(20_000)
    assert f"{rate} Hz" in refusal(data)


def test_more_channels_than_any_mixer_are_undecodable() -> None:
    fmt = struct.pack("<HHIIHH", 1, 200, 16000, 16000 * 400, 400, 16)
    data = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fmt + b"data\0\0\0\0" + bytes(80_000)
    assert "200 channels" in refusal(data)


def wav_of_floats(samples: NDArray[np.float32]) -> bytes:
    fmt = struct.pack("<HHIIHH", 3, 1, 16000, 64000, 4, 32)
    return b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fmt + b"data\0\0\0\0" + samples.astype("<f4").tobytes()


def test_floats_that_are_no_numbers_are_silence() -> None:
    floats = chirp()
    floats[5000:6000:7] = np.nan
    floats[7000] = np.inf
    items = decoded_items(open_stream(), [wav_of_floats(floats)])
    assert [note.code for note in notes(items)] == ["level"]
    assert likeness(as_samples(items)) > 0.98


@pytest.mark.parametrize("factor", [1.2, 5.0, 60.0, 32767.0, 2.0**31])
def test_floats_of_any_scale(factor: float) -> None:
    """As scipy writes integers, as mixers overshoot, and as recorders that write floats leave the level to later."""
    floats = chirp() * 2 * np.float32(factor)
    samples = decode(wav_of_floats(floats))
    assert likeness(samples) > 0.97
    assert 0.3 < np.abs(samples).max() <= 1
