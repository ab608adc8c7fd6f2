"""Clips made of other clips: conversations, and bad connections."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from wlkd_bench import conversations, packet_loss
from wlkd_bench.clips import read_manifest
from wlkd_bench.packet_loss import PACKET_SAMPLES, lost_packets, through_opus

RATE = 16_000
WORDS = {"anna": "red green blue", "ben": "north south west"}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two speakers, a clip each: three words of half a second, a second apart."""
    random = np.random.default_rng(0)
    rows = []
    for speaker, text in WORDS.items():
        clip = np.zeros(3 * RATE, np.float32)
        for second in range(3):
            clip[second * RATE : second * RATE + RATE // 2] = random.normal(0, 0.1, RATE // 2)
        soundfile.write(tmp_path / f"{speaker}.flac", clip, RATE)
        row = {"set": "clips", "id": speaker, "path": f"{speaker}.flac", "seconds": 3.0, "language": "en"}
        rows.append({**row, "text": text, "word_ends": [0.5, 1.5, 2.5], "speaker": speaker})
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(monkeypatch: pytest.MonkeyPatch, program: object, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *map(str, arguments)])
    program()  # type: ignore[operator]


def test_a_conversation_has_the_text_in_the_order_of_its_words(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    run(monkeypatch, conversations.main, manifest, made, "--set", "clips", "--seconds", 8, "--longest", 0.6)
    row = json.loads((made / "conversations.jsonl").read_text())
    [clip] = read_manifest(made / "conversations.jsonl")
    speaker_of = {word: speaker for speaker, text in WORDS.items() for word in text.split()}
    said = clip.text.split()
    assert [speaker_of[word] for word in said] == [speaker for _, _, speaker in row["words"]]
    assert set(said) == set(speaker_of)


def test_packets_are_lost_in_bursts() -> None:
    lost = lost_packets(100_000, 0.1, np.random.default_rng(0))
    bursts = int((lost[1:] & ~lost[:-1]).sum())
    assert lost.mean() == pytest.approx(0.1, abs=0.01)
    assert lost.sum() / bursts == pytest.approx(2.0, abs=0.1)
    assert not lost_packets(1000, 0.0, np.random.default_rng(0)).any()


def test_opus_keeps_length_and_time() -> None:
    at = np.arange(RATE) / RATE
    tone = np.asarray(0.3 * np.sin(2 * np.pi * 300 * at) * (at > 0.5), np.float32)
    heard = through_opus(tone, 16_000)
    assert len(heard) == len(tone)
    assert np.abs(heard[: RATE // 2 - 160]).max() < 0.02
    assert np.abs(heard[RATE // 2 + 160 :]).max() > 0.2


def test_lost_packets_are_silence(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "lossy"
    run(monkeypatch, packet_loss.main, manifest, made, "--set", "clips", "--lost", 50)
    clips = read_manifest(made / "clips.jsonl")
    assert [(clip.set, clip.text) for clip in clips] == [("lossy", text) for text in WORDS.values()]
    heard, _ = soundfile.read(clips[0].path)
    packets = np.abs(heard[: RATE // 2].reshape(-1, PACKET_SAMPLES)).max(axis=1)
    assert 0 < (packets == 0).sum() < len(packets)
