"""Diarizer `campplus`: CAM++ voices, one rule for live streams and one for whole recordings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from wlkd import (
    Context,
    Diarization,
    DiarizationParams,
    Diarizer,
    DiarizerOptions,
    DiarizerStream,
    Frame,
    Samples,
    SessionError,
    SpeechEvent,
    Turn,
)
from wlkd.contract.audio import samples
from wlkd_speakers.catalogue import SEGMENTATION, overlap_file, voices_file
from wlkd_speakers.cells import CELL, Cell
from wlkd_speakers.changes import LiveChanges, RecordingChanges
from wlkd_speakers.cutter import Cutter, Network, voices_in
from wlkd_speakers.listening import Network as SecondNetwork
from wlkd_speakers.recording import speakers_of
from wlkd_speakers.tracker import Decision, Tracker

if TYPE_CHECKING:
    from wlkd_speakers.embedder import Embedder
    from wlkd_speakers.segmenter import Segmenter

LATE = samples(0.15)
"""How late a change of speaker is found: a new voice must outweigh the known one in the 1.5 s that a cell hears.
Without this, 9 % of the words in the first half second of a turn had the speaker before, and 1 % of those in the last
half second the speaker behind (docs/speakers.md)."""

logger = logging.getLogger(__name__)


class CampPlusOptions(DiarizerOptions):
    max_speakers: int = Field(
        8, ge=1, le=32, description="How many speakers one session may have; a client may ask for fewer."
    )


class CampPlus(Diarizer[CampPlusOptions]):
    """Knows people by their voices (CAM++ of 3D-Speaker, `wlkd models get campplus`), 6 to 9 % of a core a stream."""

    knows_voices = True

    def __init__(self, config: CampPlusOptions) -> None:
        super().__init__(config)
        self._embedder: Embedder | None = None
        self._segmenter: Segmenter | None = None

    async def provision(self, ctx: Context) -> None:
        from wlkd_speakers.embedder import Embedder
        from wlkd_speakers.segmenter import Segmenter

        ctx.status("loading the voice network CAM++")
        self._embedder = await asyncio.to_thread(Embedder, voices_file(ctx.models_dir))
        overlap = overlap_file(ctx.models_dir)
        if overlap.parent.is_dir():
            self._segmenter = await asyncio.to_thread(Segmenter, overlap)
        else:
            remedy = f"wlkd models get {SEGMENTATION} --models {ctx.models_dir}"
            logger.info("changes of speaker are told less exactly, and not where two speak at once: %s", remedy)

    async def close(self) -> None:
        self._embedder = self._segmenter = None

    def open(self, params: DiarizationParams) -> DiarizerStream:
        most = self.config.max_speakers if params.max_speakers is None else params.max_speakers
        if not 1 <= most <= self.config.max_speakers:
            raise SessionError("bad_request", f"max_speakers {most}: at least 1, at most {self.config.max_speakers}")
        if self._embedder is None:
            raise RuntimeError("open() before provision(), or after close()")
        if len(params.known) > most:
            raise SessionError("bad_request", f"{len(params.known)} speakers are known, and max_speakers is {most}")
        if params.whole:
            return RecordingStream(self._embedder, most, params.known, self._segmenter)
        return LiveStream(self._embedder, most, params.memory, params.known, self._segmenter)


class LiveStream(DiarizerStream):
    """Tells as it goes."""

    def __init__(
        self,
        network: Network,
        most: int,
        memory: Mapping[str, str] = {},
        known: Sequence[Samples] = (),
        second: SecondNetwork | None = None,
    ) -> None:
        """`second`: hears when the speaker changes, and where two speak at once; None: that is not told."""
        self._network = network
        self._cutter = Cutter(network)
        self._tracker = Tracker(most, memory)
        self._known = () if memory else known
        """Speech of people whose voices are still to be learnt: here it would take too long."""
        self._settled = 0
        self._last: int | None = None
        """The last cell that is decided."""
        self._changes = None if second is None else LiveChanges(second)

    def feed(self, events: Sequence[SpeechEvent]) -> Diarization:
        for speech in self._known:
            self._tracker.voices.open(voices_in(self._network, speech))
        self._known = ()
        turns: list[Turn] = []
        for event in events:
            if isinstance(event, Frame):
                if self._changes:
                    self._changes.feed(event)
                for cell in self._cutter.feed(event):
                    if decisions := self._tracker.add(cell):
                        turns += self._told(decisions)
                        self._settled = max(self._settled, (decisions[-1].index + 1) * CELL - LATE)
            else:
                turns += self._settle(event.at)
                self._settled = max(self._settled, event.at)
        return Diarization(tuple(turns), self._settled)

    def settle(self) -> Diarization:
        return Diarization(self._settle(), self._settled)

    def finish(self) -> Diarization:
        return self.settle()

    def memory(self) -> Mapping[str, str]:
        return self._tracker.voices.memory

    def _settle(self, end: int | None = None) -> tuple[Turn, ...]:
        """Nothing more is heard for now: what is undecided is decided by what is there. `end`: session index where
        speech ended, if not with the last sample."""
        decisions = [decision for cell in self._cutter.flush(end) for decision in self._tracker.add(cell)]
        decisions += self._tracker.settle()
        self._settled = max(self._settled, self._cutter.heard)
        return self._told(decisions, self._cutter.heard)

    def _told(self, decisions: Sequence[Decision], end: int | None = None) -> tuple[Turn, ...]:
        turns = _turns(decisions, self._last, end)
        self._last = decisions[-1].index if decisions else self._last
        if self._changes:
            turns = self._changes.refined(turns, self._tracker.following)
        return turns


class RecordingStream(DiarizerStream):
    """Listens to the end, then tells everything."""

    def __init__(
        self,
        network: Network,
        most: int,
        known: Sequence[Samples] = (),
        second: SecondNetwork | None = None,
    ) -> None:
        self._network = network
        self._cutter = Cutter(network)
        self._most = most
        self._known = known
        self._cells: list[Cell] = []
        """About 1 KiB each half second of speech."""
        self._changes = None if second is None else RecordingChanges(second)

    def feed(self, events: Sequence[SpeechEvent]) -> Diarization:
        for event in events:
            if isinstance(event, Frame):
                self._cells += self._cutter.feed(event)
                if self._changes:
                    self._changes.feed(event)
            else:
                self._cells += self._cutter.flush(event.at)
        return Diarization()

    def settle(self) -> Diarization:
        return Diarization()

    def finish(self) -> Diarization:
        self._cells += self._cutter.flush()
        known = [voices_in(self._network, speech) for speech in self._known]
        decisions = speakers_of(self._cells, self._most, known)
        self._cells = []
        turns = _turns(decisions, end=self._cutter.heard)
        return Diarization(self._changes.refined(turns) if self._changes else turns, self._cutter.heard)


def _turns(decisions: Sequence[Decision], before: int | None = None, end: int | None = None) -> tuple[Turn, ...]:
    """Decisions on cells that follow each other, joined where the speaker is the same. `before`: the last cell that was
    decided earlier; `end`: session index where speech ends, None: it goes on."""
    turns: list[Turn] = []
    for decision in decisions:
        index, speaker, confidence = decision.index, decision.speaker, decision.confidence
        start = index * CELL - (LATE if before == index - 1 else 0)
        stop = (index + 1) * CELL
        stop = stop - LATE if end is None or decision is not decisions[-1] else min(stop, end)
        before = index
        # A VAD that tells a pause more than a second late has passed on whole cells of silence.
        if speaker is None or stop <= start:
            continue
        last = turns[-1] if turns else None
        if last and last.end == start and last.speaker == speaker:
            cells = round((last.end - last.start) / CELL)
            confidence = ((last.confidence or 0.0) * cells + confidence) / (cells + 1)
            turns[-1] = Turn(last.start, stop, speaker, confidence)
        else:
            turns.append(Turn(start, stop, speaker, confidence))
    return tuple(turns)
