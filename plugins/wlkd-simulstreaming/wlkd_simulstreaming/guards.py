"""What keeps a stream from running wild: loops, words told twice, text made up over silence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from itertools import pairwise

from wlkd_whisper.alike import alike

LONGEST_LOOP = 24
"""Tokens in the longest n-gram looked for; Whisper's loops repeat a clause at most."""

ECHOED_TOKENS = 3
"""Fewer are a coincidence: "." and " I" stand everywhere."""
RETOLD_TOKENS = 4
RETOLD_FRAMES = 25
"""Half a second: attention wavers by less."""

CROWDED_TOKENS = 3
"""Fewer, said twice, are "no, no"."""
CROWDED_FRAMES = 2
"""For each token: 40 ms. The fastest speakers take twice as long. Tokens that begin inside a character do not count: in
some scripts, every letter is three."""

DOUBT_LOGPROB = 0.45
"""How much better words must be where surely nobody speaks than where surely somebody does. With -1.7 it parted all
hypotheses about the development noise and music from those about accented speech, for base and tiny.en."""


class Guard(StrEnum):
    """What stepped in."""

    LOOP = "loop"
    """The hypothesis was cut where it began to repeat itself."""
    REWIND = "rewind"
    """It was cut where attention jumped far back."""
    RETOLD = "retold"
    """It was cut where it began to tell the same audio once more."""
    ECHO = "echo"
    """It began with the end of the context, and was heard again without."""
    NO_SPEECH = "no_speech"
    """It was made up where nobody speaks."""
    TOLD_AGAIN = "told_again"
    """It began with words that had been committed."""
    FORCED = "forced"
    """A full window was committed in which nothing had settled."""
    HOLE = "hole"
    """Speech was left out before the words to be committed, or behind the end of the text, and was heard by itself."""
    STUCK = "stuck"
    """There was speech without a committed word for too long, and the window or the context was dropped."""


CUT_SHORT = frozenset({Guard.LOOP, Guard.REWIND, Guard.RETOLD})
"""Guards that cut a hypothesis short."""


def loop_start(tokens: Sequence[int], frames: Sequence[int] = (), inside: Collection[int] = frozenset()) -> int | None:
    """Where the tail of `tokens` begins to repeat itself, or None.

    A single token must come six times in a row, a pair four times, and longer n-grams three times: people do say
    "no no no". Where each time has audio of its own, by the `frames` of the tokens, somebody says it that often: in a
    loop, attention stops or goes back. `inside`: see `Vocabulary.inside`. The index returned is that of the first
    repetition, so what is before it holds the n-gram once.
    """
    count = len(tokens)
    for n in range(1, LONGEST_LOOP + 1):
        times = {1: 6, 2: 4}.get(n, 3)
        if n * times > count:
            continue
        unit = list(tokens[count - n :])
        if all(list(tokens[count - n * k : count - n * (k - 1)]) == unit for k in range(2, times + 1)):
            if _moves_on(frames[count - n * times :], n, _least_frames(unit, inside)):
                continue
            start = count - n * times
            while start >= n and list(tokens[start - n : start]) == unit:
                start -= n
            return start + n
    return None


def _moves_on(frames: Sequence[int], n: int, least: int) -> bool:
    """Whether attention gets on by at least so many frames with each `n` of `frames`."""
    reached = [max(frames[start : start + n]) for start in range(0, len(frames), n)]
    return bool(reached) and all(after - before >= least for before, after in pairwise(reached))


def _least_frames(tokens: Sequence[int], inside: Collection[int]) -> int:
    """What somebody who says `tokens` takes at least."""
    return CROWDED_FRAMES * max(_begun(tokens, inside), 1)


def _begun(tokens: Sequence[int], inside: Collection[int]) -> int:
    return sum(token not in inside for token in tokens)


def loops(tokens: Sequence[int]) -> bool:
    """Whether `tokens` begin to repeat themselves anywhere."""
    return any(loop_start(tokens[:end]) is not None for end in range(len(tokens) + 1))


def retelling_start(told: Sequence[int], floor: int, tokens: Sequence[int], frames: Sequence[int]) -> int | None:
    """Where the tail of `tokens` tells audio once more that `told`, the tokens before, or `tokens` told already.

    Both must say so: the last few tokens stood there before, and their `frames` lie behind what was reached, `floor`
    for `told`. A speaker who repeats himself moves on in the audio.
    """
    first = len(tokens) - RETOLD_TOKENS
    if first < 0:
        return None
    reached = max([floor, *frames[:first]]) - RETOLD_FRAMES
    if max(frames[first:]) >= reached:
        return None
    before = [*told, *tokens[:first]]
    run = list(tokens[first:])
    if not any(before[at : at + RETOLD_TOKENS] == run for at in range(len(before) - RETOLD_TOKENS + 1)):
        return None
    while first > 0 and frames[first - 1] < reached:
        first -= 1
    return first


def crowded_start(tokens: Sequence[int], frames: Sequence[int], inside: Collection[int] = frozenset()) -> int | None:
    """Where `tokens` begin to say their last words again with hardly any audio left for it, or None. `inside`: see
    `Vocabulary.inside`.

    At the end of the audio a hypothesis may tell its sentence twice: the second time its `frames` stand on those of the
    first, or crowd behind them. Whoever says it twice takes as long again.
    """
    for count in range(CROWDED_TOKENS, len(tokens) // 2 + 1):
        again, before = tokens[-count:], tokens[-2 * count : -count]
        if list(again) != list(before) or _begun(again, inside) < CROWDED_TOKENS:
            continue
        if max(frames[-count:]) - max(frames[-2 * count : -count]) < _least_frames(again, inside):
            return len(tokens) - count
    return None


def echoes(previous: Sequence[int], tokens: Sequence[int]) -> bool:
    """Whether `tokens` begin with the end of `previous`, the text put before the window: the prompt instead of the
    speech. Speech may do so too, and is then heard again without the prompt."""
    longest = min(len(previous), len(tokens))
    return any(
        list(tokens[:count]) == list(previous[len(previous) - count :]) for count in range(ECHOED_TOKENS, longest + 1)
    )


def told_again(settled: Sequence[str], fresh: Sequence[str], ends: Sequence[int], until: int) -> int:
    """How many of the first `fresh` words repeat the last `settled` ones from audio that was settled before.

    `ends` are the sample indices where the fresh words end; a true repetition ("very, very") ends after `until`,
    the end of the last settled word.
    """
    for count in range(min(len(settled), len(fresh)), 0, -1):
        if ends[count - 1] <= until and alike(settled[-count:], fresh[:count]) == count:
            return count
    return 0


def is_no_speech(probability: float | None, logprobs: Sequence[float], least_logprob: float) -> bool:
    """Whether a hypothesis is made up: the model doubts its words, the more telling the more it doubts that anybody
    speaks. `probability` is that of `<|nospeech|>`, `logprobs` those of the tokens."""
    if probability is None or not logprobs:
        return False
    return sum(logprobs) / len(logprobs) < least_logprob + DOUBT_LOGPROB * probability
