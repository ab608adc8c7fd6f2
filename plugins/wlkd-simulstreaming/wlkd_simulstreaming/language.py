"""Deciding a stream's language from its first speech."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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

    def settles(self, seconds: float, confidence: float, limit_seconds: float) -> bool:
        """Whether to decide: enough heard and sure enough, or `limit_seconds` heard."""
        if self.seconds >= limit_seconds:
            return True
        return self.seconds >= seconds and self.confidence >= confidence
