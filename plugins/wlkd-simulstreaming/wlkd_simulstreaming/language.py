"""Deciding a stream's language from its first speech.

Where the model's guess leaves doubt, the languages that it likes best are tried: the right one gives the text that the
model finds likeliest. Accented speech is often taken for the speaker's first language, whose words then make no sense.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TRIED_LANGUAGES = 3
TEXT_WEIGHT = 4.0
"""Each text counts as if it were so many tokens long: counted in full, the shorter one would win and the guess would
say nothing. Chosen on the development speech; half as much again is nearly as good."""


def tried(probabilities: Mapping[str, float], texts: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Language `probabilities` in the light of what each language makes of the speech: `texts` holds the
    log-probabilities of the tokens. Languages that were not tried are out."""
    weights = {
        code: probabilities[code] * math.exp(TEXT_WEIGHT * sum(logprobs) / len(logprobs))
        for code, logprobs in texts.items()
        if logprobs
    }
    total = sum(weights.values())
    # No language has any words for it: nothing was learnt.
    return {code: weights.get(code, 0.0) / total for code in probabilities} if total else dict(probabilities)


LEAST_TO_STAY_SECONDS, LEAST_TO_STAY = 1.0, 0.5
"""A segment is in the language of the one before when that much of it sounds like it, at this probability."""


@dataclass(frozen=True)
class Evidence:
    """Language probabilities of the stretches of speech so far, weighted by their length."""

    weights: Mapping[str, float] = field(default_factory=dict)
    """Seconds of speech times probability, by language."""
    seconds: float = 0.0

    def plus(self, probabilities: Mapping[str, float], seconds: float) -> Evidence:
        """With another stretch of `seconds`."""
        weights = {
            code: self.weights.get(code, 0.0) + probability * seconds for code, probability in probabilities.items()
        }
        return Evidence(weights, self.seconds + seconds)

    @property
    def best(self) -> str:
        return max(self.weights, key=lambda code: self.weights[code])

    @property
    def confidence(self) -> float:
        """Probability of `best`, 0 to 1."""
        return self.weights[self.best] / self.seconds

    def of(self, code: str) -> float:
        """Probability of the language `code`, 0 to 1."""
        return self.weights.get(code, 0.0) / self.seconds

    def after(self, before: str, seconds: float, confidence: float, limit_seconds: float) -> str | None:
        """The language of a segment whose predecessor was in the language `before`; None: too little was heard.

        A wrong change costs more than a late one, so it takes as much evidence as the session's first decision, and
        there is none at the limit where that is missing."""
        if self.seconds >= seconds and self.best != before and self.confidence >= confidence:
            return self.best
        stays = self.seconds >= LEAST_TO_STAY_SECONDS and self.of(before) >= LEAST_TO_STAY
        return before if stays or self.seconds >= limit_seconds else None

    def settles(self, seconds: float, confidence: float, limit_seconds: float) -> bool:
        """Whether to decide: enough heard and sure enough, or `limit_seconds` heard."""
        if self.seconds >= limit_seconds:
            return True
        return self.seconds >= seconds and self.confidence >= confidence
