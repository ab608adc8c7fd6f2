"""What the backend tells the operator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter

from wlkd_simulstreaming.guards import Guard


class Metrics:
    """Counters of one backend, on the daemon's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.guards = Counter(
            "wlkd_simulstreaming_guards_total",
            f"Times a guard had to step in: {', '.join(Guard)}.",
            ["guard"],
            registry=registry,
        )
        self.second_opinions = Counter(
            "wlkd_simulstreaming_second_opinions_total",
            "Second opinions on doubtful words about to be settled, by outcome: kept, changed.",
            ["outcome"],
            registry=registry,
        )
        self.tokens = Counter(
            "wlkd_simulstreaming_tokens_total", "Tokens decoded, tentative ones included.", registry=registry
        )
        self.seconds = Counter(
            "wlkd_simulstreaming_seconds_total",
            "Time spent on inference, by part: mel, encoder, memory, language, prefill, tokens; uploads.",
            ["part"],
            registry=registry,
        )
        self.encoded_seconds = Counter(
            "wlkd_simulstreaming_encoded_audio_seconds_total",
            "Audio sent through the encoder, padding included.",
            registry=registry,
        )

        # At 0 from the start: a rate over a series that is born at 1 is 0.
        for guard in Guard:
            self.guards.labels(guard)
        for outcome in ("kept", "changed"):
            self.second_opinions.labels(outcome)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the time that the block takes as that of `part`."""
        start = time.perf_counter()
        yield
        self.seconds.labels(part).inc(time.perf_counter() - start)
