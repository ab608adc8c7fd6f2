"""A plugin for tests: diarizers that hear two people speak in turn, a second each, and what may go wrong with one."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from queue import SimpleQueue
from typing import Any, ClassVar

from wlkd import (
    Diarization,
    DiarizationParams,
    Diarizer,
    DiarizerOptions,
    DiarizerStream,
    Frame,
    Registry,
    SpeechEvent,
    Turn,
    hookimpl,
)

TURN = 16_000


class Prompt(Diarizer):
    """Tells at once."""

    def open(self, params: DiarizationParams) -> DiarizerStream:
        return InTurns(prompt=not params.whole)


class Reluctant(Diarizer):
    """Tells when it is asked to."""

    def open(self, params: DiarizationParams) -> DiarizerStream:
        return InTurns(prompt=False)


class Acquainted(Diarizer):
    """Hears the second of those who are known first, then somebody new."""

    knows_voices = True

    def open(self, params: DiarizationParams) -> DiarizerStream:
        assert [len(speech) // TURN for speech in params.known] == [2, 3]
        return InTurns(prompt=not params.whole, people=(2, 7))


class Remembering(Diarizer):
    """Gives two people numbers that nobody had before, unless a stream before remembers them."""

    def __init__(self, config: DiarizerOptions) -> None:
        super().__init__(config)
        self.given = 0

    def open(self, params: DiarizationParams) -> DiarizerStream:
        self.given += 2
        return InTurns(prompt=True, people=params.memory.get("people", (self.given, self.given - 1)))


class Failing(Diarizer):
    """Has a defect."""

    def open(self, params: DiarizationParams) -> DiarizerStream:
        return Broken(prompt=True)


class Hanging(Diarizer):
    """Never comes back, until `gate` is set."""

    gate = threading.Event()
    heard: ClassVar[SimpleQueue[tuple[int, int]]] = SimpleQueue()
    """Where what each call of the latest stream heard begins and ends."""

    def open(self, params: DiarizationParams) -> DiarizerStream:
        Hanging.heard = SimpleQueue()
        return Stuck(Hanging.heard)


class Noting(Diarizer):
    """Notes the priority at which it works, as `nice` counts."""

    priorities: ClassVar[set[int]] = set()

    def open(self, params: DiarizationParams) -> DiarizerStream:
        return NotingPriority(prompt=True)


class InTurns(DiarizerStream):
    def __init__(self, *, prompt: bool, people: Sequence[int] = (1, 2)) -> None:
        self._prompt = prompt
        self._people = people
        self._heard = self._told = 0

    def feed(self, events: Sequence[SpeechEvent]) -> Diarization:
        self._heard = max([self._heard, *(event.end for event in events if isinstance(event, Frame))])
        return self.settle() if self._prompt else Diarization()

    def settle(self) -> Diarization:
        turns = []
        while self._told < self._heard:
            turns.append(Turn(self._told, self._told + TURN, self._people[self._told // TURN % 2], 0.9))
            self._told += TURN
        return Diarization(tuple(turns), self._heard)

    def finish(self) -> Diarization:
        return self.settle()

    def memory(self) -> Mapping[str, Any]:
        return {"people": list(self._people)}


class Broken(InTurns):
    def feed(self, events: Sequence[SpeechEvent]) -> Diarization:
        raise ValueError("a defect")


class Stuck(InTurns):
    def __init__(self, heard: SimpleQueue[tuple[int, int]]) -> None:
        super().__init__(prompt=True)
        self._calls = heard

    def feed(self, events: Sequence[SpeechEvent]) -> Diarization:
        Hanging.gate.wait(20)
        if frames := [event for event in events if isinstance(event, Frame)]:
            self._calls.put((frames[0].start, frames[-1].end))
        return Diarization()


class NotingPriority(InTurns):
    def feed(self, events: Sequence[SpeechEvent]) -> Diarization:
        Noting.priorities.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return super().feed(events)


@hookimpl
def wlkd_register_diarizers(register: Registry) -> None:
    register("prompt", Prompt)
    register("reluctant", Reluctant)
    register("acquainted", Acquainted)
    register("remembering", Remembering)
    register("failing", Failing)
    register("hanging", Hanging)
    register("noting", Noting)
