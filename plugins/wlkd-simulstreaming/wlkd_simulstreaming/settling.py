"""What is settled: from a hypothesis to the words that are committed, and to the stream's next state. All pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wlkd_whisper import stepwise
from wlkd_whisper.alike import alike

from wlkd import Commit, Word
from wlkd.contract.audio import samples
from wlkd.contract.text import begins_word
from wlkd_simulstreaming.alignatt import Candidate, hears_enough, is_settled
from wlkd_simulstreaming.brief import END_FRAMES, Brief, Step
from wlkd_simulstreaming.guards import Guard, is_no_speech, told_again
from wlkd_simulstreaming.hypothesis import Choice, Hypothesis
from wlkd_simulstreaming.rivals import is_doubtful
from wlkd_simulstreaming.spelling import doubt_about_word
from wlkd_simulstreaming.state import UNSPOKEN_SECONDS, Draft, State
from wlkd_simulstreaming.timing import FRAME_SAMPLES, Said, timed_words
from wlkd_simulstreaming.tokens import Vocabulary
from wlkd_simulstreaming.window import best_cut

INSIDE_A_SENTENCE = frozenset(",;:-–—\"'“”‘’()，、；：（）「」『』《》")
"""Marks that change no word, and leave the sentence open."""
LIKELY_ENDING = 0.05
"""Probability of a mark or more letters behind a word from which on it is not over ("Whole words" in
docs/experiments.md)."""
CLEAR = samples(2.0)
"""A word stands when so much has been heard behind it, even if it has just changed."""


@dataclass(frozen=True)
class Heard:
    """What a step's speech was taken for."""

    step: Step
    """With the language of its speech, where that is decided."""
    language: str | None
    """The one it was decoded in."""
    hypothesis: Hypothesis


@dataclass(frozen=True)
class Conclusion(stepwise.Conclusion[State]):
    """What a step came to."""

    guards: frozenset[Guard] = frozenset()
    """Those that stepped in."""


@dataclass(frozen=True)
class Reading:
    """A hypothesis as words."""

    settled: tuple[Said, ...]
    """To be committed."""
    rest: tuple[Said, ...]
    draft: Draft
    """What the next step may guess, and compares its words with: what is behind `settled`."""
    ended: bool
    """The model ended the text."""
    guards: frozenset[Guard]
    closing: bool
    """`settled` are all that was left of the words before a pause."""
    whole: bool
    """The last word that is settled, here or before, will hardly get a mark or more letters behind it."""


def conclude(heard: Heard) -> Conclusion:
    """The state after `heard`, and what to tell the session."""
    step, reading = heard.step, read(heard)
    guards = reading.guards
    # The context may be what a loop feeds on; an echo certainly is of the context.
    state = step.state.without_context() if guards & {Guard.LOOP, Guard.ECHO} else step.state
    settled = in_order(reading.settled, state.last_end)
    state = state.saying(settled)
    tail: tuple[Said, ...] = ()
    if step.end is not None and step.over:
        state = ended(state, step.end)
        if step.brief.several_languages and state.language is not None:
            state = state.asking_again()
    else:
        state = replace(state, draft=reading.draft)
        if not reading.rest and reading.ended:
            state = replace(state, until=max(state.until, state.window.end - samples(UNSPOKEN_SECONDS)))
        if is_stuck(state, step.brief):
            guards |= {Guard.STUCK}
            state = unstuck(state, step.brief)
        else:
            state = within_bounds(state, step.brief, unfinished=bool(reading.rest))
        state = paused(state, step.end, reading)
        tail = in_order(reading.rest, state.last_end)
    commit = Commit(
        words=tuple(said.word for said in settled),
        tentative=tuple(said.word for said in tail),
        language=step.state.language or (heard.language if settled else None),
        until=state.until,
        segment_end=reading.closing,
        whole=reading.whole,
    )
    most = step.brief.dims.max_previous
    return Conclusion(replace(state, context=state.context[-most:]), commit, guards)


