"""Windows of files heard by a model that is made up: again, in which language, and on which device."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import ctranslate2
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from wlkd_simulstreaming import whole
from wlkd_simulstreaming.beam import Text, Timed
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.tokens import Vocabulary
from wlkd_simulstreaming.upload import Upload
from wlkd_simulstreaming.whole import FREE_HEARINGS, WholeHearing

from wlkd import Frame, ProvisionError, Samples
from wlkd.contract.audio import SAMPLE_RATE, samples

from .uploading import speech


class Model:
    """One that hears what `tell` makes of a window's seconds, in words of equal length."""

    def __init__(self, tell: Callable[[float], Text]) -> None:
        self._tell = tell
        self.heard: list[float] = []

    def encode(self, windows: list[Samples]) -> list[Samples]:
        self.heard += [len(window) / SAMPLE_RATE for window in windows]
        return windows

    def decode(self, encoded: list[Samples], prompts: list[tuple[int, ...]]) -> list[Text]:
        return [self._tell(len(window) / SAMPLE_RATE) for window in encoded]

    def align(self, encoded: list[Samples], start: object, tokens: list[int], length: int) -> list[Timed]:
        step = length // len(tokens)  # As a real one: all that it hears belongs to some word.
        return [Timed(place * step, (place + 1) * step, 0.9) for place in range(len(tokens))]


