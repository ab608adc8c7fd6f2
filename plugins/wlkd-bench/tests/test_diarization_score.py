"""How words with speakers are scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from wlkd_bench.conversations import RATE, over_the_telephone
from wlkd_bench.der import Turn
from wlkd_bench.diarization import Conversation, Told, report, score

WORDS = [Turn(0.0, 0.4, "Ann"), Turn(0.5, 1.5, "Ann"), Turn(2.5, 4.0, "Bob"), Turn(4.1, 5.5, "Bob")]
CONVERSATION = Conversation("made/1", Path("1.flac"), 6.0, "en", [Turn(0.0, 2.0, "Ann"), Turn(2.5, 6.0, "Bob")], WORDS)


def told(*speakers: str) -> list[Told]:
    return [Told(word._replace(speaker=speaker)) for word, speaker in zip(WORDS, speakers, strict=True)]


def test_true_words_are_without_error_by_words_though_sound_goes_on_after_them() -> None:
    result = score(CONVERSATION, told("1", "1", "2", "2"))
    assert result.right == 4 and result.by_words.rate == 0
    # 0.5 s after each turn, less half of the collar.
    assert result.errors.missed == pytest.approx(0.75) and result.errors.confusion == 0


def test_a_wrong_speaker_is_confusion_in_both() -> None:
    result = score(CONVERSATION, told("1", "1", "2", "1"))
    assert result.right == 3 and result.found == 2
    assert result.errors.confusion == pytest.approx(1.4) and result.by_words.confusion == pytest.approx(1.275)
    assert "2 of 2" in report([result])


def test_where_two_speak_at_once_both_count() -> None:
    both = Conversation("made/2", Path("2.flac"), 6.0, "en", [Turn(0.0, 3.5, "Ann"), Turn(2.5, 6.0, "Bob")], WORDS)
    alone = told("1", "1", "2", "2")
    also = [*alone[:2], Told(alone[2].word, also="1"), alone[3]]
    # The word that both speak over lasts from 2.5 to 4.0: half a second more than Ann, 0.75 of it scored with her.
    assert score(both, alone).errors.missed - score(both, also).errors.missed == pytest.approx(0.75)
    assert score(both, also).errors.false_alarm == pytest.approx(0.375)


def test_a_telephone_has_no_sound_above_its_band() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    heard = over_the_telephone(noise)
    power = np.abs(np.fft.rfft(heard)) ** 2
    assert heard.shape == noise.shape and power[4000:].sum() < 1e-6 * power.sum()
    assert power[50:150].mean() < 0.1 * power[500:3000].mean()
