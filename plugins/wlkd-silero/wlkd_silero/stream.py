"""One stream: model frames in, speech and pauses out."""

from __future__ import annotations

from copy import copy
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wlkd import Frame, Pause, Samples, SpeechEvent, VadStream
from wlkd_silero.gate import Gate
from wlkd_silero.model import FRAME_SAMPLES, Memory

EMPTY: Samples = np.zeros(0, dtype=np.float32)
STRIDE = 256 * FRAME_SAMPLES
"""Samples looked at in one go: an hour that comes in one piece takes no second hour of room."""


class Network(Protocol):
    """What judges frames; `SileroModel` is one."""

    def probabilities(self, samples: Samples, memory: Memory) -> NDArray[np.float32]:
        """The probability of speech in each frame of `samples`, shape (n * FRAME_SAMPLES,), as shape (n,)."""


class SileroStream(VadStream):
    """Judges whole model frames, and passes on what is speech as soon as it is judged.

    All positions are sample indices of the session.
    """

    def __init__(self, network: Network, gate: Gate, pad: int, min_power: float) -> None:
        self._network = network
        self._gate = gate
        self._pad = pad
        self._min_power = min_power
        self._memory: Memory | None = None  # made with the first sample: idle streams cost nothing
        self._origin = 0
        """Where the stream began: model frame 0."""
        self._audio = EMPTY
        """Held samples: what may yet be pre-roll, then what is not judged."""
        self._start = 0
        """Place of the first held sample."""
        self._judged = 0
        """Everything before was judged."""
        self._given = 0
        """Everything before was passed on, or will never be."""

    def feed(self, frame: Frame) -> list[SpeechEvent]:
        if not len(frame.samples):
            return []
        if self._memory is None:
            self._memory = Memory()
            self._origin = self._start = self._judged = self._given = frame.start
        elif frame.start != self._start + len(self._audio):
            raise ValueError(f"frame at {frame.start} does not follow on {self._start + len(self._audio)}")
        events: list[SpeechEvent] = []
        for begin in range(0, len(frame.samples), STRIDE):
            self._audio = np.concatenate([self._audio, frame.samples[begin : begin + STRIDE]])
            events.extend(self._judge(self._memory))
        return events

    def flush(self) -> list[SpeechEvent]:
        # A copy hears the end. This stream, its network and its frames go on as if nobody had asked.
        ending = copy(self)
        ending._memory, ending._gate = copy(self._memory), copy(self._gate)
        events = ending.finish()
        # The copy filled its last frame up.
        self._given = min(ending._given, self._start + len(self._audio))
        if events:
            self._gate.reset()
        self._forget()
        return events

    def finish(self) -> list[SpeechEvent]:
        end = self._start + len(self._audio)
        if self._memory is None or (self._given == end and not self._gate.speaking):
            return []
        # Fill the last frame up with silence, so that a word cut off by the end is judged too.
        self._audio = np.concatenate([self._audio, np.zeros(-(end - self._judged) % FRAME_SAMPLES, np.float32)])
        events = self._judge(self._memory)
        if self._gate.believe():
            self._take_pre_roll()
        if not self._gate.speaking:
            return _ending_at(end, events)
        events.extend(self._pass_on())
        silence = end if self._gate.silence is None else self._place(self._gate.silence)
        # A dip in a frame that was filled up is not silence of the speaker's.
        events.append(Pause(silence if silence + FRAME_SAMPLES <= end else end))
        return _ending_at(end, events)

    def _judge(self, memory: Memory) -> list[SpeechEvent]:
        """Move over all whole frames that are not judged."""
        unjudged = self._audio[self._judged - self._start :]
        whole = unjudged[: len(unjudged) - len(unjudged) % FRAME_SAMPLES]
        frames = whole.reshape(-1, FRAME_SAMPLES)
        loud = np.mean(frames**2, axis=1) >= self._min_power
        events: list[SpeechEvent] = []
        for probability in np.where(loud, self._network.probabilities(whole, memory), 0.0).tolist():
            self._judged += FRAME_SAMPLES
            turn = self._gate.step(probability)
            if turn == "onset":
                self._take_pre_roll()
            elif turn == "pause":
                events.extend(self._pass_on())
                assert self._gate.silence is not None
                events.append(Pause(self._place(self._gate.silence)))
        if self._gate.speaking:
            events.extend(self._pass_on())
        self._forget()
        return events

    def _place(self, model_frame: int) -> int:
        return self._origin + model_frame * FRAME_SAMPLES

    def _take_pre_roll(self) -> None:
        """Speech began: what is passed on next starts a little before, but never with what was passed on."""
        assert self._gate.onset is not None
        self._given = max(self._given, self._place(self._gate.onset) - self._pad)

    def _pass_on(self) -> list[SpeechEvent]:
        """Everything judged and not passed on, as at most one frame."""
        samples = self._audio[self._given - self._start : self._judged - self._start].copy()
        frame = Frame(self._given, samples)
        self._given = self._judged
        return [frame] if len(samples) else []

    def _forget(self) -> None:
        """Drop what can no longer be needed, so that silence of any length takes bounded room."""
        onset = self._judged if self._gate.onset is None else self._place(self._gate.onset)
        keep = min(max(onset - self._pad, self._given), self._judged)
        self._audio = self._audio[keep - self._start :].copy()
        self._start = keep


def _ending_at(end: int, events: list[SpeechEvent]) -> list[SpeechEvent]:
    """`events` without the silence after `end` that filled up the last frame."""
    cut: list[SpeechEvent] = []
    for event in events:
        if isinstance(event, Pause):
            cut.append(Pause(min(event.at, end)))
        elif event.start < end:
            cut.append(Frame(event.start, event.samples[: end - event.start]))
    return cut
