"""One transcription: from the first audio to the transcript."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.event import Event

from wlkd import Session, Update

Write = Callable[[Event], Awaitable[None]]


class Utterance:
    """Sends what a session makes of its audio, while it is still being fed."""

    def __init__(self, session: Session, write: Write, *, streaming: bool) -> None:
        self._session = session
        self._write = write
        self._streaming = streaming
        self._begun = False
        self.sending = asyncio.create_task(self._send())
        """Done when the transcript is sent; raises `SessionError`."""

    async def feed(self, audio: bytes) -> None:
        await self._session.feed(audio)

    async def finish(self) -> None:
        """The audio has ended: wait until the transcript is sent."""
        await self._session.finish()
        await self.sending

    async def cancel(self) -> None:
        self.sending.cancel()
        await asyncio.gather(self.sending, return_exceptions=True)

    async def _send(self) -> None:
        last = Update()
        async for update in self._session.updates():
            last = update
            text = "".join(word.text for word in update.committed)
            if self._streaming and text:
                await self._begin(update)
                await self._write(TranscriptChunk(text).event())
        await send_transcript(self._write, last, streaming=self._streaming and self._begun)

    async def _begin(self, update: Update) -> None:
        if not self._begun:
            self._begun = True
            await self._write(TranscriptStart(language=update.language).event())


async def send_transcript(write: Write, update: Update, *, streaming: bool) -> None:
    """The whole text, which every client waits for, and the end of the stream for those that read it."""
    await write(Transcript(update.text.strip(), language=update.language).event())
    if streaming:
        await write(TranscriptStop().event())