def read(heard: Heard) -> Reading:
    """The words of `heard`, less what is made up or was told before, and which of them are settled."""
    step, state, hypothesis = heard.step, heard.step.state, heard.hypothesis
    if state.held:
        return Reading(state.held, (), Draft(), ended=True, guards=frozenset(), closing=True, whole=True)
    guards = hypothesis.guards
    if made_up(step, hypothesis):
        guards |= {Guard.NO_SPEECH}
        hypothesis = Hypothesis(ended=True)
    words = timed_words(hypothesis, step.brief.vocabulary, heard.language, state.window, state.content)
    again = told_again(state.recent, _texts(words), [one.word.end for one in words], state.last_end)
    if again:
        guards |= {Guard.TOLD_AGAIN}
    since = standing(words, again, state)
    count = max(_settled(step, hypothesis, words, since), again)
    if count == again and step.end is None and not state.said and is_full(state, step.brief) and len(words) > again + 1:
        # Nothing settled for a whole window: keep the words rather than lose the audio.
        guards |= {Guard.FORCED}
        count = len(words) - 1
    count, closing = _closing(step, words, count, again)
    rest = tuple(words[count:])
    used = rest[0].first if rest else (words[-1].stop if words else 0)
    end = state.window.end
    draft = Draft(heard=end)
    if not again and Guard.LOOP not in guards:
        draft = Draft(hypothesis.tokens[used:], _texts(rest), since[count:], end)
    said = (*state.said, *words[again:count])
    whole = used < len(hypothesis.choices) and not _may_go_on(said, hypothesis.choices[used], heard)
    return Reading(tuple(words[again:count]), rest, draft, hypothesis.ended, guards, closing, whole)


def _closing(step: Step, words: Sequence[Said], count: int, again: int) -> tuple[int, bool]:
    """How many of `words` to commit if `count` are settled and `again` were told before, and whether those are all
    before a pause."""
    owed = step.state.owed
    if step.ends:
        return count, True
    if owed is None:
        return count, step.end is not None and count == len(words)
    # A step tells of one pause, and the words behind it are another stretch's.
    before = max(sum(said.word.start < owed for said in words), again)
    return (before, True) if count >= before or step.end is not None else (count, False)


def doubted(heard: Heard, start: int, limit: float) -> int | None:
    """Index of the first token from `start` on that is doubtful (see `is_doubtful`), of those that `conclude` would
    commit."""
    step, hypothesis, vocabulary = heard.step, heard.hypothesis, heard.step.brief.vocabulary
    if made_up(step, hypothesis):
        return None
    words = timed_words(hypothesis, vocabulary, heard.language, step.state.window, step.state.content)
    # A runner-up that won wins again in the next step, or it could not stand.
    count = _settled(step, hypothesis, words, since=None)
    stop = words[count - 1].stop if count else 0
    return next((at for at in range(start, stop) if is_doubtful(hypothesis.choices[at], vocabulary, limit)), None)


def made_up(step: Step, heard: Hypothesis) -> bool:
    """Whether nobody speaks, and the model made `heard` up."""
    return is_no_speech(heard.no_speech, heard.logprobs, step.brief.options.no_speech_logprob)


def standing(words: Sequence[Said], again: int, state: State) -> tuple[int, ...]:
    """Since when each of `words` stands (`Draft.since`). The first `again` of them were committed
    before, and stand for ever."""
    draft, end = state.draft, state.window.end
    agreed = alike(draft.words, _texts(words[again:]))
    starts = (state.window.session_index(said.frame * FRAME_SAMPLES) for said in words[again + agreed :])
    known = draft.heard - END_FRAMES * FRAME_SAMPLES
    fresh = (start if start >= known else min(start + CLEAR, end) for start in starts)
    return (*[0] * again, *draft.since[:agreed], *fresh)


def _texts(words: Sequence[Said]) -> tuple[str, ...]:
    return tuple(said.word.text for said in words)


