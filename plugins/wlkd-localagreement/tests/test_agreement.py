"""The policy: what two decodes say alike is committed, once."""

from typing import Any

from wlkd_localagreement.agreement import agreed, unsaid
from wlkd_localagreement.options import LocalAgreementOptions
from wlkd_localagreement.stream import Heard, State, conclude, is_sure
from wlkd_whisper.stepwise import SteppedStream

from wlkd import Frame, RecognitionParams, Word
from wlkd.testing import speech_like

SECOND = 16_000


def words(text: str, start: float = 0.0) -> tuple[Word, ...]:
    """One word each half second."""
    return tuple(
        Word(f" {word}", round((start + n / 2) * SECOND), round((start + (n + 1) / 2) * SECOND))
        for n, word in enumerate(text.split())
    )


Stream = SteppedStream[RecognitionParams, State]


def step(
    stream: Any,
    text: str,
    *,
    start: float = 0.0,
    heard_seconds: float = 1.0,
    end: int | None = None,
    options: LocalAgreementOptions | None = None,
) -> str:
    """Decode one more second to `text`; returns what is committed."""
    at = stream.plan().state.window.end
    stream.accept(Frame(at, speech_like(heard_seconds)))
    if end is not None:
        stream.end_segment(end)
    conclusion = conclude(stream.plan(), Heard(words(text, start), "en"), options or LocalAgreementOptions())
    stream.adopt(conclusion.state)
    return "".join(word.text for word in conclusion.commit.words)


def stream() -> Any:
    return SteppedStream(RecognitionParams(language="en"), State(language="en"))


def test_agreement_ignores_case_and_punctuation() -> None:
    assert agreed(words("and So my"), words("And so, your")) == 2


def test_the_first_decode_commits_nothing_and_the_second_what_both_say() -> None:
    case = stream()
    assert step(case, "and so my fell") == ""
    assert step(case, "and so my fellow americans") == " and so my"
    assert step(case, "and so my fellow americans ask") == " fellow americans"


def test_a_pause_commits_everything_and_starts_afresh() -> None:
    case = stream()
    step(case, "one two")
    assert step(case, "one two three", end=3 * SECOND) == " one two three"
    assert len(case.plan().state.window) == 0
    assert case.plan().state.context == " one two three"


def test_a_pause_leaves_told_words_alone_whose_audio_is_still_to_come() -> None:
    told = words("one two three four")
    case = SteppedStream(RecognitionParams(language="en"), State(committed=told, language="en"))
    assert step(case, "one two", end=SECOND) == ""
    assert case.plan().state.context == " one two"
    assert step(case, "three four five", start=1.0) == ""
    assert step(case, "three four five six", start=1.0) == " five"


def test_a_short_first_stretch_is_heard_and_does_not_decide_the_language() -> None:
    case: Any = SteppedStream(RecognitionParams(), State())
    case.accept(Frame(0, speech_like(0.5)))
    case.end_segment(SECOND // 2)
    conclusion = conclude(case.plan(), Heard(words("ja"), "de", sure=False), LocalAgreementOptions())
    state, commit = conclusion.state, conclusion.commit
    assert ([word.text for word in commit.words], commit.language) == ([" ja"], "de")
    assert (state.language, state.heard) == (None, SECOND // 2)


def test_no_language_is_told_before_it_is_decided_unless_for_words() -> None:
    case: Any = SteppedStream(RecognitionParams(), State())
    case.accept(Frame(0, speech_like(0.25)))
    commit = conclude(case.plan(), Heard(words("ja"), "de", sure=False), LocalAgreementOptions()).commit
    assert ([word.text for word in commit.tentative], commit.language) == ([" ja"], None)


def test_a_full_window_decides_the_language_however_much_more_is_wanted() -> None:
    case: Any = SteppedStream(RecognitionParams(), State())
    case.accept(Frame(0, speech_like(4.0)))
    state = case.plan().state
    assert is_sure(state, LocalAgreementOptions(max_window_seconds=4, language_seconds=60))
    assert not is_sure(state, LocalAgreementOptions(language_seconds=4.1))


def test_committed_words_that_move_a_little_are_not_said_again() -> None:
    committed = words("we shall")
    moved = words("we shall shall overcome", start=0.2)
    assert [word.text for word in unsaid(moved, committed)] == [" shall", " overcome"]


def test_a_full_window_is_cut_behind_a_sentence_and_the_text_becomes_context() -> None:
    case, options = stream(), LocalAgreementOptions(max_window_seconds=4)
    step(case, "one. two three", heard_seconds=3, options=options)
    assert step(case, "one. two three four", heard_seconds=1.5, options=options) == " one. two three"
    state = case.plan().state
    assert state.context == " one."
    assert [word.text for word in state.committed] == [" two", " three"]
    assert state.window.session_index(0) == SECOND // 2


def test_a_full_window_without_agreement_is_dropped() -> None:
    case, options = stream(), LocalAgreementOptions(max_window_seconds=4)
    step(case, "la", heard_seconds=3, options=options)
    step(case, "lo", heard_seconds=2, options=options)
    assert len(case.plan().state.window) < 4 * SECOND
