"""A second opinion on words that the model doubts, before they are settled.

Greedy decoding takes the likeliest token and never looks back. Where little has been heard, at the beginning of a
stretch above all, that token is often wrong, though the sentence that it leads to is much less likely than the one that
its runner-up leads to: "I'd want to go gave" against "At once the goat gave". So the runner-up of a doubtful token is
followed too before anybody is told, and of both the one stays that makes the next second of speech likelier: a beam of
two, at the few tokens where it matters.
"""

from __future__ import annotations

from dataclasses import replace

from wlkd_simulstreaming.hypothesis import Hypothesis, Request
from wlkd_simulstreaming.tokens import Vocabulary

DOUBTFUL_LOGPROB = -0.4
"""Less than two thirds: the runner-up may be half as likely."""
REACH_FRAMES = 60
"""How far from the doubtful token the two are compared, 1.2 s: some four words."""
MOST_RIVALS = 3
"""In one step of one stream; each takes a decode."""


def is_doubtful(heard: Hypothesis, at: int, vocabulary: Vocabulary) -> bool:
    """Whether the token `at` deserves a second opinion: the model doubts it, and its runner-up makes another word, not
    another spelling, a mark or the end."""
    if heard.logprobs[at] >= DOUBTFUL_LOGPROB:
        return False
    said, instead = _letters(vocabulary, heard.tokens[at]), _letters(vocabulary, heard.runners_up[at][0])
    return bool(said and instead and said != instead)


def rival_request(request: Request, heard: Hypothesis, at: int) -> Request:
    """`request` with all that `heard` says before the token `at`, and the runner-up of that, as far as the two are
    compared, or to the end where no more audio is to come."""
    taken = (*heard.tokens[:at], heard.runners_up[at][0])
    reach = heard.frames[at] + REACH_FRAMES
    return replace(
        request,
        prefix=(*request.prefix, *taken),
        # The sentence may go on as before.
        draft=heard.tokens[at + 1 :],
        told=request.told + len(taken),
        floor=heard.frames[at],
        last_frame=None if request.last_frame is None else min(request.last_frame, reach + 1),
        max_tokens=max(request.max_tokens - at - 1, len(heard.tokens) - at),
    )


def winner(heard: Hypothesis, at: int, rival: Hypothesis) -> Hypothesis:
    """The likelier of `heard` and what `rival` makes of it from the runner-up of its token `at` on."""
    token, logprob = heard.runners_up[at]
    challenger = replace(
        heard,
        tokens=(*heard.tokens[:at], token, *rival.tokens),
        frames=(*heard.frames[: at + 1], *rival.frames),
        logprobs=(*heard.logprobs[:at], logprob, *rival.logprobs),
        runners_up=(*heard.runners_up[:at], (heard.tokens[at], heard.logprobs[at]), *rival.runners_up),
        ended=rival.ended,
        end_logprob=rival.end_logprob,
    )
    reach = heard.frames[at] + REACH_FRAMES
    won = _likelihood(challenger, at, reach) > _likelihood(heard, at, reach)
    return challenger if won and not rival.went_wrong else heard


def _likelihood(heard: Hypothesis, at: int, reach: int) -> float:
    """Log-probability of the tokens from `at` to the first that attends to a frame beyond `reach`, or of the end: to
    leave words out has its price too."""
    total = 0.0
    for frame, logprob in zip(heard.frames[at:], heard.logprobs[at:], strict=True):
        total += logprob
        if frame > reach:
            return total
    return total + heard.end_logprob


def _letters(vocabulary: Vocabulary, token: int) -> str:
    # Parts of a character differ by their bytes.
    text = vocabulary.bytes_of(token).decode(errors="backslashreplace").casefold()
    return "".join(sign for sign in text if sign.isalnum())
