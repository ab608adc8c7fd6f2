"""Compares what one stream brought with what was said."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wlkd_bench.align import first_seen
from wlkd_bench.clips import Clip
from wlkd_bench.stream import Event, Recording
from wlkd_bench.text import Unit, unit_of, units, units_piecewise


@dataclass(frozen=True, slots=True)
class Errors:
    """The edits between a reference of `units` words or characters and a hypothesis."""

    units: int
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def total(self) -> int:
        return self.substitutions + self.deletions + self.insertions


@dataclass(frozen=True, slots=True)
class Latency:
    """One correct word: how long after its end it was shown."""

    spoken_at: float
    """The word's end, in seconds after the start of the run."""
    seconds: float


@dataclass(frozen=True, slots=True)
class ClipScore:
    """What is to be said about one stream. Failed streams have no `errors` and no latencies."""

    clip: Clip
    began: float
    unit: Unit
    hypothesis: str = ""
    errors: Errors | None = None
    """None where the clip has no speech, or the stream failed."""
    committed: tuple[Latency, ...] = ()
    tentative: tuple[Latency, ...] = ()
    """Words as first seen anywhere, committed or in the tail."""
    first_word: float | None = None
    """Seconds from the first sound to the first committed word."""
    last_word: float | None = None
    """Seconds from the end of the audio to the last change of the committed text; may be negative."""
    stop: float | None = None
    """Seconds from the end of the audio to `ready_to_stop`."""
    revisions: int = 0
    """Updates whose committed text does not begin with the one before it."""
    spurious_words: int = 0
    """Words on a clip without speech."""
    lag: tuple[tuple[float, float], ...] = ()
    """(seconds after the start of the run, lag in seconds) of every update."""
    late: float = 0.0
    failure: str | None = None
    refused: bool = False


def compare(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[Errors, list[tuple[int, int]]]:
    """The edits between two lists of units, and the (reference, hypothesis) places that agree."""
    import jiwer

    if not reference:
        return Errors(0, insertions=len(hypothesis)), []
    result = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    agree = [
        (chunk.ref_start_idx + step, chunk.hyp_start_idx + step)
        for chunk in result.alignments[0]
        if chunk.type == "equal"
        for step in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]
    return Errors(len(reference), result.substitutions, result.deletions, result.insertions), agree


def score(recording: Recording, *, fold: bool = False) -> ClipScore:
    """Score one recording; `fold` compares without diacritics."""
    clip, events = recording.clip, recording.events
    unit = unit_of(clip.language)
    hypothesis = events[-1].committed if events else ""
    lag = tuple((recording.began + event.at, event.lag) for event in events)
    if recording.failure is not None:
        return ClipScore(
            clip,
            recording.began,
            unit,
            hypothesis,
            revisions=revisions(events),
            lag=lag,
            late=recording.late,
            failure=recording.failure,
            refused=recording.refused,
        )

    reference, said = (units(text, clip.language, fold=fold) for text in (clip.text, hypothesis))
    errors, _ = compare(reference, said)
    timed = clip.is_speech and len(clip.word_ends) == len(reference)
    changes = [event.at for before, event in zip([None, *events], events, strict=False) if _grew(before, event)]
    audio_end = recording.audio_end or 0.0
    return ClipScore(
        clip,
        recording.began,
        unit,
        hypothesis,
        errors=errors if clip.is_speech else None,
        committed=_latencies(recording, reference, (event.committed for event in events), fold) if timed else (),
        tentative=_latencies(recording, reference, (event.shown for event in events), fold) if timed else (),
        first_word=changes[0] if changes else None,
        last_word=changes[-1] - audio_end if changes else None,
        stop=None if recording.stopped is None else recording.stopped - audio_end,
        revisions=revisions(events),
        spurious_words=0 if clip.is_speech else len(said),
        lag=lag,
        late=recording.late,
    )


def revisions(events: Sequence[Event]) -> int:
    """How many updates took back committed text. White space does not count: servers differ in it."""
    texts = ("".join(event.committed.split()) for event in events)
    return sum(not after.startswith(before) for before, after in itertools.pairwise(texts))


def _grew(before: Event | None, event: Event) -> bool:
    old = "" if before is None else before.committed
    return event.committed.strip() != old.strip()


def _latencies(recording: Recording, reference: Sequence[str], texts: Iterable[str], fold: bool) -> tuple[Latency, ...]:
    """Latency of every correct word; `texts` are what each event shows."""
    clip, events = recording.clip, recording.events
    if not events:
        return ()
    final = units_piecewise(events[-1].committed, clip.language, fold=fold)
    seen = first_seen((units_piecewise(text, clip.language, fold=fold) for text in texts), final)
    _, agree = compare(reference, final)
    latencies = []
    for spoken, heard in agree:
        event = seen[heard]
        if event is not None:
            end = clip.word_ends[spoken] / recording.pace
            latencies.append(Latency(recording.began + end, events[event].at - end))
    return tuple(latencies)
