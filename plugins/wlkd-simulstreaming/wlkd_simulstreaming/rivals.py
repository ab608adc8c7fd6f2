"""A second opinion on words that the model doubts, before they are settled.

Greedy decoding takes the likeliest token and never looks back. Where little has been heard, at the beginning of a
stretch above all, that token is often wrong, though the sentence that it leads to is much less likely than the one that
its runner-up leads to: "I'd want to go gave" against "At once the goat gave". So the runner-up of a doubtful token is
followed too before the token is settled, and of both the one stays that makes the next second of speech likelier: a
beam of two, at the few tokens where it matters (docs/experiments.md has the figures).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from wlkd_whisper.alike import plain

from wlkd_simulstreaming.guards import echoes
from wlkd_simulstreaming.hypothesis import Choice, Hypothesis, Request
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.tokens import Vocabulary

DOUBTFUL_LOGPROB = -0.4
"""Less than two thirds: the runner-up may be half as likely."""
VERY_DOUBTFUL_LOGPROB = -1.0
"""A probability of 0.37. Where the model is surer, the runner-up wins once in twenty times; below, once in four."""
REACH_FRAMES = 60
"""How far from the doubtful token the two are compared, 1.2 s: some four words."""
MOST_RIVALS = 3
"""In one step of one stream; each takes a decode."""
CUT_SHORT_FRAMES = 25
"""Half a second: a rival that ends this much earlier leaves a word out."""

Decode = Callable[[Sequence[int], Sequence[Request]], Sequence[Hypothesis]]
"""Decodes requests on these rows of the batch."""
Doubted = Callable[[int, Hypothesis, int], int | None]
"""Where the hypothesis of a row of the batch first deserves a second opinion, from a token on."""


def with_second_opinions(
    requests: Sequence[Request], heard: Sequence[Hypothesis], doubted: Doubted, decode: Decode, metrics: Metrics
) -> list[Hypothesis]:
    """`heard`, with what the runners-up of doubtful tokens lead to where that tells the speech better."""
    best, begin = list(heard), [0] * len(heard)
    # What went wrong or echoes the prompt is another's task.
    rows = [row for row, one in enumerate(best) if not one.went_wrong and not is_echo(requests[row], one)]
    for _ in range(MOST_RIVALS):
        found = {row: doubted(row, best[row], begin[row]) for row in rows}
        doubts = {row: at for row, at in found.items() if at is not None}
        if not doubts:
            break
        rivals = decode(list(doubts), [rival_request(requests[row], best[row], at) for row, at in doubts.items()])
        for (row, at), rival in zip(doubts.items(), rivals, strict=True):
            begin[row] = at + 1
            better = not is_echo(requests[row], rival) and is_better(rival, best[row], at)
            metrics.second_opinions.labels("changed" if better else "kept").inc()
            if better:
                best[row] = rival
    return best


def is_echo(request: Request, heard: Hypothesis) -> bool:
    """Whether `heard` tells the text before the window instead of the speech in it."""
    return not request.told and echoes(request.prefix[: request.sot], heard.tokens)


def is_doubtful(choice: Choice, vocabulary: Vocabulary, limit: float) -> bool:
    """Whether a token deserves a second opinion: its log-probability is below `limit`, and its runner-up makes another
    word, not another spelling, a mark or the end."""
    if choice.logprob >= limit:
        return False
    said, instead = _letters(vocabulary, choice.token), _letters(vocabulary, choice.runner_up[0])
    return bool(said and instead and said != instead)


def rival_request(request: Request, heard: Hypothesis, at: int) -> Request:
    """`request` for a hypothesis that begins like `heard`, but with the runner-up of the token `at`."""
    choice = heard.choices[at]
    token, logprob = choice.runner_up
    instead = Choice(token, logprob, choice.frame, (choice.token, choice.logprob), choice.mark)
    # The sentence may go on as before, and how the text before it is spelled is known.
    return replace(
        request,
        open=(),
        begun=(*heard.choices[:at], instead),
        draft=heard.tokens[at + 1 :][: request.max_tokens - at - 2],
    )


def is_better(rival: Hypothesis, heard: Hypothesis, at: int) -> bool:
    """Whether `rival`, which differs from the token `at` on, tells the next second of speech better than `heard`."""
    if rival.went_wrong or (rival.ended and rival.frames[-1] < heard.frames[-1] - CUT_SHORT_FRAMES):
        return False
    reach = heard.frames[at] + REACH_FRAMES
    return _likelihood(rival, at, reach) > _likelihood(heard, at, reach)


def _likelihood(heard: Hypothesis, at: int, reach: int) -> float:
    """Log-probability of the tokens from `at` to the first that attends to a frame beyond `reach`, or of the end: to
    leave words out has its price too."""
    total = 0.0
    for choice in heard.choices[at:]:
        total += choice.logprob
        if choice.frame > reach:
            return total
    return total + heard.end_logprob


def _letters(vocabulary: Vocabulary, token: int) -> str:
    # Parts of a character differ by their bytes.
    return plain(vocabulary.bytes_of(token).decode(errors="backslashreplace"))
