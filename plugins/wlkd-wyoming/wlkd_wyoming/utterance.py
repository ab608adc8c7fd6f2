"""One transcription: from the first audio to the transcript."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.event import Event

from wlkd import Session, SessionError, Update
from wlkd.contract.audio import seconds
from wlkd.transports.conversation import cancel, timed_updates

Write = Callable[[Event], Awaitable[None]]


class Utterance:
    """Sends the words that a session commits, while it is still being fed."""

    def __init__(self, session: Session, write: Write, *, streaming: bool, endpoint: float | None = None) -> None:
        """`endpoint`: seconds of silence after speech that end it; None: the client does."""
        self._endpoint = endpoint
        self.ended_by_silence = False
        self._session = session
        self._write = write
        self._streaming = streaming
        self._begun = False
        self._heard = Update()
        self.hearing = asyncio.create_task(self._hear())
        """Done when everything is transcribed; raises `SessionError`."""

    async def feed(self, audio: bytes) -> None:
        await self._session.feed(audio)

    async def finish(self, mistake: SessionError | None = None) -> None:
        """The audio has ended, perhaps by a mistake of the client: `hearing` raises it, after the words before."""
        await self._session.finish(mistake)

    async def cancel(self) -> None:
        await cancel(self.hearing)

    async def send_transcript(self) -> None:
        """The whole text, which every client waits for, and the end of the stream for those that read it.

        To be called when the session is closed: a client that comes back at once must find its place free. Nothing is
        sent of a session that failed: a client would take it for the whole.
        """
        if not self._heard.final:
            return
        transcript = Transcript(self._heard.text.strip(), language=self._heard.language)
        for event in last_events(transcript, streaming=self._streaming, begun=self._begun):
            await self._write(event)

    async def _hear(self) -> None:
        async with aclosing(timed_updates(self._session, self._patience)) as updates:
            async for update in updates:
                if update is None:
                    self.ended_by_silence = True
                    await self._session.finish()
                else:
                    await self._take(update)

    def _patience(self) -> float | None:
        """Seconds of further silence after which the speaker is taken to have ended; None: he has not."""
        heard = self._heard
        if self._endpoint is None or self.ended_by_silence or heard.speech_end is None or not heard.text.strip():
            return None
        return max(self._endpoint - seconds(heard.received - heard.speech_end), 0.0)

    async def _take(self, update: Update) -> None:
        self._heard = update
        text = "".join(word.text for word in update.committed)
        if self._streaming and text:
            await self._begin(update)
            await self._write(TranscriptChunk(text).event())

    async def _begin(self, update: Update) -> None:
        if not self._begun:
            self._begun = True
            await self._write(TranscriptStart(language=update.language).event())


def last_events(transcript: Transcript, *, streaming: bool, begun: bool = False) -> Iterator[Event]:
    """What ends a transcription. Where transcripts are streamed, one without a word is too: its client waits for the
    end. `begun`: the start was sent."""
    if streaming and not begun:
        yield TranscriptStart(language=transcript.language).event()
    yield transcript.event()
    if streaming:
        yield TranscriptStop().event()
