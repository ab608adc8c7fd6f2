"""What a stream knows. Nothing here changes a state: what happens makes a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wlkd_whisper.stepwise import SpeechState

from wlkd import Frame
from wlkd.contract.audio import samples, seconds
from wlkd_simulstreaming.language import Evidence
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.timing import FRAME_SAMPLES, Said

LEAST_SAMPLES = samples(0.1)
"""Shorter stretches hold no word."""
UNSPOKEN_SECONDS = 2.0
"""Audio kept when a window without words is dropped: a word may just be beginning."""
STRANGE_SECONDS = 1.0
"""A decided language is questioned when another one has been likelier for this time."""
RECENT_WORDS = 8


@dataclass(frozen=True)
class State(SpeechState):
    """Everything a stream knows."""

    said: tuple[Said, ...] = ()
    """Committed words whose audio is in the window."""
    context: tuple[int, ...] = ()
    """Tokens before them, the latest last."""
    draft: tuple[int, ...] = ()
    """Tokens of the tentative tail."""
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
    until: int = 0

    @property
    def content(self) -> int:
        """Frames (20 ms) of audio in the window."""
        return -(-len(self.window) // FRAME_SAMPLES)

    @property
    def worth_decoding(self) -> bool:
        """Whether there is anything to decode: speech, and behind the words that are committed."""
        return len(self.window) >= LEAST_SAMPLES and (not self.said or self.window.end > self.last_end)

    @property
    def said_tokens(self) -> tuple[int, ...]:
        """Committed tokens whose audio is in the window."""
        return tuple(token for said in self.said for token in said.tokens)

    def hearing(self, frames: Sequence[Frame]) -> State:
        heard = sum(len(frame.samples) for frame in frames)
        longer = super().hearing(frames)
        return replace(longer, segment=self.segment + heard, wordless=self.wordless + heard)

    def doubts_language(self, probabilities: Mapping[str, float], options: SimulStreamingOptions) -> bool:
        """Whether enough was heard to decide the language, and `probabilities`, of the window, do not tell, or tell of
        another one than before."""
        if self.language is not None:
            return False
        heard = self.evidence.seconds + seconds(len(self.window))
        best = max(probabilities, key=lambda code: probabilities[code])
        doubtful = probabilities[best] < options.language_confidence or self.before not in (None, best)
        return heard >= options.language_seconds and doubtful

    def informed(self, probabilities: Mapping[str, float], options: SimulStreamingOptions, *, closing: bool) -> State:
        """With the language `probabilities` of the window; `closing`: the segment ends here."""
        if self.language is not None:
            return self._questioned(probabilities, options, closing)
        evidence = self.evidence.plus(probabilities, seconds(len(self.window)))
        limits = options.language_seconds, options.language_confidence, options.language_limit_seconds
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
        return known if language == self.before else replace(known, context=(), draft=())

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
        return replace(self.asking_again(), window=window, segment=len(window), said=(), draft=(), context=())

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

    def remembering(self, tokens: Sequence[int], most: int) -> State:
        """With `tokens` as the latest context, of which `most` tokens are kept."""
        return replace(self, context=(*self.context, *tokens)[-most:])

    def without_context(self) -> State:
        return replace(self, context=())

    def without_audio(self) -> State:
        """All but the last moments of the window dropped."""
        start = self.window.session_index(max(len(self.window) - samples(UNSPOKEN_SECONDS), 0))
        return replace(self, window=self.window.after(start), draft=(), until=max(self.until, start))
