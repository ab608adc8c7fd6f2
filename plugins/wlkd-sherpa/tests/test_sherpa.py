"""The backend `sherpa` with sherpa-onnx itself, and a model of random weights in the shape of a real one."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from wlkd_sherpa.backend import Sherpa
from wlkd_sherpa.catalogue import FAMILY, MODELS
from wlkd_sherpa.folder import ModelFiles, NoModelError
from wlkd_sherpa.options import SherpaOptions
from wlkd_sherpa.words import Token, tokens_of, words_of

from wlkd import SAMPLE_RATE, Commit, Frame, ProvisionError, RecognitionParams, SessionError, StepPlan, Word
from wlkd.contract.clock import SpeechClock
from wlkd.testing import check_backend, provisioned, recognized, running_daemon, speech_like


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, make_transducer: Callable[[Path], None]) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_transducer(folder / "nonsense")
    return folder


@asynccontextmanager
async def sherpa(models: Path, **options: Any) -> AsyncIterator[Sherpa]:
    async with provisioned(Sherpa(SherpaOptions(model="nonsense", threads=1, **options)), models) as backend:
        yield backend


def text(commits: list[Commit]) -> str:
    return "".join(word.text for commit in commits for word in commit.words)


async def test_it_keeps_the_contract(models: Path) -> None:
    async with sherpa(models) as backend:
        backend.warm_up()
        words = check_backend(backend, [speech_like(2.5), speech_like(1.5, seed=1)])
        assert len(words) > 5 and all(0 < (word.confidence or 0) <= 1 for word in words)
        with pytest.raises(SessionError, match="this model knows en"):
            backend.open(RecognitionParams(language="de"))
        with pytest.raises(SessionError, match="does not translate"):
            backend.open(RecognitionParams(task="translate"))


@pytest.mark.parametrize("options", [{}, {"hotwords_unit": "cjkchar"}])
async def test_words_come_while_the_speech_goes_on_and_none_is_ever_taken_back(
    models: Path, options: dict[str, str]
) -> None:
    async with sherpa(models, **options) as backend:
        commits = recognized(backend, [speech_like(6.0)], chunk_seconds=0.5)
        words = [word for commit in commits for word in commit.words]
        assert sum(len(commit.words) for commit in commits[:-1]) > len(words) / 2, "most words waited for the pause"
        assert all(one.end <= two.start + 1 for one, two in itertools.pairwise(words)), "words overlap"
        assert words[-1].end <= 6 * SAMPLE_RATE


async def test_greedy_search_says_the_same_however_the_speech_comes(models: Path) -> None:
    async with sherpa(models) as backend:
        speech = speech_like(4.0)
        whole = text(recognized(backend, [speech], chunk_seconds=4.0))
        assert whole and text(recognized(backend, [speech], chunk_seconds=0.3)) == whole


async def test_streams_of_a_batch_are_what_they_are_alone(models: Path) -> None:
    async with sherpa(models) as backend:
        speeches = [speech_like(2.0, seed=seed) for seed in range(5)]
        alone = [text(recognized(backend, [speech], chunk_seconds=2.0)) for speech in speeches]
        streams = [backend.open(RecognitionParams()) for _ in speeches]
        for stream, speech in zip(streams, speeches, strict=True):
            stream.accept(Frame(0, speech))
            stream.end_segment(len(speech))
        together = [text([commit]) for commit in backend.run([StepPlan(stream) for stream in streams])]
        assert together == alone and len(set(alone)) == len(alone)


async def test_a_pause_without_speech_commits_nothing(models: Path) -> None:
    async with sherpa(models) as backend:
        stream = backend.open(RecognitionParams())
        stream.end_segment(100)
        [commit] = backend.run([StepPlan(stream)])
        assert (commit.words, commit.until, commit.segment_end) == ((), 100, True)


@pytest.mark.parametrize("hotword", ["#MeToo", "one #1", "a :x", "@someone", "and/or", ":)"])
async def test_a_hotword_may_have_marks_that_sherpa_onnx_would_read(models: Path, hotword: str) -> None:
    async with sherpa(models, hotwords_unit="cjkchar") as backend:
        stream = backend.open(RecognitionParams(hotwords=(hotword,)))
        stream.accept(Frame(0, speech_like(2.0)))
        stream.end_segment(2 * SAMPLE_RATE)
        [commit] = backend.run([StepPlan(stream)])
        assert commit.words


async def test_it_serves_in_the_daemon_beside_another_engine(models: Path) -> None:
    values = {
        "models_dir": str(models),
        "vad": {"name": "none"},
        "engines": {"nonsense": {"name": "sherpa", "options": {"model": "nonsense", "languages": ["eo"]}}},
        "routing": {"eo": "nonsense"},
    }
    audio = (speech_like(2.0) * 32767).astype("<i2").tobytes()
    async with (
        running_daemon(values) as daemon,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{daemon.ws}/asr?format=pcm&language=eo") as socket,
    ):
        await socket.send_bytes(audio)
        await socket.send_bytes(b"")
        lines: list[Any] = []
        while (message := json.loads((await socket.receive()).data))["type"] != "ready_to_stop":
            lines = message.get("lines", lines)
    assert lines[-1]["text"] and lines[-1]["detected_language"] == "eo"


@pytest.mark.parametrize(
    ("missing", "message"),
    [("tokens.txt", "tokens.txt is missing"), ("encoder.onnx", r"encoder\*\.onnx is missing"), (None, "is missing")],
)
async def test_an_incomplete_folder_says_what_is_missing(
    tmp_path: Path, make_transducer: Callable[[Path], None], missing: str | None, message: str
) -> None:
    if missing is not None:
        make_transducer(tmp_path / "nonsense")
        (tmp_path / "nonsense" / missing).unlink()
    with pytest.raises(ProvisionError, match=message):
        async with sherpa(tmp_path):
            pass


@pytest.mark.parametrize("private", [".", "nonsense", "nonsense/joiner.onnx", "nonsense/tokens.txt"])
def test_a_model_that_may_not_be_read_is_told_with_the_remedy(
    public_folder: Path, locked: Callable[[Path], AbstractContextManager[None]], private: str
) -> None:
    (public_folder / "nonsense").mkdir()
    for name in ("encoder.onnx", "decoder.onnx", "joiner.onnx", "tokens.txt"):
        (public_folder / "nonsense" / name).touch()
    with locked(public_folder / private), pytest.raises(NoModelError, match="user nobody cannot") as failure:
        ModelFiles.find(public_folder / "nonsense")
    assert str(failure.value).endswith(f" {public_folder / private}`")


def test_every_model_of_the_catalogue_is_one_that_the_backend_takes(tmp_path: Path) -> None:
    for name, model in MODELS.items():
        for file in model.files:
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file.name).touch()
        files = ModelFiles.find(tmp_path / name)
        assert (files.joiner is None) == ("paraformer" in name)
        assert all(len(file.sha256) == 64 for file in model.files)
        [problem, *_] = FAMILY.states(tmp_path)[-1].problems
        assert "0 bytes instead of" in problem


async def test_hotwords_need_the_spelling_of_the_model(models: Path) -> None:
    with pytest.raises(ProvisionError, match=r"has no bpe\.vocab"):
        async with sherpa(models, hotwords_unit="bpe"):
            pass


def test_tokens_become_words_with_times() -> None:
    clock = SpeechClock()
    clock.give(Frame(16_000, speech_like(3.0)))
    said = tokens_of([" he", "llo", " you"], [0.5, 0.7, 1.0], [-0.1, -0.3, 0.0], 3.0, paraformer=False)
    words = words_of(said, clock, "en")
    assert [(word.text, word.start, word.end) for word in words] == [
        (" hello", 24_000, 32_000),
        (" you", 32_000, 38_400),
    ]
    assert words[0].confidence == 0.819
    assert [word.text for word in words_of([Token("今", 0.1), Token("天", 0.3)], clock, "zh")] == ["今", "天"]
    # A paraformer tells no times, and marks the pieces that go on.
    spread = spoken(["he@@", "llo", "今", "天", "you"])
    assert [word.text for word in spread] == [" hello", "今", "天", " you"]
    assert [word.start for word in spread] == [16_000, 32_000, 40_000, 48_000]


def spoken(tokens: list[str]) -> list[Word]:
    """What a paraformer says in 2.5 s."""
    clock = SpeechClock()
    clock.give(Frame(16_000, speech_like(3.0)))
    return words_of(tokens_of(tokens, [], [], 2.5, paraformer=True), clock, "zh")


def test_what_a_paraformer_says_later_parts_no_words_that_it_has_said() -> None:
    # Else the second word would be committed twice.
    before, later = (
        [word.text for word in spoken(tokens)] for tokens in (["说", "ok", "yes"], ["说", "ok", "yes", "pro@@", "ject"])
    )
    assert before == ["说", " ok", " yes"] and later == [*before, " project"]