@pytest.fixture
def hearing(vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> Callable[..., WholeHearing]:
    """Makes one with a model, and perhaps a second one on the CPU."""

    def make(*models: Model) -> WholeHearing:
        monkeypatch.setattr(whole, "BeamSearch", lambda model, _: model)
        loads = [partial(cast, ctranslate2.models.Whisper, model) for model in models]
        return WholeHearing(SimulStreamingOptions(), vocabulary, Metrics(CollectorRegistry()), loads)

    return make


@pytest.fixture
def hear(upload: Upload, hearing: Callable[..., WholeHearing]) -> Callable[[Model, float, float], list[float]]:
    """Hears stretches of two lengths, a long pause between them; tells when words begin, in seconds."""

    def hear(model: Model, *lengths: float) -> list[float]:
        upload.adopt(replace(upload.plan().state, language="en"))
        for start, length in zip((0, 40), lengths, strict=True):
            upload.accept(speech(start, length))
            upload.end_segment(samples(start + length))
        [commit] = hearing(model).run([upload])
        return [word.start / SAMPLE_RATE for word in commit.words]

    return hear


def test_what_a_text_leaves_out_is_heard_again(hear: Callable[[Model, float, float], list[float]]) -> None:
    model = Model(lambda length: Text((257,), -0.2, False, 0.0, rest=samples(2) if length > 2 else None))
    assert hear(model, 5, 1.5) == [0, 2, 4, 40, 41]
    assert model.heard == [8.5, 6.5, 4.5, 2.5, 0.5]


def test_words_left_out_beside_a_long_one_are_heard_by_themselves(
    hear: Callable[[Model, float, float], list[float]],
) -> None:
    model = Model(lambda length: Text((257,) * (2 if length == 9 else 3), -0.2, False, 0.0))
    assert hear(model, 6, 1) == [0, 1.5, 3, 4.5]
    assert model.heard == [9, 4.5]


@pytest.mark.parametrize(
    "text", [Text((257,), -0.2, False, 0.0), Text((257,) * 3, -2.0, False, 0.0), Text((), 0.0, False, 0.0)]
)
def test_what_makes_no_more_sense_by_itself_is_not_taken(
    hear: Callable[[Model, float, float], list[float]], text: Text
) -> None:
    model = Model(lambda length: text if length < 9 else Text((257,) * 2, -0.2, False, 0.0))
    assert hear(model, 6, 1) == [0, 4.5]
    assert model.heard == [9, 4.5]


@pytest.mark.parametrize("makes_sense", [True, False])
def test_a_window_that_is_told_in_tiny_pieces_is_heard_a_bounded_number_of_times(
    hear: Callable[[Model, float, float], list[float]], makes_sense: bool
) -> None:
    """As over noise: a word in the first fiftieth of a second, and the rest is to be heard again."""
    logprob = -0.2 if makes_sense else -2.0
    model = Model(lambda length: Text((257,), logprob, False, 0.0, rest=samples(0.02) if length > 1 else None))
    told = hear(model, 29, 1)
    assert len(model.heard) == 2 + FREE_HEARINGS + 14, "then by two seconds each, to the end"
    assert told[: FREE_HEARINGS + 1] == pytest.approx([0.02 * place for place in range(FREE_HEARINGS + 1)])


def test_speech_behind_what_is_told_in_tiny_pieces_is_heard(hear: Callable[[Model, float, float], list[float]]) -> None:
    speaks_from = samples(12)

    def tell(length: float) -> Text:
        if samples(length) > samples(29) - speaks_from:
            return Text((257,), -2.0, False, 0.0, rest=samples(0.02))
        return Text((257,) * 17, -0.2, False, 0.0)

    told = hear(Model(tell), 29, 1)
    assert len([start for start in told if start >= 12]) >= 17


def test_a_hole_that_hardly_gets_shorter_counts_as_a_word_at_last(
    hear: Callable[[Model, float, float], list[float]],
) -> None:
    class Lopsided(Model):
        """Gives one word a fiftieth of a second, and all else to another."""

        def align(self, encoded: list[Samples], start: object, tokens: list[int], length: int) -> list[Timed]:
            return [Timed(0, samples(0.02), 0.9), Timed(samples(0.02), length, 0.9)]

    model = Lopsided(lambda length: Text((257, 257), -0.2, False, 0.0))
    hear(model, 29, 1)
    assert len(model.heard) == 2 + FREE_HEARINGS


@pytest.mark.parametrize("rest", [8.0, 0.05])
def test_a_segment_ends_at_a_pause_and_not_where_a_window_is_cut(
    upload: Upload, hearing: Callable[..., WholeHearing], rest: float
) -> None:
    model = hearing(Model(lambda length: Text((257,), -0.2, False, 0.0)))
    upload.adopt(replace(upload.plan().state, language="en"))
    upload.accept(speech(0, 3))
    upload.end_segment(samples(3))
    upload.accept(speech(4, 40))
    [commit] = model.run([upload])
    assert commit.words and not commit.segment_end, "the speech goes on"
    last = upload.plan().state
    upload.adopt(replace(last, held=(Frame(last.until, np.ones(samples(rest), np.float32)),)))
    upload.end_segment(last.until + samples(rest))
    [commit] = model.run([upload])
    assert bool(commit.words) == (rest > 1) and commit.segment_end


class Polyglot(Model):
    """In doubt between two languages, of which English alone has words for what it hears."""

    def __init__(self, english: int, chinese: Text) -> None:
        super().__init__(lambda length: Text((257,), -0.5, False, 0.0))
        self._english = english
        self._chinese = chinese

    def encode(self, windows: list[Samples]) -> list[Samples]:
        return cast(list[Samples], np.stack(windows))

    def languages(self, encoded: object) -> list[dict[str, float]]:
        return [{"zh": 0.55, "en": 0.45}]

    def search(self, encoded: list[Samples], prompts: list[tuple[int, ...]]) -> list[Text]:
        texts = self.decode(encoded, prompts)
        return [text if self._english in prompt else self._chinese for text, prompt in zip(texts, prompts, strict=True)]


NOTHING, LOOP = Text((), 0.0, False, 0.0), Text((257,) * 9, -0.1, True, 0.0)


@pytest.mark.parametrize("chinese", [NOTHING, LOOP], ids=["nothing", "loop"])
def test_a_language_without_words_for_the_speech_is_not_its_language(
    upload: Upload, vocabulary: Vocabulary, hearing: Callable[..., WholeHearing], chinese: Text
) -> None:
    upload.accept(speech(0, 6))
    upload.end_segment(samples(6))
    [commit] = hearing(Polyglot(vocabulary.languages["en"], chinese)).run([upload])
    assert commit.language == "en" and commit.words


def test_latin_letters_with_which_a_window_begins_do_not_run_into_those_before_it(
    upload: Upload, vocabulary: Vocabulary, hearing: Callable[..., WholeHearing]
) -> None:
    text = Text(tuple(vocabulary.encode("Is用GPS")), -0.2, False, 0.0)
    upload.adopt(replace(upload.plan().state, language="zh"))
    upload.accept(speech(0, 6))
    upload.end_segment(samples(6))
    [commit] = hearing(Model(lambda length: text)).run([upload])
    assert [word.text for word in commit.words] == [" Is", "用", "GPS"]


@pytest.mark.parametrize("fault", ["CUDA failed with error out of memory", "cuBLAS failed: CUBLAS_STATUS_ALLOC_FAILED"])
def test_what_a_gpu_has_no_room_to_compute_is_heard_on_the_cpu(
    upload: Upload, hearing: Callable[..., WholeHearing], caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    def fail(seconds: float) -> Text:
        raise RuntimeError(fault)

    on_gpu, on_cpu = Model(fail), Model(lambda length: Text((257,), -0.5, False, 0.0))
    house = hearing(on_gpu, on_cpu)
    upload.adopt(replace(upload.plan().state, language="en"))
    for start in (0, 10):
        upload.accept(speech(start, 3))
        upload.end_segment(samples(start + 3))
        assert house.run([upload])[0].words
    assert len(on_gpu.heard) == 1 and len(on_cpu.heard) == 2
    [told] = caplog.records
    assert fault in told.getMessage() and "uploads are recognized on the CPU" in told.getMessage()


def test_what_a_gpu_has_no_room_to_load_is_heard_on_the_cpu(
    upload: Upload, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    def on_gpu() -> ctranslate2.models.Whisper:
        tries.append("cuda")
        raise ProvisionError("model.bin: CTranslate2 cannot load it on cuda:0 (out of memory)")

    def on_cpu() -> ctranslate2.models.Whisper:
        return cast(ctranslate2.models.Whisper, Model(lambda length: Text((257,), -0.5, False, 0.0)))

    monkeypatch.setattr(whole, "BeamSearch", lambda model, _: model)
    house = WholeHearing(SimulStreamingOptions(), vocabulary, Metrics(CollectorRegistry()), [on_gpu, on_cpu])
    upload.adopt(replace(upload.plan().state, language="en"))
    for start in (0, 10):
        upload.accept(speech(start, 3))
        upload.end_segment(samples(start + 3))
        assert house.run([upload])[0].words
    [told] = caplog.records
    assert told.levelname == "WARNING" and tries == ["cuda"]
    assert "out of memory" in told.getMessage() and "uploads are recognized on the CPU" in told.getMessage()


@pytest.mark.parametrize("fault", ["CUDA failed with error out of memory", "shape mismatch"])
def test_any_other_failure_is_told(upload: Upload, hearing: Callable[..., WholeHearing], fault: str) -> None:
    def fail(seconds: float) -> Text:
        raise RuntimeError(fault)

    elsewhere = () if "memory" in fault else (Model(fail),)
    upload.adopt(replace(upload.plan().state, language="en"))
    upload.accept(speech(0, 3))
    upload.end_segment(samples(3))
    with pytest.raises(RuntimeError, match=fault):
        hearing(Model(fail), *elsewhere).run([upload])


def test_music_before_the_speech_does_not_decide_on_its_language(
    upload: Upload, hearing: Callable[..., WholeHearing]
) -> None:
    class Concert(Polyglot):
        def encode(self, windows: list[Samples]) -> list[Samples]:
            return windows

        def languages(self, encoded: Any) -> list[dict[str, float]]:
            return [{"zh": 0.9, "en": 0.1} if len(encoded[0]) > samples(25) else {"zh": 0.1, "en": 0.9}]

        def decode(self, encoded: list[Samples], prompts: list[tuple[int, ...]]) -> list[Text]:
            made_up = Text((257,), -1.5, False, 0.9)
            return [made_up if len(row) > samples(25) else self._tell(0.0) for row in encoded]

    for start, length in ((0, 28), (40, 20)):
        upload.accept(speech(start, length))
        upload.end_segment(samples(start + length))
    [commit] = hearing(Concert(0, NOTHING)).run([upload])
    assert commit.language == "en" and commit.words[0].start == samples(40)
