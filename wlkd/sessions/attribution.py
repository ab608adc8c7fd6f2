"""Whose words are whose: words that are final wait, in order, until it is settled who spoke, and keep that for good.

A word gets the speaker whose turn it overlaps the longest, else the nearest within half a second, else whoever spoke
last. While nobody is known, that is whoever will be known first. A word that has waited too long, or whose diarizer
failed or gets no time, gets its speaker at once. A word that is spoken over somebody else says over whom. No I/O, no
clock of its own.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from typing import Any

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.types import UNKNOWN_SPEAKER, Commit, Diarization, Turn, Word

NEAR = SAMPLE_RATE // 2
"""A word outside of every turn belongs to the nearest one, if that is so near."""
ALSO = 0.4
"""A word is spoken over somebody who speaks during this share of it. Chosen on conversations (docs/speakers.md)."""
FADING = SAMPLE_RATE // 10
"""What a VAD takes for silence of the last word before a pause. Nobody else speaks there."""
FIRST = 1
"""The number of whoever is known first."""
MAX_TURNS = 100_000
"""Turns remembered while words may still fall into them; at one a half second, fourteen hours."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A commit whose words, or whose remaining words, wait."""

    words: tuple[Word, ...]
    language: str | None
    segment_end: bool
    due: float | None
    """When they wait no longer; None: they wait for the end."""


class Attribution:
    """The speakers of one session. Times are seconds on the caller's clock."""

    def __init__(self, max_wait: float | None, memory: Mapping[str, Any] = {}, known: int = 0) -> None:
        """`max_wait`: seconds that a word waits for its speaker; None: as long as it takes. `memory`: of the session
        that this one goes on. `known`: speakers who have their numbers from the beginning."""
        self._max_wait = max_wait
        self._queue: deque[_Waiting] = deque()
        self._turns: deque[Turn] = deque(maxlen=MAX_TURNS)
        self._beside: deque[Turn] = deque(maxlen=MAX_TURNS)
        """Of speakers over whom somebody else speaks."""
        self._settled = 0
        self._failed = False
        self._numbers: dict[int, int] = dict(memory.get("numbers", [(one, one) for one in range(FIRST, known + FIRST)]))
        """The number that clients get for each of the diarizer's: in the order of first words, not of first sounds."""
        self._last: int = memory.get("last", UNKNOWN_SPEAKER)
        self.late = False
        """The diarizer is so late that nobody waits for it, for now."""
        self.guessed = 0
        """Words that got a speaker before it was settled."""

    @property
    def memory(self) -> Mapping[str, Any]:
        """What another session needs in order to tell the same numbers."""
        return {"numbers": list(self._numbers.items()), "last": self._last}

    @property
    def waiting(self) -> tuple[Word, ...]:
        """Words without a speaker, in order."""
        return tuple(chain.from_iterable(commit.words for commit in self._queue))

    @property
    def waits_from(self) -> int | None:
        """Sample index where the first of them began; None: none waits."""
        return next((commit.words[0].start for commit in self._queue if commit.words), None)

    @property
    def due(self) -> float | None:
        """When the first of them waits no longer; None: nothing waits, or it waits for the end."""
        return self._queue[0].due if self._queue else None

    def add(self, commit: Commit, now: float) -> None:
        """The words of `commit` are final, and wait from `now` on; its language and its end come behind them."""
        if commit.words or commit.segment_end or commit.language:
            due = None if self._max_wait is None else now + self._max_wait
            self._queue.append(_Waiting(commit.words, commit.language, commit.segment_end, due))

    def told(self, diarization: Diarization) -> None:
        """The diarizer has made up its mind."""
        self._turns.extend(turn for turn in diarization.turns if not turn.beside)
        self._beside.extend(turn for turn in diarization.turns if turn.beside)
        self._settled = max(self._settled, diarization.settled)

    def fail(self) -> None:
        """Nothing more will be told: from now on nobody waits."""
        self._failed = True

    def take(self, now: float) -> Iterator[Commit]:
        """The words that need not wait any longer, with their speakers, in their language."""
        while self._queue:
            first = self._queue.popleft()
            late = self._failed or self.late or (first.due is not None and first.due <= now)
            settled = self._settled_words(first)
            ready = len(first.words) if late else settled
            self.guessed += ready - settled
            words = tuple(self._attributed(word) for word in first.words[:ready])
            left = first.words[ready:]
            if left:
                self._queue.appendleft(replace(first, words=left))
            if words or not left:
                yield Commit(words, language=first.language, segment_end=first.segment_end and not left)
            if left:
                return

    def _settled_words(self, first: _Waiting) -> int:
        """How many of the words of `first`, which stood first in the queue, have a settled speaker."""
        is_before_pause = first.segment_end or any(later.segment_end for later in self._queue)
        return sum(1 for _ in _before(first.words, self._settled + (FADING if is_before_pause else 0)))

    def _attributed(self, word: Word) -> Word:
        turn = self._turn(word)
        if turn is not None:
            self._last = self._numbers.setdefault(turn.speaker, len(self._numbers) + FIRST)
        speaker = self._last if self._numbers or self._failed else FIRST
        return replace(
            word,
            speaker=speaker,
            speaker_confidence=turn.confidence if turn else None,
            also_speaker=self._also(word, speaker),
        )

    def _also(self, word: Word, speaker: int) -> int | None:
        """Whoever else speaks during `ALSO` of `word`. Nobody gets his number by that: it may have been a noise."""
        _forget(self._beside, word)
        spoken: dict[int, int] = defaultdict(int)
        for turn in self._beside:
            if turn.start >= word.end:
                break
            spoken[self._numbers.get(turn.speaker, speaker)] += max(_overlap(turn, word), 0)
        spoken.pop(speaker, None)
        most = max(spoken, key=spoken.__getitem__, default=speaker)
        return most if spoken[most] > ALSO * (word.end - word.start) else None

    def _turn(self, word: Word) -> Turn | None:
        """The turn that `word` belongs to. That of one speaker may come in several."""
        _forget(self._turns, word)
        near = [
            turn
            for turn in takewhile(lambda turn: turn.start <= word.end + NEAR, self._turns)
            if _overlap(turn, word) >= -NEAR
        ]
        spoken: dict[int, int] = defaultdict(int)
        for turn in near:
            spoken[turn.speaker] += max(_overlap(turn, word), 0)
        return max(near, key=lambda turn: (spoken[turn.speaker], _overlap(turn, word)), default=None)


def _forget(turns: deque[Turn], word: Word) -> None:
    """Words come in order: no later one belongs to a turn that is long over before `word`."""
    while turns and turns[0].end < word.start - 2 * NEAR:
        turns.popleft()


def _overlap(turn: Turn, word: Word) -> int:
    """What they have in common; less than nothing is the distance."""
    return min(turn.end, word.end) - max(turn.start, word.start)


def _before(words: tuple[Word, ...], settled: int) -> Iterator[Word]:
    """The first of `words`, up to the one that ends after `settled`."""
    for word in words:
        if word.end > settled:
            return
        yield word
