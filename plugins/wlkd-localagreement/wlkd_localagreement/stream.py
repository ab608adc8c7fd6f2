"""What a stream knows, and what a decode of its window makes of it: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wlkd_whisper import stepwise

from wlkd import Commit, RecognitionParams, Word
from wlkd.contract.audio import samples
from wlkd.contract.types import SENTENCE_ENDS
from wlkd_localagreement.agreement import agreed, unsaid
from wlkd_localagreement.options import LocalAgreementOptions

CONTEXT_CHARACTERS = 200
"""Text before the window that is given as a prompt: about a third of what Whisper takes."""


@dataclass(frozen=True)
class State(stepwise.SpeechState):
    """Everything a stream knows."""

    committed: tuple[Word, ...] = ()
    """Words committed in the window."""
    draft: tuple[Word, ...] = ()
    """What the last decode said after them."""
    context: str = ""
    """Text committed before the window."""
    language: str | None = None
    heard: int = 0
    """Samples of speech in stretches that ended before the language was decided."""
    until: int = 0


Step = stepwise.Step[RecognitionParams, State]
Conclusion = stepwise.Conclusion[State]


@dataclass(frozen=True)
class Heard:
    """What a decode said of a step's window, in session time, and the language it took it for."""

    words: tuple[Word, ...] = ()
    language: str | None = None
    sure: bool = True
    """Enough speech was heard to keep the language. At the end of a stretch its words are committed all the same."""


def is_sure(state: State, options: LocalAgreementOptions) -> bool:
    """Whether enough speech was heard to keep the language that it seems to be in."""
    # A full window is enough: it is cut, and what leaves it uncommitted is lost.
    enough = samples(min(options.language_seconds, options.max_window_seconds))
    return state.language is not None or state.heard + len(state.window) >= enough


def prompt(step: Step) -> str:
    """Text that the decode is to continue."""
    return " ".join(part for part in (step.brief.static_prompt, step.state.context.strip()) if part)


def conclude(step: Step, heard: Heard, options: LocalAgreementOptions) -> Conclusion:
    """The state after the decode, and what to tell the session."""
    state = step.state
    if heard.sure:
        state = replace(state, language=heard.language)
    words = unsaid(heard.words, state.committed)
    count = len(words) if step.end is not None else agreed(state.draft, words) if heard.sure else 0
    fresh, rest = tuple(words[:count]), tuple(words[count:])
    state = replace(state, committed=(*state.committed, *fresh), draft=rest)
    if step.end is not None:
        # Of what another recognizer has committed, a part may still be to come.
        ahead = tuple(word for word in state.committed if word.end > state.window.end)
        gone = state.committed[: len(state.committed) - len(ahead)]
        state = State(
            committed=ahead,
            context=_context(state, gone),
            language=state.language,
            heard=state.heard + len(state.window),
            until=max(state.until, step.end),
        )
    else:
        if fresh:
            state = replace(state, until=max(state.until, fresh[-1].end))
        if len(state.window) > samples(options.max_window_seconds):
            state = _cut(state, options)
    language = state.language or (heard.language if fresh else None)
    commit = Commit(fresh, state.draft, language, state.until, step.end is not None)
    return Conclusion(state, commit)


def _cut(state: State, options: LocalAgreementOptions) -> State:
    """A shorter window: cut behind the last committed sentence, else behind the last committed word.

    Where nothing is committed the audio is dropped: a full window that no two decodes agree about is noise.
    """
    if not state.committed:
        start = state.window.session_index(len(state.window) // 2)
        return replace(state, window=state.window.after(start), draft=(), until=max(state.until, start))
    sentences = [index for index, word in enumerate(state.committed) if word.text.endswith(SENTENCE_ENDS)]
    last = sentences[-1] if sentences else len(state.committed) - 1
    gone, kept = state.committed[: last + 1], state.committed[last + 1 :]
    window = state.window.after(gone[-1].end)
    if len(window) > samples(options.max_window_seconds) and kept:
        gone, kept = state.committed, ()
        window = state.window.after(gone[-1].end)
    return replace(state, window=window, committed=kept, context=_context(state, gone))


def _context(state: State, gone: Sequence[Word]) -> str:
    return (state.context + "".join(word.text for word in gone))[-CONTEXT_CHARACTERS:]
