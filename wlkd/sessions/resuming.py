"""What lets a session outlive its connection: where it could be taken up again, told with every update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wlkd.contract.audio import samples
from wlkd.contract.types import Commit, Restart, Seam, SessionInfo, TakenUp
from wlkd.sessions.continuation import Continuation
from wlkd.sessions.hearing import Hearing
from wlkd.sessions.seams import Seams
from wlkd.sessions.transcript import Transcript

NEWS = samples(5.0)
"""The client is told, even if nobody speaks, each time so much more of its audio can be forgotten."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same from connection to connection and from node to node."""

    session: str
    node: str
    wishes: dict[str, str]


class Resuming:
    """One session's. Reads its hearing and its transcript; changes neither."""

    def __init__(
        self,
        identity: Identity,
        info: SessionInfo,
        begin: TakenUp,
        seams: Seams,
        hearing: Hearing,
        transcript: Transcript,
        speakers: Callable[[], Mapping[str, Any]],
        seal: Callable[[Continuation], str],
    ) -> None:
        """`begin`: where its client begins."""
        self.identity = identity
        self._info = info
        self._seams = seams
        self._hearing = hearing
        self._transcript = transcript
        self._speakers = speakers
        self._seal = seal
        self._told = 0
        self.begin = begin

    def committed(self, commit: Commit, waits_from: int | None) -> None:
        """The recognizer has made a step; words from `waits_from` on wait in a filter, or for their speaker."""
        self._seams.committed(commit, waits_from)

    def silent(self, until: int) -> None:
        """Nobody speaks, and everything up to `until` is transcribed."""
        self._seams.silent(until)

    @property
    def due(self) -> bool:
        """The client should be told."""
        return self._seams.at - self._told >= NEWS

    def seam(self, waits_from: int | None) -> Seam:
        """From where the stream could go on. To be made together with the update that it goes out with, and with what
        waits then: the client has the words that the continuation counts as told, all of them and no others."""
        seams, transcript = self._seams, self._transcript
        self._told = seams.at
        restart = self._hearing.restart(seams.at)
        return Seam(
            settled=seams.at,
            header_bytes=restart.header_bytes,
            settled_bytes=restart.offset_bytes,
            first_line=transcript.first_line,
            continuation=self._seal(self._continuation(restart, waits_from)),
        )

    def _continuation(self, restart: Restart, waits_from: int | None) -> Continuation:
        seams, transcript = self._seams, self._transcript
        kept, untranslated = transcript.awaiting()
        return Continuation(
            session=self.identity.session,
            node=self.identity.node,
            offer=self._info.offer,
            wishes=self.identity.wishes,
            language=transcript.language,
            settled=seams.at,
            restart=restart,
            context=seams.context,
            told=seams.known(waits_from),
            closed_lines=transcript.closed_lines - len(kept),
            open_line=transcript.open_line,
            transcript_end=transcript.end,
            words=transcript.words,
            speakers=self._speakers(),
            kept=kept,
            untranslated=untranslated,
        )
