"""What the troubles of a run cost, told by comparing it with an undisturbed one of the same speech."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wlkd_bench.fleet_proof.people import Heard
from wlkd_bench.fleet_proof.troubles import Trouble
from wlkd_bench.report import grid
from wlkd_bench.summary import interval
from wlkd_bench.text import units

WITHIN_SECONDS = 6.0
"""A gap that begins so long after a trouble is put down to it: a drain waits for a pause, 5 s at most."""


@dataclass(frozen=True)
class Run:
    """Everybody's part of one run."""

    name: str
    began: float
    """The first person's first sound, of the monotonic clock."""
    seconds: float
    """Of each person's speech."""
    heard: Sequence[Heard]
    troubles: Sequence[Trouble]
    taken: Sequence[Mapping[str, int]]
    """Once a second, the streams of each machine that answered."""


@dataclass(frozen=True)
class Edits:
    """Between the words of an undisturbed stream and those of another one."""

    words: int
    lost: int
    added: int
    changed: int
    hole: int
    """The most words lost in a row."""

    @property
    def total(self) -> int:
        return self.lost + self.added + self.changed


def edits(undisturbed: Sequence[str], said: Sequence[str]) -> Edits:
    import jiwer

    if not undisturbed:
        return Edits(0, 0, len(said), 0, 0)
    result = jiwer.process_words(" ".join(undisturbed), " ".join(said))
    holes = (chunk.ref_end_idx - chunk.ref_start_idx for chunk in result.alignments[0] if chunk.type == "delete")
    return Edits(len(undisturbed), result.deletions, result.insertions, result.substitutions, max(holes, default=0))


def words(heard: Heard) -> list[str]:
    """Everything that somebody was told, over however many streams."""
    return units(" ".join(heard.texts), "en")


def gaps(heard: Heard) -> list[tuple[float, float]]:
    """From words to the next words."""
    return list(itertools.pairwise(heard.grew))


def longest(everybody: Sequence[Heard]) -> float:
    return max((end - begin for heard in everybody for begin, end in gaps(heard)), default=0.0)


def resumable(undisturbed: Run, runs: Sequence[Run], resumes: Mapping[str, bool]) -> str:
    """A row for each run: what those who can resume were told, against the undisturbed run."""
    before = {heard.name: words(heard) for heard in undisturbed.heard}
    heads = ["clients that resume", "streams", "words", "lost", "in a row", "added", "changed", "% (95 %)", "revised"]
    rows = [_resumable(run.name, before, _those(run, resumes, True)) for run in runs]
    quiet = longest(_those(undisturbed, resumes, True))
    return f"{grid([*heads, 'resumed', 'anew', 'longest gap s'], rows)}\nundisturbed, the longest gap is {quiet:.1f} s"


def _resumable(name: str, before: Mapping[str, Sequence[str]], those: Sequence[Heard]) -> list[str]:
    each = [edits(before[heard.name], words(heard)) for heard in those]
    said = [text for heard in those for _, text in heard.said]
    return [
        name,
        str(len(those)),
        str(sum(one.words for one in each)),
        str(sum(one.lost for one in each)),
        str(max((one.hole for one in each), default=0)),
        str(sum(one.added for one in each)),
        str(sum(one.changed for one in each)),
        rate(those, each),
        str(sum(heard.revised for heard in those)),
        str(sum(text.startswith("connected again") for text in said)),
        str(sum("beginning anew" in text for text in said)),
        f"{longest(those):.1f}",
    ]


def plain(undisturbed: Run, runs: Sequence[Run], resumes: Mapping[str, bool]) -> str:
    """A row for each run: what the others lost, by the number of their words, and what they were told."""
    before = {heard.name: len(words(heard)) for heard in undisturbed.heard}
    rows = []
    for run in runs:
        those = _those(run, resumes, False)
        fewer = sum(max(before[heard.name] - len(words(heard)), 0) for heard in those)
        again = sum(len(heard.texts) - 1 for heard in those)
        total = sum(before[heard.name] for heard in those)
        rows.append([run.name, str(len(those)), str(total), str(fewer), str(again), f"{longest(those):.1f}"])
    count = Counter(text for run in runs for heard in _those(run, resumes, False) for _, text in heard.said)
    heads = ["plain clients", "streams", "words", "fewer than undisturbed", "began again", "longest gap s"]
    told = grid(["they were told", "times"], [[text, str(times)] for text, times in count.most_common()])
    return f"{grid(heads, rows)}\n\n{told}"


def _those(run: Run, resumes: Mapping[str, bool], resumable: bool) -> list[Heard]:
    return [heard for heard in run.heard if resumes[heard.name] is resumable]


def rate(those: Sequence[Heard], each: Sequence[Edits]) -> str:
    """Differences in a hundred words, with the interval from drawing streams again."""
    totals, sizes = (np.array(column) for column in ([one.total for one in each], [one.words for one in each]))
    low, high = interval([("", heard.name) for heard in those], totals, sizes)
    return f"{100 * totals.sum() / sizes.sum():.2f} ({low:.2f}-{high:.2f})"


def causes(run: Run, resumes: Mapping[str, bool]) -> str:
    """The longest gap of a resumable client near each trouble."""
    those = _those(run, resumes, True)
    rows = []
    for trouble in run.troubles:
        at = run.began + trouble.at
        near = [
            end - begin for heard in those for begin, end in gaps(heard) if at <= end and begin <= at + WITHIN_SECONDS
        ]
        rows.append([str(trouble), f"{max(near, default=0.0):.1f}"])
    return grid([f"{run.name}: what happened", "longest gap s"], rows)


def evenness(run: Run, places: Mapping[str, int]) -> str:
    """How full each machine was, before the first trouble and on the average of the seconds in which it answered."""
    first = min((trouble.at for trouble in run.troubles), default=len(run.taken))
    rows = []
    for name, count in places.items():
        taken = [(second, sample[name]) for second, sample in enumerate(run.taken) if name in sample]
        calm = [streams for second, streams in taken if second < first]
        # Whoever began first ends first: until then everybody speaks.
        whole = [streams for second, streams in taken if second < run.seconds - 1]
        shares = (calm[-1:], whole, whole[-1:])
        rows.append([name, str(count), *(f"{np.mean(part) / count:.0%}" if part else "-" for part in shares)])
    return grid([f"{run.name}: machine", "places", "taken before", "on the average", "at the end"], rows)


def accuracy(runs: Sequence[Run], references: Mapping[str, Sequence[str]]) -> str:
    """Error rates of real speech, everybody's who could resume or was not cut off."""
    rows = []
    for run in runs:
        whole = [heard for heard in run.heard if len(heard.texts) == 1]
        each = [edits(references[heard.name], words(heard)) for heard in whole]
        rows.append([run.name, str(len(whole)), rate(whole, each)])
    return grid(["against what was said", "streams", "error % (95 %)"], rows)


def broken(undisturbed: Run, runs: Sequence[Run], resumes: Mapping[str, bool], *, exact: bool) -> bool:
    """Whether a resumable client was told anything else than in the undisturbed run (`exact`), or text was revised."""
    before = {heard.name: words(heard) for heard in undisturbed.heard}
    those = [heard for run in runs for heard in _those(run, resumes, True)]
    return any(heard.revised for heard in those) or (exact and any(before[each.name] != words(each) for each in those))
