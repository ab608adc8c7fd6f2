"""One stream's recognition: what it has heard and said, and what each step makes of it.

A step is planned from the state, computed elsewhere (in a batch), and concluded into a new state; nothing changes
before `adopt`, so a failed computation leaves the stream as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wlkd_whisper.window import Window

from wlkd import Commit, Frame, RecognitionParams, Recognizer, Word
from wlkd.contract.audio import samples, seconds
from wlkd_simulstreaming.alignatt import is_settled
from wlkd_simulstreaming.guards import is_no_speech, told_again
from wlkd_simulstreaming.hypothesis import Hypothesis, Request
from wlkd_simulstreaming.language import Evidence
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.rivals import is_doubtful
from wlkd_simulstreaming.timing import FRAME_SAMPLES, Said, timed_words
from wlkd_simulstreaming.tokens import Vocabulary
from wlkd_simulstreaming.window import best_cut

TOKENS_PER_SECOND = 16
"""More than any language is spoken in; what goes on beyond is a loop."""
SPARE_TOKENS = 12
MAX_PREVIOUS_TOKENS = 223
"""Whisper's limit for the text before `<|startoftranscript|>`: half its context, less one."""
MAX_SAID_TOKENS = 180
"""Committed tokens a window may hold: with a full prompt before them there is still room for new ones in Whisper's
448. Only a recogniser gone astray says so much in a window."""
END_FRAMES = 4
"""80 ms: a token that attends so close to the end of the audio is the last that can have been heard."""
LEAST_SAMPLES = samples(0.1)
"""Shorter stretches hold no word."""
UNSPOKEN_SECONDS = 2.0
"""Audio kept when a window without words is dropped: a word may just be beginning."""


@dataclass(frozen=True)
class State:
    """Everything a stream knows."""

    window: Window = field(default_factory=Window)
    said: tuple[Said, ...] = ()
    """Committed words whose audio is in the window."""
    context: tuple[int, ...] = ()
    """Tokens before them, the latest last."""
    draft: tuple[int, ...] = ()
    """Tokens of the tentative tail."""
    recent: tuple[str, ...] = ()
    """The last few committed words."""
    language: str | None = None
    evidence: Evidence = field(default_factory=Evidence)
    segment: int = 0
    """Samples of speech heard since the segment began."""
    wordless: int = 0
    """Samples of speech heard since the last committed word."""
    last_end: int = 0
    """Session index where the last committed word ended."""
    until: int = 0


