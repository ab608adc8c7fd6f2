"""The result of a run, for people and for machines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wlkd_bench.score import ClipScore
from wlkd_bench.summary import Minute, Rate, Spread, Summary, by_minute, by_set, summarize


class ReportError(Exception):
    """A file is no result of a run, or of another kind; the message names it."""


HEADINGS = (
    "set", "streams", "error % (95 %)", "committed s", "tentative s", "first s", "last s", "stop s", "revised",
    "spurious", "failed", "refused",
)  # fmt: skip

LEGEND = """\
error: of words, or of characters (c) in Chinese, Japanese and Korean. committed, tentative: p50/p95/p99 and
p50/p95 of the seconds from a correct word's end to the update that shows it. first: first sound to first word;
last, stop: end of audio to last word, to ready_to_stop; p50/p95. revised: updates that took back committed text.
spurious: words where nobody speaks."""


def table(scores: Sequence[ClipScore]) -> str:
    """A row for each set and one for all; the minutes of the run when it was longer than two; what failed."""
    sets = by_set(scores)
    rows = [_row(name, summary) for name, summary in sets.items()]
    overall = summarize(scores)
    if len(sets) > 1:
        rows.append(_row("all", overall))
    blocks = [grid(HEADINGS, rows), LEGEND]
    minutes = by_minute(scores)
    if len(minutes) > 2:
        blocks.append(grid(("minute", "committed s", "lag mean s", "lag max s"), [_minute(row) for row in minutes]))
    closing = f"latest piece sent {overall.late:.2f} s behind its time"
    if overall.lag_growth is not None:
        closing += f"; lag grew by {overall.lag_growth:+.3f} s a minute"
    blocks.append(closing)
    failures = [f"{score.clip.set}/{score.clip.id}: {score.failure}" for score in scores if score.failure]
    if failures:
        blocks.append("\n".join(failures))
    return "\n\n".join(blocks)


def accuracy_table(scores: Sequence[ClipScore]) -> str:
    """Error rates alone, for answers that were not streamed."""
    rows = [(name, str(row.streams), _error(row), str(row.spurious_words)) for name, row in by_set(scores).items()]
    overall = summarize(scores)
    if len(rows) > 1:
        rows.append(("all", str(overall.streams), _error(overall), str(overall.spurious_words)))
    return grid(("set", "clips", "error % (95 %)", "spurious"), rows)


def document(scores: Sequence[ClipScore], *, setup: Mapping[str, Any], limits_missed: Sequence[str]) -> dict[str, Any]:
    """Everything as one JSON object: `setup` as given, `summary`, `sets`, `minutes`, `clips`, `limits_missed`."""
    return {
        "setup": dict(setup),
        "summary": asdict(summarize(scores)),
        "sets": {name: asdict(summary) for name, summary in by_set(scores).items()},
        "minutes": [asdict(minute) for minute in by_minute(scores)],
        "clips": [_clip(score) for score in scores],
        "limits_missed": list(limits_missed),
    }


def read_document(path: Path, part: str) -> dict[str, Any]:
    """All that a measurement wrote with `--json`. Raises `ReportError`, also where it lacks the `part`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict) or part not in found:
        raise ReportError(f'{path}: is not what a measurement writes with --json: it lacks "{part}"')
    return found


def new_file(text: str) -> Path:
    """For argparse: where a result shall go. A folder that is missing is told before the measurement, not after it."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path}: there is no folder {path.parent}")
    return path


def _clip(score: ClipScore) -> dict[str, Any]:
    clip = score.clip
    return {
        "set": clip.set,
        "id": clip.id,
        "seconds": clip.seconds,
        "language": clip.language,
        "reference": clip.text,
        "hypothesis": score.hypothesis,
        "unit": score.unit,
        "errors": None if score.errors is None else asdict(score.errors),
        "began": score.began,
        "committed": [latency.seconds for latency in score.committed],
        "tentative": [latency.seconds for latency in score.tentative],
        "first_word": score.first_word,
        "last_word": score.last_word,
        "stop": score.stop,
        "revisions": score.revisions,
        "spurious_words": score.spurious_words,
        "lag": [list(point) for point in score.lag],
        "late": score.late,
        "failure": score.failure,
        "refused": score.refused,
    }


def _row(name: str, summary: Summary) -> list[str]:
    return [
        name,
        str(summary.streams),
        _error(summary),
        _spread(summary.committed, with_p99=True),
        _spread(summary.tentative),
        _spread(summary.first_word),
        _spread(summary.last_word),
        _spread(summary.stop),
        str(summary.revisions),
        str(summary.spurious_words),
        str(summary.failed),
        str(summary.refused),
    ]


def _minute(minute: Minute) -> list[str]:
    lags = ["-" if lag is None else f"{lag:.2f}" for lag in (minute.lag_mean, minute.lag_max)]
    return [str(minute.number), _spread(minute.committed, with_p99=True), *lags]


def _error(summary: Summary) -> str:
    return " ".join(filter(None, (_rate(summary.wer, ""), _rate(summary.cer, "c")))) or "-"


def _rate(rate: Rate | None, mark: str) -> str:
    return "" if rate is None else f"{rate.percent:.1f}{mark} ({rate.low:.1f}-{rate.high:.1f})"


def _spread(spread: Spread | None, *, with_p99: bool = False) -> str:
    if spread is None:
        return "-"
    figures = (spread.p50, spread.p95, spread.p99) if with_p99 else (spread.p50, spread.p95)
    return "/".join(f"{figure:.2f}" for figure in figures)


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))])

    return "\n".join([line(headings), "  ".join("-" * width for width in widths), *map(line, rows)])
