"""Keeps K streams going until the clips, or the time, are used up."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from wlkd_bench.clips import Clip
from wlkd_bench.pieces import Piece
from wlkd_bench.stream import Recording, Target, stream_clip

STAGGER_SECONDS = 1.0
"""The first streams start spread over this time: people do not begin to speak in unison."""


def _ignore(seconds: float) -> None:
    """Progress that nobody watches."""


async def run(
    target: Target,
    clips: Sequence[Clip],
    pieces: Mapping[Clip, Sequence[Piece]],
    *,
    streams: int = 1,
    duration: float | None = None,
    on_sent: Callable[[float], None] = _ignore,
    clock: Callable[[], float] = time.monotonic,
) -> list[Recording]:
    """Stream every clip once, `streams` at a time; with `duration`, again and again for this number of seconds.

    No clip is begun after `duration`; those under way are finished. With `duration`, a stream that failed before any
    update came ends its lane. `clock`: seconds. Returns the recordings in the order in which they began.
    """
    began = asyncio.get_running_loop().time()
    latest = None if duration is None else clock() + duration
    queue: Iterator[Clip] = iter(clips) if duration is None else itertools.cycle(clips)
    recordings: list[Recording] = []

    async def lane(number: int) -> None:
        await asyncio.sleep(number * STAGGER_SECONDS / streams)
        for clip in queue:
            if latest is not None and clock() >= latest:
                return
            recording = await stream_clip(target, clip, pieces[clip], run_began=began, on_sent=on_sent)
            recordings.append(recording)
            if recording.failure is not None and not recording.events and duration is not None:
                # A person who is turned away, or finds nobody, leaves: knocking on would measure the knocking.
                return

    async with asyncio.TaskGroup() as lanes:
        for number in range(streams):
            lanes.create_task(lane(number))
    return sorted(recordings, key=lambda recording: recording.began)
