"""One uploaded file's recognition: quality first, since nobody waits for its next word.

Speech is collected into windows of up to 30 s (`packing.py`), which are heard whole (`beam.py`); their words are
final at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from wlkd_whisper.window import Window

from wlkd import Frame, Pause, Recognizer, SpeechEvent
from wlkd_simulstreaming import state as live
from wlkd_simulstreaming.brief import Brief
from wlkd_simulstreaming.language import Evidence
from wlkd_simulstreaming.packing import pack, split


@dataclass(frozen=True)
class State:
    """What is known of a file."""

    held: tuple[Frame, ...] = ()
    """Speech that no pause has ended yet."""
    opening: tuple[int, ...] = ()
    """Tokens before the first window only."""
    language: str | None = None
    evidence: Evidence = field(default_factory=Evidence)
    until: int = 0
    """Everything before this sample index has been heard."""

    @property
    def likeliest(self) -> str | None:
        """The language that the file has while too little was heard to decide."""
        return self.evidence.best if self.evidence.weights else None


@dataclass(frozen=True)
class Step:
    """What a file wants heard: `state` once that is done, but for the language, and the pieces."""

    state: State
    pieces: tuple[Window, ...]
    opening: tuple[int, ...]
    """Tokens before the first of `pieces`."""
    closing: bool
    """Speech paused behind the last of `pieces`."""


class Upload(Recognizer):
    """A recognizer of whole stretches. `end_segment` may come as often as the speech pauses."""

    def __init__(self, brief: Brief, first: live.State) -> None:
        """`first`: what is known of a stream with this brief before it speaks."""
        self.brief = brief
        self._state = State(opening=first.context, language=first.language)
        self._known_until = first.last_end
        self._fresh: list[SpeechEvent] = []

    def accept(self, frame: Frame) -> None:
        # A window is heard without the words before it, so what was committed elsewhere must not be heard again.
        known = max(self._known_until - frame.start, 0)
        if known < len(frame.samples):
            self._fresh.append(Frame(frame.start + known, frame.samples[known:]))

    def end_segment(self, at: int) -> None:
        self._fresh.append(Pause(at))

    def plan(self) -> Step:
        """What there is to hear now. Changes nothing."""
        stretches: list[Window] = []
        held, until = list(self._state.held), self._state.until
        for event in self._fresh:
            if isinstance(event, Frame):
                held.append(event)
            else:
                stretches += split(Window().extended(held), event.at)
                held, until = [], event.at
        closing = bool(stretches)
        going_on = split(Window().extended(held))
        if len(going_on) > 1:
            # Speech without a pause for longer than a window; its last piece may still grow.
            closing = False
            *whole, rest = going_on
            stretches += whole
            until = rest.session_index(0)
            held = [Frame(until, rest.samples)]
        pieces = tuple(pack([stretch for stretch in stretches if len(stretch) >= live.LEAST_SAMPLES]))
        opening, left = (self._state.opening, ()) if pieces else ((), self._state.opening)
        return Step(replace(self._state, held=tuple(held), until=until, opening=left), pieces, opening, closing)

    def adopt(self, state: State) -> None:
        """Make `state` the file's own; everything accepted so far is in it."""
        self._state = state
        self._fresh = []
