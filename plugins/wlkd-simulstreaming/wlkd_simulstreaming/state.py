"""What a stream knows. Nothing here changes a state: what happens makes a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from wlkd_whisper.stepwise import SpeechState
from wlkd_whisper.window import Window

from wlkd import Frame
from wlkd.contract.audio import samples, seconds
from wlkd_simulstreaming.language import Evidence
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.packing import LONGEST
from wlkd_simulstreaming.spelling import respelled
from wlkd_simulstreaming.timing import FRAME_SAMPLES, Said
from wlkd_simulstreaming.tokens import Vocabulary

LEAST_SAMPLES = samples(0.1)
"""Shorter stretches hold no word."""
UNSPOKEN_SECONDS = 2.0
"""Audio kept when a window without words is dropped: a word may just be beginning."""
STRANGE_SECONDS = 1.0
"""A decided language is questioned when another one has been likelier for this time."""
BRIDGE_SECONDS = 1.5
"""Silence after which a window begins anew, besides the half second that makes a pause."""
RECENT_WORDS = 8


@dataclass(frozen=True)
class Draft:
    """What a step left tentative."""

    tokens: tuple[int, ...] = ()
    """What the next step may guess, an unfinished character included."""
    words: tuple[str, ...] = ()
    """Its texts, word by word."""
    since: tuple[int, ...] = ()
    """Session index from which on each of them stands: the end of the audio that it was first told from, behind the
    same words, or sooner."""
    heard: int = 0
    """Session index of the end of the audio."""


@dataclass(frozen=True)
class State(SpeechState):
    """Everything a stream knows."""

    said: tuple[Said, ...] = ()
    """Committed words whose audio is in the window."""
    context: tuple[int, ...] = ()
    """Tokens before them, the latest last."""
    draft: Draft = field(default_factory=Draft)
    """What the last step left tentative."""
    recent: tuple[str, ...] = ()
    """The last few committed words."""
    language: str | None = None
    """Of this segment; None: not decided."""
    before: str | None = None
    """The language before, which this segment probably has too."""
    strange_from: int | None = None
    """Session index from which on another language is likelier than the decided one; None: it is not."""
    evidence: Evidence = field(default_factory=Evidence)
    segment: int = 0
    """Samples of speech heard since the segment began."""
    wordless: int = 0
    """Samples of speech heard since the last committed word."""
    last_end: int = 0
    """Session index where the last committed word ended."""
    reheard: int = 0
    """Session index before which speech without words was heard again, in vain."""
    until: int = 0
    paused: bool = False
    """The window ends with a pause; what follows soon is heard with what was said before."""
    held: tuple[Said, ...] = ()
    """Words before that pause that are in doubt, while nothing follows."""
    owed: int | None = None
    """Session index of the first pause before which words are in doubt; None: there is none."""

    @property
    def content(self) -> int:
        """Frames (20 ms) of audio in the window."""
        return -(-len(self.window) // FRAME_SAMPLES)

    @property
    def worth_decoding(self) -> bool:
        """Whether there is anything to decode: speech, and behind the words that are committed."""
        if self.held:
            return False  # Nothing was heard since: it would be the same words.
        return len(self.window) >= LEAST_SAMPLES and (not self.said or self.window.end > self.last_end)

    @property
    def said_tokens(self) -> tuple[int, ...]:
        """Committed tokens whose audio is in the window."""
        return tuple(token for said in self.said for token in said.tokens)

    @property
    def open_places(self) -> tuple[int, ...]:
        """Indices of those of `said_tokens` that the model may yet spell otherwise."""
        return tuple(first + said.open for first, said in self._placed() if said.open is not None)

    def respelled(self, instead: Mapping[int, int], vocabulary: Vocabulary) -> State:
        """With the committed words as the model would spell them by now: `instead` has its choices at `open_places`."""
        said = list(self.said)
        for index, (first, word) in enumerate(self._placed()):
            if word.open is not None and (token := instead.get(first + word.open)) is not None:
                tokens, place = respelled(word.tokens, word.open, token, vocabulary)
                said[index] = replace(word, tokens=tokens, open=place)
        return replace(self, said=tuple(said))

    def _placed(self) -> Iterator[tuple[int, Said]]:
        """Each committed word of the window, behind the index of its first token in `said_tokens`."""
        starts = accumulate((len(said.tokens) for said in self.said), initial=0)
        return zip(starts, self.said, strict=False)

    def hearing(self, frames: Sequence[Frame]) -> State:
        """With `frames` heard too; where one does not begin at the end of the one before, there was a pause."""
        state, stretches = self, list(_stretches(frames))
        speech = sum(len(frame.samples) for frame in frames)
        room = max(LONGEST - len(self.window) - speech, 0)
        for stretch in stretches:
            state = state._hearing(stretch, min(samples(BRIDGE_SECONDS), room // len(stretches)))
        return state._within_the_model()

    def _hearing(self, frames: Sequence[Frame], most_silence: int) -> State:
        """With `frames` heard too, between which there is no pause, and `most_silence` of the pause before them."""
        state, start = self, frames[0].start
        if not state.paused and len(state.window) and start > state.window.end:
            # No step ended at that pause: the words before it are still owed.
            state = replace(state, paused=True, owed=state.window.end if state.owed is None else state.owed)
        if state.paused:
            state = state._going_on(start, most_silence)
        heard = sum(len(frame.samples) for frame in frames)
        window = state.window.extended(frames)
        return replace(state, window=window, segment=state.segment + heard, wordless=state.wordless + heard)

    def _going_on(self, at: int, most_silence: int) -> State:
        """Speech goes on at session index `at`, after a pause: in the same window, with `most_silence` of it at most,
        or in a new one."""
        silence = at - self.window.end
        if silence > samples(BRIDGE_SECONDS) and self.owed is None:
            return self.closed()
        return replace(self, window=self.window.paused(min(silence, most_silence)), paused=False, held=())

    def _within_the_model(self) -> State:
        """Without the beginning of a window that nothing could be cut from until it was too long for the model."""
        if len(self.window) <= LONGEST:
            return self
        start = self.window.session_index(len(self.window) - LONGEST)
        return replace(self.remembering(self._said_before(start)), window=self.window.after(start), draft=Draft())

    def pausing(self, at: int) -> State:
        """With speech that pauses, or ends, at session index `at`: what is in the window behind it is silence."""
        return replace(self, window=self.window.quiet_after(at))

    def closed(self) -> State:
        """The segment is over: what follows starts afresh, with the text as context."""
        # Of what another recognizer has committed, a part may still be to come.
        state = self.remembering(self._said_before(self.window.end))
        return replace(
            state,
            window=Window(),
            draft=Draft(),
            recent=tuple(said.word.text for said in state.said)[-RECENT_WORDS:],
            segment=0,
            paused=False,
            held=(),
            owed=None,
        )

    def doubts_language(self, probabilities: Mapping[str, float], options: SimulStreamingOptions) -> bool:
        """Whether enough was heard to decide the language, and `probabilities`, of the window, do not tell, or tell of
        another one than before."""
        if self.language is not None:
            return False
        heard = self.evidence.seconds + seconds(len(self.window))
        least, confidence, _ = options.language_limits
        best = max(probabilities, key=lambda code: probabilities[code])
        return heard >= least and (probabilities[best] < confidence or self.before not in (None, best))

    def informed(self, probabilities: Mapping[str, float], options: SimulStreamingOptions, *, closing: bool) -> State:
        """With the language `probabilities` of the window; `closing`: the segment ends here."""
        if self.language is not None:
            return self._questioned(probabilities, options, closing)
        evidence = self.evidence.plus(probabilities, seconds(len(self.window)))
        limits = options.language_limits
        if self.before is not None:
            language = evidence.after(self.before, *limits)
            return self._in_language(language or self.before) if language or closing else self
        if evidence.settles(*limits):
            return replace(self, language=evidence.best, evidence=Evidence())
        # The window will be heard again, and longer, unless the segment ends here.
        return replace(self, evidence=evidence) if closing else self

    def _in_language(self, language: str) -> State:
        """Decided, and not for the first time. Words of another language are not used as context."""
        known = replace(self, language=language, before=None, evidence=Evidence())
        return known if language == self.before else replace(known, context=(), draft=Draft())

    def _questioned(self, probabilities: Mapping[str, float], options: SimulStreamingOptions, closing: bool) -> State:
        """The language is decided. When another one is likelier for a while, or when the segment ends, it is open again
        from the last committed word on."""
        best = max(probabilities, key=lambda code: probabilities[code])
        if best == self.language or probabilities[best] < options.language_confidence:
            return replace(self, strange_from=None)
        since = self.window.end if self.strange_from is None else self.strange_from
        if not closing and self.window.end - since < samples(STRANGE_SECONDS):
            return replace(self, strange_from=since)
        window = self.window.after(self.last_end)
        return replace(self.asking_again(), window=window, segment=len(window), said=(), draft=Draft(), context=())

    def asking_again(self) -> State:
        """With the language open, and probably the same."""
        return replace(self, language=None, before=self.language or self.before, strange_from=None)

    def saying(self, settled: Sequence[Said]) -> State:
        """With `settled` words committed."""
        if not settled:
            return self
        end = settled[-1].word.end
        return replace(
            self,
            said=(*self.said, *settled),
            recent=(*self.recent, *(said.word.text for said in settled))[-RECENT_WORDS:],
            last_end=end,
            until=max(self.until, end),
            wordless=0,
        )

    def remembering(self, count: int) -> State:
        """With the first `count` committed words of the window as the latest context."""
        tokens = (token for said in self.said[:count] for token in said.tokens)
        return replace(self, context=(*self.context, *tokens), said=self.said[count:])

    def _said_before(self, index: int) -> int:
        """How many of the committed words end at session index `index` at the latest."""
        return sum(said.word.end <= index for said in self.said)

    def behind(self, frame: int) -> State:
        """With the audio from `frame` of the window on only, of which nothing is committed."""
        start = self.window.session_index(frame * FRAME_SAMPLES)
        return replace(self, window=self.window.after(start), said=(), draft=Draft())

    def without_context(self) -> State:
        return replace(self, context=())

    def without_audio(self) -> State:
        """All but the last moments of the window dropped."""
        start = self.window.session_index(max(len(self.window) - samples(UNSPOKEN_SECONDS), 0))
        return replace(self, window=self.window.after(start), draft=Draft(), until=max(self.until, start))


def _stretches(frames: Sequence[Frame]) -> Iterator[Sequence[Frame]]:
    """`frames` parted where one does not begin at the end of the one before."""
    first = 0
    for place in range(1, len(frames) + 1):
        if place == len(frames) or frames[place].start != frames[place - 1].end:
            yield frames[first:place]
            first = place
