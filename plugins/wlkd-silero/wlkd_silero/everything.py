"""Vad `none`: everything is speech, and nothing pauses before the end."""

from __future__ import annotations

from wlkd import Frame, Pause, SpeechEvent, Vad, VadStream


class Everything(Vad):
    def open(self) -> VadStream:
        return EverythingStream()


class EverythingStream(VadStream):
    def __init__(self) -> None:
        self._end: int | None = None

    def feed(self, frame: Frame) -> list[SpeechEvent]:
        if not len(frame.samples):
            return []
        self._end = frame.end
        return [frame]

    def flush(self) -> list[SpeechEvent]:
        end, self._end = self._end, None
        return [] if end is None else [Pause(end)]

    def finish(self) -> list[SpeechEvent]:
        return self.flush()
