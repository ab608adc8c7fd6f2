"""A clip as the pieces that a client would send, each with the moment at which its last sound was heard."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.types import Samples
from wlkd_bench.clips import Clip, ManifestError

PIECE_SECONDS = 0.25
"""As most pages send it, wlkd's own too."""
PIECES_SECONDS = (0.01, 60.0)
"""How short and how long they may be."""
Format = Literal["pcm", "webm"]

SEGMENT = 0x18538067
CLUSTER = 0x1F43B675
"""Matroska element ids (RFC 9559)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the stream. `end` is in seconds of audio: a microphone cannot hand it over before."""

    end: float
    data: bytes


def piece_seconds(text: str) -> float:
    """A command's argument: how long pieces are to be. Raises `ArgumentTypeError`."""
    shortest, longest = PIECES_SECONDS
    value = float(text)
    if not shortest <= value <= longest:
        raise argparse.ArgumentTypeError(f"{text}: must be {shortest:g} to {longest:g} s")
    return value


def read_samples(clip: Clip) -> NDArray[np.int16]:
    """The clip as 16-bit samples, shape (n,), at 16 kHz. Raises `ManifestError`."""
    import soundfile

    try:
        samples: NDArray[np.int16]
        samples, rate = soundfile.read(clip.path, dtype="int16")
    except (OSError, soundfile.LibsndfileError) as error:
        raise ManifestError(f"{clip.path}: cannot be read: {error}") from error
    if rate != SAMPLE_RATE or samples.ndim != 1:
        # Resampling here would measure the resampler too.
        raise ManifestError(
            f"{clip.path}: must be {SAMPLE_RATE} Hz mono; convert it: ffmpeg -i IN -ar {SAMPLE_RATE} -ac 1 OUT"
        )
    return samples


def read_audio(clip: Clip) -> Samples:
    """The clip as components hear it, shape (n,), at 16 kHz, -1 to 1. Raises `ManifestError`."""
    return read_samples(clip).astype(np.float32) / np.float32(32768)


def cut(samples: NDArray[np.int16], encoding: Format, seconds: float = PIECE_SECONDS) -> list[Piece]:
    """Pieces of `seconds` of the samples, shape (n,) at 16 kHz, in the encoding asked for."""
    if encoding == "pcm":
        return cut_pcm(samples, seconds)
    return cut_webm(encode_webm(samples, seconds), len(samples) / SAMPLE_RATE)


def cut_pcm(samples: NDArray[np.int16], seconds: float = PIECE_SECONDS) -> list[Piece]:
    """16-bit little-endian PCM; the last piece may be shorter."""
    size = round(seconds * SAMPLE_RATE)
    pieces = (samples[start : start + size] for start in range(0, len(samples), size))
    ends = (min(start + size, len(samples)) / SAMPLE_RATE for start in range(0, len(samples), size))
    return [Piece(end, piece.astype("<i2").tobytes()) for end, piece in zip(ends, pieces, strict=True)]


def encode_webm(samples: NDArray[np.int16], seconds: float = PIECE_SECONDS) -> bytes:
    """Opus in WebM, a cluster every so many `seconds`, as a browser's `MediaRecorder` streams it.

    Raises `ManifestError` when there is no ffmpeg or it fails.
    """
    if shutil.which("ffmpeg") is None:
        raise ManifestError("--format webm needs ffmpeg on the PATH; install it, or use --format pcm")
    command = ["ffmpeg", "-v", "error", "-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0"]
    command += ["-c:a", "libopus", "-b:a", "64k", "-f", "webm"]
    command += ["-cluster_time_limit", str(round(seconds * 1000)), "pipe:1"]
    encoded = subprocess.run(command, input=samples.astype("<i2").tobytes(), capture_output=True, check=False)
    if encoded.returncode:
        raise ManifestError(f"ffmpeg cannot encode WebM: {encoded.stderr.decode(errors='replace').strip()}")
    return encoded.stdout


def cut_webm(stream: bytes, seconds: float) -> list[Piece]:
    """The stream cut at the ends of its clusters; the header goes with the first. `seconds` is its duration.

    A cluster is complete when the next one begins, so that is its moment.
    """
    starts: list[float] = []
    ends: list[int] = []
    at = 0
    while at < len(stream):
        element, size, body = _element(stream, at)
        if element == SEGMENT:
            at = body  # Walk into it: clusters are its children, and a live segment has no size.
            continue
        at = len(stream) if size is None else body + size
        if element == CLUSTER:
            # Its first child is its timestamp, which ffmpeg counts in milliseconds.
            _, length, timestamp = _element(stream, body)
            starts.append(int.from_bytes(stream[timestamp : timestamp + (length or 0)]) / 1000)
            ends.append(at)
    heard = [min(start, seconds) for start in starts[1:]] + [seconds]
    if ends:
        ends[-1] = len(stream)  # What follows the last cluster is an index, sent with it.
    offsets = [0, *ends[:-1]]
    return [Piece(end, stream[a:b]) for end, a, b in zip(heard, offsets, ends, strict=True)] if ends else []


def _element(stream: bytes, at: int) -> tuple[int, int | None, int]:
    """The element at `at`: its id, the size of its body (None: unknown), and where the body begins."""
    id_length = 9 - stream[at].bit_length()
    at_size = at + id_length
    size_length = 9 - stream[at_size].bit_length()
    body = at_size + size_length
    size = int.from_bytes(stream[at_size:body]) & ((1 << 7 * size_length) - 1)
    unknown = size == (1 << 7 * size_length) - 1
    return int.from_bytes(stream[at:at_size]), None if unknown else size, body