def _settled(step: Step, heard: Hypothesis, words: Sequence[Said], since: Sequence[int] | None) -> int:
    """How many of `words` are to be committed; `since`: if they have stood long enough since then."""
    if step.ends:
        return len(words)
    if Guard.LOOP in heard.guards or step.state.language is None or step.state.strange_from is not None:
        return 0
    options, state = step.brief.options, step.state
    # The last word may go on in what is not yet heard, unless that is silence.
    last = len(words) if step.end is not None and heard.ended else max(len(words) - 1, 0)
    segment = state.segment // FRAME_SAMPLES
    doubts = [_doubt(heard.choices[said.first : said.stop], step.brief.vocabulary) for said in words]
    if not hears_enough(doubts, segment):
        return 0
    for count, said in enumerate(words[:last]):
        stood = math.inf if since is None else (state.window.end - since[count]) / FRAME_SAMPLES
        word = Candidate(state.content - said.frame, doubts[count], stood)
        if not is_settled(word, segment, options.frame_threshold, options.doubt_threshold):
            return count
    return last


def _doubt(choices: Sequence[Choice], vocabulary: Vocabulary) -> float:
    """How much the model doubts a word: as much as the least certain of its tokens that change what is said.

    A comma does not: whether one follows depends on how the sentence goes on. A full stop does, for what comes behind
    it is heard as a sentence of its own. Of the first token only what would make it another word counts.
    """
    doubts = (
        doubt_about_word(choice, vocabulary) if place == 0 else -choice.logprob
        for place, choice in enumerate(choices)
        if not INSIDE_A_SENTENCE.issuperset(vocabulary.text([choice.token]).strip())
    )
    return max(doubts, default=0.0)


def _may_go_on(said: Sequence[Said], behind: Choice, heard: Heard) -> bool:
    """Whether the last word of `said` may get a mark or more letters in place of the token `behind` it."""
    token, logprob = behind.runner_up
    text = heard.step.brief.vocabulary.text([token])
    begins = not text or not said or begins_word(said[-1].word.text, text, heard.language)
    return math.exp(behind.mark if begins else max(behind.mark, logprob)) >= LIKELY_ENDING


def ended(state: State, end: int) -> State:
    """The segment is over, and ended at session index `end`."""
    return replace(state.closed(), last_end=max(state.last_end, end), until=max(state.until, end))


def paused(state: State, end: int | None, reading: Reading) -> State:
    """After a step that a pause at session index `end` followed, or none did."""
    if end is None:
        return replace(state, owed=None) if reading.closing else state
    if reading.rest:
        owed = end if reading.closing or state.owed is None else state.owed
        return replace(state, paused=True, held=reading.rest, owed=owed)
    if not state.said:
        return ended(state, end)
    return replace(state, paused=True, owed=None, until=max(state.until, end))


def is_full(state: State, brief: Brief) -> bool:
    return len(state.window) > samples(brief.options.max_window_seconds)


def is_crowded(state: State, brief: Brief) -> bool:
    """Whether the window's committed words leave hardly any room for new ones."""
    return len(state.said_tokens) > brief.most_said


def is_stuck(state: State, brief: Brief) -> bool:
    """Whether there was speech without a committed word for too long."""
    return state.wordless > samples(brief.options.stuck_seconds)


def unstuck(state: State, brief: Brief) -> State:
    """Without the context, and without the window unless that is young."""
    if state.segment > samples(brief.options.stuck_seconds):
        state = replace(state.without_audio(), said=())
    # Else most of it was in stretches that are over, and in this one a word may just be coming.
    return replace(state.without_context(), wordless=0)


def within_bounds(state: State, brief: Brief, *, unfinished: bool) -> State:
    """With a shorter window where it has grown too long, or says too much; the words that leave it become context.
    `unfinished`: words in it are not settled."""
    options = brief.options
    crowded = is_crowded(state, brief)
    if not crowded and not is_full(state, brief):
        return state
    words = [said.word for said in state.said]
    limit = samples(options.max_window_seconds - 1.0)
    cut = best_cut(words, state.window.end, samples(options.kept_window_seconds), limit)
    if words and (cut is None or crowded):
        cut = len(words) - 1
    if cut is None:
        return state if unfinished else state.without_audio()
    return replace(state.remembering(cut + 1), window=state.window.after(words[cut].end))


def in_order(words: Sequence[Said], after: int) -> tuple[Said, ...]:
    """`words` with times that never run backwards, from `after` on."""
    ordered = []
    for said in words:
        start = max(said.word.start, after)
        end = max(said.word.end, start)
        word = Word(said.word.text, start, end, said.word.confidence)
        ordered.append(replace(said, word=word))
        after = end
    return tuple(ordered)