@dataclass(frozen=True)
class Step:
    """What a stream wants computed: `state` with all accepted audio in its window."""

    state: State
    end: int | None
    """Session index where the segment ends, or None: it goes on."""
    spare: float = 1.0
    """The worker's time to spare, 0 (saturated) to 1 (idle); none for uploads."""

    @property
    def content(self) -> int:
        """Frames of audio in the window."""
        return -(-len(self.state.window) // FRAME_SAMPLES)

    @property
    def worth_computing(self) -> bool:
        """Whether there is anything to decode."""
        return len(self.state.window) >= LEAST_SAMPLES


@dataclass(frozen=True)
class Conclusion:
    """What a step came to."""

    state: State
    commit: Commit
    guards: tuple[str, ...] = ()
    """Names of the guards that stepped in."""


class Stream(Recognizer):
    """A recognizer of this backend."""

    def __init__(
        self,
        options: SimulStreamingOptions,
        vocabulary: Vocabulary,
        params: RecognitionParams,
        only_language: str | None,
    ) -> None:
        """`only_language`: what a model of one language knows; its start sequence names none."""
        self._options = options
        self._vocabulary = vocabulary
        self._params = params
        self._only_language = only_language
        hotwords = ", ".join(params.hotwords)
        self.languages = tuple(code for code in vocabulary.languages if params.may_detect(code))
        """What detection chooses from."""
        self._prompt = tuple(
            token
            for text in (params.static_prompt, hotwords)
            if text.strip()
            for token in vocabulary.encode(" " + text.strip())
        )
        opening = vocabulary.encode(" " + params.initial_prompt.strip()) if params.initial_prompt.strip() else []
        self._state = State(context=tuple(opening[-MAX_PREVIOUS_TOKENS:]), language=params.language or only_language)
        self._fresh: list[Frame] = []
        self._end: int | None = None

    @property
    def prompt_tokens(self) -> int:
        """Tokens that stand before every window."""
        return len(self._prompt)

    def accept(self, frame: Frame) -> None:
        self._fresh.append(frame)

    def end_segment(self, at: int) -> None:
        self._end = at

    def plan(self, spare: float = 1.0) -> Step:
        """The step that is due now, with so much time to spare."""
        heard = sum(len(frame.samples) for frame in self._fresh)
        state = replace(
            self._state,
            window=self._state.window.extended(self._fresh),
            segment=self._state.segment + heard,
            wordless=self._state.wordless + heard,
        )
        return Step(state, self._end, spare)

    def doubts_language(self, step: Step, probabilities: Mapping[str, float]) -> bool:
        """Whether enough was heard to decide the language, and `probabilities` do not tell."""
        options = self._options
        heard = step.state.evidence.seconds + seconds(len(step.state.window))
        return heard >= options.language_seconds and max(probabilities.values()) < options.language_confidence

    def listen(self, step: Step, probabilities: Mapping[str, float]) -> Step:
        """Take the language probabilities of the window into account; `step` without a language."""
        state = step.state
        evidence = state.evidence.plus(probabilities, seconds(len(state.window)))
        options = self._options
        if evidence.settles(options.language_seconds, options.language_confidence, options.language_limit_seconds):
            return replace(step, state=replace(state, language=evidence.best, evidence=Evidence()))
        # The window will be heard again, and longer, unless the segment ends here.
        return replace(step, state=replace(state, evidence=evidence if step.end is not None else state.evidence))

    def request(self, step: Step, language: str | None, *, afresh: bool = False) -> Request:
        """What to decode, taking the speech for `language`; `afresh`: without context, which loops feed on, and
        without a guess."""
        state, vocabulary = step.state, self._vocabulary
        start = [vocabulary.sot]
        if language is not None and self._only_language is None:
            task = vocabulary.translate if self._params.task == "translate" else vocabulary.transcribe
            start += [vocabulary.languages[language], task]
        start.append(vocabulary.no_timestamps)
        room = MAX_PREVIOUS_TOKENS - len(self._prompt)
        context = _last(state.context, min(self._options.context_tokens, room)) if not afresh else ()
        previous = (*self._prompt, *context)
        before = (vocabulary.sot_prev, *previous) if previous else ()
        inside = tuple(token for said in state.said for token in said.tokens)
        prefix = (*before, *start, *inside)
        unsaid = seconds(max(state.window.end - max(state.last_end, state.window.session(0)), 0))
        most = min(int(TOKENS_PER_SECOND * unsaid) + SPARE_TOKENS, 448 - len(prefix))
        return Request(
            prefix=prefix,
            draft=() if afresh else state.draft[: most - 1],
            told=len(inside),
            floor=state.window.offset(state.last_end) // FRAME_SAMPLES if inside else 0,
            sot=len(before),
            last_frame=step.content - END_FRAMES if step.end is None else None,
            max_tokens=most,
        )

    def conclude(self, step: Step, heard: Hypothesis, language: str | None) -> Conclusion:
        """The state after `heard`, and what to tell the session."""
        options, state, guards = self._options, step.state, []
        for name, fired in (
            ("rewind", heard.rewound),
            ("retold", heard.retold),
            ("loop", heard.looped),
            ("echo", heard.echoed),
        ):
            if fired:
                guards.append(name)
        if is_no_speech(heard.no_speech, heard.logprobs, options.no_speech_logprob):
            guards.append("no_speech")
            heard = Hypothesis(ended=True)
        words = timed_words(heard, self._vocabulary, language, state.window, step.content)
        again = told_again(
            state.recent, [said.word.text for said in words], [said.word.end for said in words], state.last_end
        )
        if again:
            guards.append("told_again")
        count = self._settled(step, heard, words)
        if heard.looped or heard.echoed:
            # The context may be what the loop feeds on; an echo certainly is of the context.
            state = replace(state, context=())
        full = len(state.window) > samples(options.max_window_seconds)
        if full and step.end is None and not state.said and count <= again and len(words) - again > 1:
            # Nothing settled for a whole window: keep the words rather than lose the audio.
            guards.append("forced")
            count = len(words) - 1
        settled = _in_order(words[again : max(count, again)], state.last_end)
        rest = words[max(count, again) :]
        state = self._with_words(state, settled)
        if step.end is not None:
            state = self._closed(state, step.end)
            return Conclusion(state, self._commit(state, settled, (), language, True), tuple(guards))
        used = rest[0].first if rest else (words[-1].stop if words else 0)
        state = replace(state, draft=() if again or heard.looped else heard.tokens[used:])
        if not rest and heard.ended:
            state = replace(state, until=max(state.until, state.window.end - samples(UNSPOKEN_SECONDS)))
        if state.wordless > samples(options.stuck_seconds):
            guards.append("stuck")
            if state.segment > samples(options.stuck_seconds):
                state = replace(self._without_audio(state), said=())
            # Else most of it was in stretches that are over, and in this one a word may just be coming.
            state = replace(state, context=(), wordless=0)
        elif full or self._crowded(state):
            state = self._cut(state, bool(rest))
        tail = _in_order(rest, state.last_end)
        return Conclusion(state, self._commit(state, settled, tail, language, False), tuple(guards))

    def doubted(self, step: Step, heard: Hypothesis, language: str | None, start: int) -> int | None:
        """Index of the first token from `start` on that the model doubted, of those that `conclude` would commit."""
        if is_no_speech(heard.no_speech, heard.logprobs, self._options.no_speech_logprob):
            return None
        words = timed_words(heard, self._vocabulary, language, step.state.window, step.content)
        count = self._settled(step, heard, words)
        stop = words[count - 1].stop if count else 0
        return next((at for at in range(start, stop) if is_doubtful(heard.choices[at], self._vocabulary)), None)

    def adopt(self, state: State) -> None:
        """Make `state` the stream's own; the audio accepted so far is in it."""
        self._state = state
        self._fresh = []
        self._end = None

    def _settled(self, step: Step, heard: Hypothesis, words: Sequence[Said]) -> int:
        """How many of `words` are to be committed."""
        if step.end is not None:
            return len(words)
        if heard.looped or step.state.language is None:
            return 0
        threshold, per_doubt = self._options.frame_threshold, self._options.doubt_threshold
        segment = step.state.segment // FRAME_SAMPLES
        # The last word may go on in what is not yet heard.
        for count, said in enumerate(words[:-1]):
            doubt = -min(heard.logprobs[said.first : said.stop])
            frame = max(heard.frames[said.first : said.stop])
            if not is_settled(frame, doubt, step.content, segment, threshold, per_doubt):
                return count
        return max(len(words) - 1, 0)

    def _with_words(self, state: State, settled: Sequence[Said]) -> State:
        if not settled:
            return state
        end = settled[-1].word.end
        return replace(
            state,
            said=(*state.said, *settled),
            recent=(*state.recent, *(said.word.text for said in settled))[-8:],
            last_end=end,
            until=max(state.until, end),
            wordless=0,
        )

    def _closed(self, state: State, end: int) -> State:
        tokens = tuple(token for said in state.said for token in said.tokens)
        return replace(
            state,
            window=Window(),
            said=(),
            context=(*state.context, *tokens)[-MAX_PREVIOUS_TOKENS:],
            draft=(),
            recent=(),
            segment=0,
            last_end=max(state.last_end, end),
            until=max(state.until, end),
        )

    def _without_audio(self, state: State) -> State:
        """All but the last moments of the window dropped."""
        start = state.window.session(max(len(state.window) - samples(UNSPOKEN_SECONDS), 0))
        return replace(state, window=state.window.after(start), draft=(), until=max(state.until, start))

    def _cut(self, state: State, unfinished: bool) -> State:
        """A shorter window; the words that leave it become context."""
        options = self._options
        limit = samples(options.max_window_seconds - 1.0)
        words = [said.word for said in state.said]
        cut = best_cut(words, state.window.end, samples(options.kept_window_seconds), limit)
        if words and (cut is None or self._crowded(state)):
            cut = len(words) - 1
        if cut is None:
            return state if unfinished else self._without_audio(state)
        gone, kept = state.said[: cut + 1], state.said[cut + 1 :]
        tokens = tuple(token for said in gone for token in said.tokens)
        return replace(
            state,
            window=state.window.after(words[cut].end),
            said=kept,
            context=(*state.context, *tokens)[-MAX_PREVIOUS_TOKENS:],
        )

    def _crowded(self, state: State) -> bool:
        return sum(len(said.tokens) for said in state.said) > MAX_SAID_TOKENS

    def _commit(
        self, state: State, settled: Sequence[Said], tail: Sequence[Said], language: str | None, closed: bool
    ) -> Commit:
        return Commit(
            words=tuple(said.word for said in settled),
            tentative=tuple(said.word for said in tail),
            language=state.language or (language if settled else None),
            until=state.until,
            segment_end=closed,
        )


def _last(tokens: tuple[int, ...], count: int) -> tuple[int, ...]:
    return tokens[max(len(tokens) - count, 0) :]


def _in_order(words: Sequence[Said], after: int) -> tuple[Said, ...]:
    """`words` with times that never run backwards, from `after` on."""
    ordered = []
    for said in words:
        start = max(said.word.start, after)
        end = max(said.word.end, start)
        word = Word(said.word.text, start, end, said.word.confidence)
        ordered.append(replace(said, word=word))
        after = end
    return tuple(ordered)
