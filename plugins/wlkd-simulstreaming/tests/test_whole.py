"""Real files through the real model, heard whole."""

import os
import threading
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import soundfile
from prometheus_client import CollectorRegistry
from wlkd_simulstreaming.beam import BeamSearch, Text
from wlkd_simulstreaming.brief import first_state, make_brief
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.tokens import Vocabulary
from wlkd_simulstreaming.upload import Upload
from wlkd_simulstreaming.whole import WholeHearing
from wlkd_whisper.dims import WhisperDims

from wlkd import Commit, Frame, RecognitionParams, Samples
from wlkd.contract.audio import SAMPLE_RATE, samples
from wlkd.contract.priority import LOWEST_PRIORITY

pytestmark = pytest.mark.model

BASE = WhisperDims(80, 1500, 512, 8, 6, 51_865, 448, 512, 8, 6)


class House:
    """A model for files."""

    def __init__(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder / "tokenizer.json")
        self.loaded_with: list[int] = []

        def load() -> ctranslate2.models.Whisper:
            self.loaded_with.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return ctranslate2.models.Whisper(str(folder), compute_type="int8", intra_threads=1)

        self._load = load
        self.whole = WholeHearing(SimulStreamingOptions(), self.vocabulary, Metrics(CollectorRegistry()), [load])

    def beam(self) -> BeamSearch:
        """A search of its own."""
        return BeamSearch(self._load(), self.vocabulary)

    def upload(self, **params: Any) -> Upload:
        wanted = RecognitionParams(priority="upload", **params)
        brief = make_brief(SimulStreamingOptions(), self.vocabulary, BASE, wanted, None)
        return Upload(brief, first_state(brief, wanted))

    def hear(self, *audio: Samples, **params: Any) -> Commit:
        """What is heard in stretches of `audio`, with a second of silence between them."""
        upload, at = self.upload(**params), 0
        for stretch in audio:
            upload.accept(Frame(at, stretch))
            upload.end_segment(at + len(stretch))
            at += len(stretch) + SAMPLE_RATE
        return self.whole.run([upload])[0]


@pytest.fixture(scope="module")
def house(models_dir: Path) -> House:
    return House(models_dir / "faster-whisper-base")


@pytest.fixture(scope="module")
def clip(manifest: list[dict[str, Any]], speech_dir: Path) -> tuple[dict[str, Any], Samples]:
    row = next(row for row in manifest if row["set"] == "en_librispeech_test_clean")
    audio, _ = soundfile.read(speech_dir / row["path"], dtype="float32")
    return row, audio


def plain(text: str) -> list[str]:
    return "".join(letter for letter in text.lower() if letter.isalpha() or letter == " ").split()


def test_words_with_their_times(house: House, clip: tuple[dict[str, Any], Samples]) -> None:
    row, audio = clip
    commit = house.hear(audio, language="en")
    assert plain("".join(word.text for word in commit.words)) == plain(row["text"])
    ends = np.array([word.end for word in commit.words]) / SAMPLE_RATE
    assert np.median(np.abs(ends - np.array(row["word_ends"]))) < 0.1
    assert all(word.start < word.end and 0 < (word.confidence or 0) <= 1 for word in commit.words)
    assert commit.segment_end and commit.until == len(audio) and commit.language == "en"


@pytest.mark.parametrize("length", [0, 160, 480, 16_000])
def test_words_are_aligned_within_however_little_audio(
    house: House, clip: tuple[dict[str, Any], Samples], length: int
) -> None:
    beam = house.beam()
    start = [house.vocabulary.sot, house.vocabulary.languages["en"]]
    for word in beam.align(beam.encode([clip[1]]), start, [400, 500, 600], length):
        assert 0 <= word.start <= word.end <= length


def test_the_language_is_found_and_stretches_keep_their_places(
    house: House, clip: tuple[dict[str, Any], Samples]
) -> None:
    _, audio = clip
    commit = house.hear(audio, audio)
    assert commit.language == "en"
    half = len(commit.words) // 2
    first, second = commit.words[:half], commit.words[half:]
    assert plain("".join(word.text for word in first)) == plain("".join(word.text for word in second))
    assert first[-1].end <= len(audio) and second[0].start >= len(audio) + SAMPLE_RATE


def test_a_file_too_short_to_decide_on_has_the_likeliest_language(
    house: House, clip: tuple[dict[str, Any], Samples]
) -> None:
    _, audio = clip
    commit = house.hear(audio[: 3 * SAMPLE_RATE // 2])
    assert commit.words and commit.language == "en"


def test_nothing_is_made_up_over_noise(house: House) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, samples(4)).astype(np.float32)
    assert house.hear(noise, language="en").words == ()


def test_uploads_give_way(models_dir: Path, clip: tuple[dict[str, Any], Samples]) -> None:
    house = House(models_dir / "faster-whisper-base")
    for _ in range(2):
        assert house.hear(clip[1][: 2 * SAMPLE_RATE], language="en").words
    assert house.loaded_with == [LOWEST_PRIORITY], "once, on a thread that gives way"
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == 0, "of this thread"


@pytest.mark.parametrize(
    ("text", "makes_sense", "is_silence"),
    [
        (Text((1,), logprob=-0.3, repeats=False, no_speech=0.1), True, False),
        (Text((1,), logprob=-0.3, repeats=True, no_speech=0.1), False, False),
        (Text((1,), logprob=-1.5, repeats=False, no_speech=0.1), False, False),
        (Text((1,), logprob=-1.5, repeats=True, no_speech=0.9), True, True),
        (Text((1,), logprob=-0.3, repeats=False, no_speech=0.9), True, False),
    ],
)
def test_which_texts_are_believed(text: Text, makes_sense: bool, is_silence: bool) -> None:
    assert (text.makes_sense, text.is_silence) == (makes_sense, is_silence)
