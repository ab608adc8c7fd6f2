"""Draws error against latency: a point for each run's JSON, of `wlkd bench` or `wlkd_bench.simulate`.

  pip install matplotlib
  python -m wlkd_bench.curve --out docs/curve.svg '15, 50=a.json' '5, 25=b.json'

Errors are those of the words of all English clips in a run; give runs over the same clips.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wlkd_bench.mistakes import told_plainly
from wlkd_bench.report import new_file, read_document


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=new_file, required=True)
    parser.add_argument("--offline", type=float, metavar="PERCENT", help="the error to compare with, as a line")
    parser.add_argument("runs", nargs="+", metavar="LABEL=FILE")
    return parser.parse_args()


def read(run: str) -> tuple[str, dict[str, Any]]:
    """The label of a run and its summary."""
    label, _, path = run.rpartition("=")
    summary: dict[str, Any] = read_document(Path(path), "summary")["summary"]
    return label, summary


def main() -> None:
    args = arguments()
    with told_plainly():
        runs = [read(run) for run in args.runs]
    # Not among what the measurements need: only this one draws.
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # The same runs give the same file, byte for byte.
    pyplot.rcParams["svg.hashsalt"] = "wlkd"
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True)
    for panel, quantile in zip(panels, ("p50", "p95"), strict=True):
        for label, summary in runs:
            point = summary["committed"][quantile], summary["wer"]["percent"]
            panel.plot(*point, "o")
            panel.annotate(label, point, textcoords="offset points", xytext=(6, 4), fontsize=8)
        if args.offline is not None:
            panel.axhline(args.offline, linestyle="--", linewidth=1, color="grey")
        panel.set_xlabel(f"committed words, {quantile} of seconds after the word's end")
        panel.margins(x=0.25, y=0.15)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("word error rate, %")
    figure.tight_layout()
    figure.savefig(args.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
