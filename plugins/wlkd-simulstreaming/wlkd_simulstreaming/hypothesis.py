"""What a stream asks of the token decoder, and what it hears back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from wlkd_simulstreaming.guards import CUT_SHORT, Guard


class Choice(NamedTuple):
    """What the model says in one place."""

    token: int
    logprob: float
    frame: int
    """The one it attends to."""
    runner_up: tuple[int, float]
    """The second likeliest token, and its log-probability."""
    mark: float
    """Log-probability that a mark comes here (`Vocabulary.marks`), and the word before goes on."""


@dataclass(frozen=True)
class Request:
    """What one stream wants decoded."""

    prefix: tuple[int, ...]
    """Context, start sequence, and tokens committed inside the window."""
    draft: tuple[int, ...]
    """A guess of what follows."""
    told: int
    """How many tokens at the end of `prefix` are committed text of the window. Without any, blanks may not open the
    text, and silence is asked for."""
    floor: int
    """The frame that the committed text reaches."""
    sot: int
    """Index of `<|startoftranscript|>` in `prefix`."""
    last_frame: int | None
    """A token that attends to it, or beyond, is the last that can have been heard; None: the audio is complete, decode
    to the end of the text."""
    max_tokens: int
    open: tuple[int, ...] = ()
    """Which of the `told` tokens, by index, the model may yet spell otherwise."""
    begun: tuple[Choice, ...] = ()
    """What the hypothesis begins with, whatever the model would say."""

    @property
    def first_told(self) -> int:
        """Index in `prefix` of the first of the `told` tokens."""
        return len(self.prefix) - self.told


@dataclass(frozen=True)
class Hypothesis:
    """What the decoder says after a request's prefix."""

    choices: tuple[Choice, ...] = ()
    ended: bool = False
    """The model ended the text."""
    end_logprob: float = 0.0
    """Log-probability of that end."""
    guards: frozenset[Guard] = frozenset()
    """What stepped in while it was decoded."""
    instead: Mapping[int, int] = field(default_factory=dict)
    """The token that the model would say by now in place of one of the request's `open` ones, where that is another."""
    no_speech: float | None = None
    """Probability of `<|nospeech|>`; None where the window held committed text."""

    @cached_property
    def tokens(self) -> tuple[int, ...]:
        return tuple(choice.token for choice in self.choices)

    @cached_property
    def frames(self) -> tuple[int, ...]:
        """The frame each token attends to."""
        return tuple(choice.frame for choice in self.choices)

    @cached_property
    def logprobs(self) -> tuple[float, ...]:
        return tuple(choice.logprob for choice in self.choices)

    @property
    def went_wrong(self) -> bool:
        """A guard cut it short."""
        return bool(self.guards & CUT_SHORT)
