"""What a run must not exceed, as options of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wlkd_bench.summary import Rate, Spread, Summary


@dataclass(frozen=True, slots=True)
class Limit:
    """One figure that can be limited. `read` returns None where the run could not measure it."""

    option: str
    unit: str
    help: str
    read: Callable[[Summary], float | None]
    default: float | None = None

    @property
    def name(self) -> str:
        """The attribute of the parsed arguments."""
        return self.option.replace("-", "_")


def _percent(rate: Rate | None) -> float | None:
    return None if rate is None else rate.percent


def _p50(spread: Spread | None) -> float | None:
    return None if spread is None else spread.p50


def _p95(spread: Spread | None) -> float | None:
    return None if spread is None else spread.p95


LIMITS = (
    Limit("max-wer", "%", "word error rate", lambda run: _percent(run.wer)),
    Limit("max-cer", "%", "character error rate (zh, yue, ja, ko)", lambda run: _percent(run.cer)),
    Limit("max-p50-latency", "s", "committed-word latency, median", lambda run: _p50(run.committed)),
    Limit("max-p95-latency", "s", "committed-word latency, 95th percentile", lambda run: _p95(run.committed)),
    Limit("max-p50-tentative", "s", "tentative-word latency, median", lambda run: _p50(run.tentative)),
    Limit("max-p95-tentative", "s", "tentative-word latency, 95th percentile", lambda run: _p95(run.tentative)),
    Limit("max-p95-first-word", "s", "first sound to first word, 95th percentile", lambda run: _p95(run.first_word)),
    Limit("max-p95-last-word", "s", "end of audio to last word, 95th percentile", lambda run: _p95(run.last_word)),
    Limit("max-p95-stop", "s", "end of audio to ready_to_stop, 95th percentile", lambda run: _p95(run.stop)),
    Limit("max-lag-growth", "s/min", "growth of the lag over the run", lambda run: run.lag_growth),
    Limit("max-revisions", "", "updates that took back committed text", lambda run: run.revisions),
    Limit("max-nospeech-words", "", "words on clips without speech", lambda run: run.spurious_words),
    Limit("max-refused", "", "streams refused by a full server", lambda run: run.refused),
    Limit("max-failed", "", "streams that failed (default: 0)", lambda run: run.failed, default=0),
)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """One option for each limit."""
    group = parser.add_argument_group("limits", "exit with status 1, naming each one that is missed")
    for limit in LIMITS:
        metavar = limit.unit.upper() or "N"
        group.add_argument(
            f"--{limit.option}", type=float, default=limit.default, metavar=metavar.replace("%", "PERCENT"),
            help=limit.help.replace("%", "%%"),
        )  # fmt: skip


def missed(summary: Summary, given: Mapping[str, float | None]) -> list[str]:
    """One sentence for each limit that the run exceeds, or that it was unable to measure."""
    sentences = []
    for limit in LIMITS:
        bound = given.get(limit.name)
        if bound is None:
            continue
        value = limit.read(summary)
        unit = f" {limit.unit}" if limit.unit else ""
        if value is None:
            sentences.append(f"--{limit.option} {bound:g}{unit}: nothing to measure it on")
        elif value > bound:
            sentences.append(f"--{limit.option} {bound:g}{unit}: it was {value:.4g}{unit}")
    return sentences
