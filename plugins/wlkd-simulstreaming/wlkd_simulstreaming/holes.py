"""Holes: speech that the model leaves out of its text, and what is said in it.

Where two people speak at once, and now and then behind the end of a sentence, Whisper says that its text is over though
speech goes on, or begins its text with later words (docs/experiments.md has the figures).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wlkd_simulstreaming.guards import Guard
from wlkd_simulstreaming.settling import Heard, made_up, read
from wlkd_simulstreaming.timing import FRAME_SAMPLES

HOLE_FRAMES = 150
"""Three seconds. At most half of them are the silence of a pause, which is longer only between two windows."""


@dataclass(frozen=True)
class Hole:
    """Speech that a hypothesis has no word for."""

    tokens: int
    """Of the hypothesis, before it."""
    frame: int
    """Of the window, where it begins."""


def hole(heard: Heard) -> Hole | None:
    """The long stretch of speech that has no word though it is about to be over: before words that `conclude` would
    commit, or behind the end of the text. None: there is none; where there is no word at all, the window may be
    noise."""
    state, hypothesis = heard.step.state, heard.hypothesis
    if state.held:
        return None
    is_made_up = made_up(heard.step, hypothesis)
    frames = () if is_made_up else hypothesis.frames
    floor = state.window.offset(state.last_end) // FRAME_SAMPLES
    # At a pause it is the last time that anything is heard.
    tried = state.reheard if heard.step.end is None else 0
    reached = max(floor, state.window.offset(tried) // FRAME_SAMPLES)
    over = (hypothesis.ended or is_made_up) and bool(state.said or frames)
    if over and state.content - max([reached, *frames]) >= HOLE_FRAMES:
        return Hole(len(frames), max([floor, *frames]) + 1)
    for place, frame in enumerate(frames):
        if frame - reached >= HOLE_FRAMES:
            settled = read(heard).settled
            is_settled = bool(settled) and place < settled[-1].stop
            return Hole(place, max([floor, *frames[:place]]) + 1) if is_settled else None
        reached = max(reached, frame)
    return None


def filled(heard: Heard, gap: Hole, rest: Heard) -> Heard | None:
    """`heard` with what the speech from `gap` on was taken for by itself, `rest`; None if that does not tell more."""
    if Guard.LOOP in rest.hypothesis.guards or made_up(rest.step, rest.hypothesis):
        return None
    later = (choice._replace(frame=choice.frame + gap.frame) for choice in rest.hypothesis.choices)
    whole = replace(
        rest.hypothesis,
        choices=(*heard.hypothesis.choices[: gap.tokens], *later),
        no_speech=heard.hypothesis.no_speech if gap.tokens else rest.hypothesis.no_speech,
    )
    better = replace(heard, hypothesis=whole)
    more, before = read(better), read(heard)
    # A hole may be left behind these words too: the next step hears what is in it.
    tells_more = len(more.settled) + len(more.rest) > len(before.settled) + len(before.rest)
    return better if tells_more else None
