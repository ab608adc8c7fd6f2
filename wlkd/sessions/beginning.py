"""Where a session begins: with nothing, or where another one had come to when its client lost it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from wlkd.contract.text import text_of
from wlkd.contract.types import RecognitionParams, Restart, TakenUp
from wlkd.sessions.continuation import Continuation
from wlkd.sessions.seams import Seams
from wlkd.sessions.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Beginning:
    """Each part of a session asks here what it has to know of what came before."""

    continuation: Continuation | None
    can_tell: bool
    """The backend takes `RecognitionParams.told`."""

    @property
    def settled(self) -> int:
        """Samples that are not heard again."""
        if self.continuation is None:
            return 0
        if self.can_tell or not self.continuation.told:
            return self.continuation.settled
        # What it cannot be told it must not hear again.
        return max(self.continuation.settled, self.continuation.told[-1].end)

    @property
    def speakers(self) -> Mapping[str, Any]:
        """What keeps everybody's number; empty: nobody is known."""
        return {} if self.continuation is None else self.continuation.speakers

    @property
    def said(self) -> str:
        """What was said last elsewhere."""
        return "" if self.continuation is None else self.continuation.context + text_of(self.continuation.told)

    @property
    def restart(self) -> Restart:
        """Where the client's bytes begin."""
        return Restart() if self.continuation is None else self.continuation.restart

    @property
    def taken_up(self) -> TakenUp:
        """What the client gets."""
        if self.continuation is None:
            return TakenUp(continued=False, header_bytes=0, from_bytes=0, first_line=0)
        restart = self.continuation.restart
        return TakenUp(
            continued=True,
            header_bytes=restart.header_bytes,
            from_bytes=restart.offset_bytes,
            first_line=self.continuation.closed_lines,
        )

    def params(self, asked: RecognitionParams) -> RecognitionParams:
        """What to ask of the backend, so that it goes on where another recognizer was."""
        if self.continuation is None:
            return asked
        return replace(
            spoken(asked, self.continuation),
            initial_prompt=self.continuation.context,
            told=self.continuation.told if self.can_tell else (),
        )

    def restore(self, transcript: Transcript) -> None:
        """Give the empty `transcript` what it needs in order to go on."""
        if self.continuation is not None:
            transcript.take_up(
                closed_lines=self.continuation.closed_lines,
                kept=self.continuation.kept,
                open_line=self.continuation.open_line,
                end=self.continuation.transcript_end,
                words=self.continuation.words,
                untranslated=self.continuation.untranslated,
                language=self.continuation.language,
            )

    def seams(self, params: RecognitionParams) -> Seams:
        """For a session whose backend is asked for `params`."""
        return Seams(can_tell=self.can_tell, at=self.settled, told=params.told, context=params.initial_prompt)


def spoken(asked: RecognitionParams, continuation: Continuation | None) -> RecognitionParams:
    """`asked`, in the language that the stream was in elsewhere, unless each of its segments has its own."""
    if continuation is None or continuation.language is None or asked.language_scope == "segment":
        return asked
    return replace(asked, language=continuation.language)
