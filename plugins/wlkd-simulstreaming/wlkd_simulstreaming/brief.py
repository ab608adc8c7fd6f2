"""What a stream was opened for, and what its steps therefore ask of the token decoder."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wlkd_whisper import stepwise
from wlkd_whisper.dims import WhisperDims

from wlkd import RecognitionParams
from wlkd.contract.audio import seconds
from wlkd_simulstreaming.hypothesis import Hypothesis, Request
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.state import State
from wlkd_simulstreaming.timing import FRAME_SAMPLES, Said
from wlkd_simulstreaming.tokens import Vocabulary

TOKENS_PER_SECOND = 40
"""More than any language is spoken in; what goes on beyond is a loop. Georgian, Burmese and Malayalam, whose letters
take two or three tokens, come to some 30."""
SPARE_TOKENS = 12
ROOM_TOKENS = 45
"""Tokens that the text before a window and a window full of committed words leave for the start sequence and for new
words."""
END_FRAMES = 4
"""80 ms: a token that attends so close to the end of the audio is the last that can have been heard."""


@dataclass(frozen=True)
class Brief:
    """What stays the same in all steps of a stream."""

    options: SimulStreamingOptions
    vocabulary: Vocabulary
    dims: WhisperDims
    prompt: tuple[int, ...]
    """Tokens that stand before every window."""
    languages: tuple[str, ...]
    """What detection chooses from."""
    task: int
    """The token that says what to do."""
    several_languages: bool = False
    """Each segment may be in another one."""
    only_language: str | None = None
    """What a model of one language knows; its start sequence names neither language nor task."""

    @property
    def most_said(self) -> int:
        """Committed tokens a window may hold: with all the text before them there is still room for new ones. Only a
        recognizer gone astray says so much in a window."""
        before = min(len(self.prompt) + self.options.context_tokens, self.dims.max_previous)
        return self.dims.n_text_ctx - before - ROOM_TOKENS


Step = stepwise.Step[Brief, State]


class Listener(stepwise.SteppedStream[Brief, State]):
    """One live stream's recognition."""

    @property
    def bridges_pauses(self) -> bool:
        return not has_firm_pauses(self.brief, self._state)

    def plan(self, spare: float = 1.0, *, upload: bool = False) -> Step:
        step = super().plan(spare, upload=upload)
        return step if step.end is None else replace(step, state=step.state.pausing(step.end))


def has_firm_pauses(brief: Brief, state: State) -> bool:
    """Whether a pause ends the segment for good: what follows may be in another language."""
    return brief.several_languages or state.language is None


def with_firm_pauses(step: Step) -> Step:
    """`step`, which ends the segment if it ends with a pause and those are firm."""
    return replace(step, over=True) if has_firm_pauses(step.brief, step.state) else step


def make_brief(
    options: SimulStreamingOptions,
    vocabulary: Vocabulary,
    dims: WhisperDims,
    params: RecognitionParams,
    only_language: str | None,
) -> Brief:
    """For a stream with `params`."""
    texts = (params.static_prompt.strip(), ", ".join(params.hotwords).strip())
    return Brief(
        options,
        vocabulary,
        dims,
        prompt=tuple(token for text in texts if text for token in vocabulary.encode(f" {text}")),
        languages=tuple(code for code in vocabulary.languages if params.may_detect(code)),
        task=vocabulary.translate if params.task == "translate" else vocabulary.transcribe,
        several_languages=params.several_languages and only_language is None,
        only_language=only_language,
    )


def first_state(brief: Brief, params: RecognitionParams) -> State:
    """Before the first step."""
    opening = params.initial_prompt.strip()
    context = brief.vocabulary.encode(f" {opening}") if opening else []
    told = tuple(Said(word, tuple(brief.vocabulary.encode(word.text))) for word in params.told)
    state = State(context=tuple(context[-brief.dims.max_previous :]), language=params.language or brief.only_language)
    # As if it had committed them itself: the decoder goes on behind them once their audio has come again.
    return state.saying(told)


def spelled_anew(step: Step, first: Hypothesis) -> Step:
    """`step` with its committed words as the model would spell them by now, as its `first` reading says."""
    return replace(step, state=step.state.respelled(first.instead, step.brief.vocabulary))


def request(step: Step, language: str | None, *, afresh: bool = False) -> Request:
    """What to decode for `step`, taking the speech for `language`; `afresh`: without context, which loops feed on,
    without a guess, and without asking for a spelling, which depends on the context."""
    brief, state = step.brief, step.state
    room = brief.dims.max_previous - len(brief.prompt)
    context = () if afresh else _last(state.context, min(brief.options.context_tokens, room))
    previous = (*brief.prompt, *context)
    before = (brief.vocabulary.sot_prev, *previous) if previous else ()
    start = (*start_sequence(brief, language), brief.vocabulary.no_timestamps)
    prefix = (*before, *start, *state.said_tokens)
    unsaid = seconds(max(state.window.end - max(state.last_end, state.window.session_index(0)), 0))
    most = min(int(TOKENS_PER_SECOND * unsaid) + SPARE_TOKENS, brief.dims.n_text_ctx - len(prefix))
    return Request(
        prefix=prefix,
        draft=() if afresh else state.draft.tokens[: most - 1],
        told=len(state.said_tokens),
        open=() if afresh else state.open_places,
        floor=state.window.offset(state.last_end) // FRAME_SAMPLES if state.said else 0,
        sot=len(before),
        last_frame=state.content - END_FRAMES if step.end is None else None,
        max_tokens=most,
    )


def start_sequence(brief: Brief, language: str | None) -> tuple[int, ...]:
    """What comes before the text, up to the choice whether it has timestamps."""
    vocabulary = brief.vocabulary
    if language is None or brief.only_language is not None:
        return (vocabulary.sot,)
    return vocabulary.sot, vocabulary.languages[language], brief.task


def _last(tokens: tuple[int, ...], count: int) -> tuple[int, ...]:
    return tokens[max(len(tokens) - count, 0) :]
