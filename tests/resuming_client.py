"""A client that outlives its connections, and nodes for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.whole_core import core, opened
from wlkd.contract.host import Session
from wlkd.contract.types import Seam, Update, Word
from wlkd.sessions.admission import Admission

RATE = 16_000
SECRET = "a secret of at least thirty-two characters\n"


@asynccontextmanager
async def node(key: Path | None, **values: Any) -> AsyncIterator[Admission]:
    """`key`: the file with the fleet's key; None: it makes one of its own."""
    async with core({"auth": {"continuation_key": str(key) if key else None}, **values}) as admission:
        yield admission
        # As a daemon that stops: sessions that wait for their clients wait no longer.
        await admission.drain()


class Client:
    """Keeps what a client has to keep, as docs/API.md says."""

    def __init__(self, audio: bytes) -> None:
        self.audio = audio
        self.words: list[Word] = []
        self.lines: list[str] = []
        self.seam: Seam | None = None
        self.sent_from: list[int] = []
        self.history: list[tuple[Seam, int, list[str]]] = []

    @asynccontextmanager
    async def connected(self, admission: Admission, **arguments: Any) -> AsyncIterator[Session]:
        resume = "" if self.seam is None else self.seam.continuation
        async with opened(admission, resume=resume, **arguments) as session:
            begin = session.taken_up
            assert begin is not None
            assert begin.continued == (self.seam is not None)
            self.sent_from.append(begin.from_bytes)
            yield session

    def take(self, update: Update) -> None:
        assert update.seam is not None
        self.words += update.committed
        self.lines[update.seam.first_line :] = [line.text for line in update.lines]
        assert "".join(self.lines) == "".join(word.text for word in self.words)
        self.seam = update.seam
        self.history.append((self.seam, len(self.words), list(self.lines)))

    def miss(self, words: int) -> None:
        """As if the updates that came after the first `words` words had been lost with the connection."""
        self.seam, count, self.lines = next(entry for entry in self.history if entry[1] >= words)
        self.words = self.words[:count]

    async def hear(self, session: Session, words: int) -> None:
        """Send all there is, and read until there are so many words."""
        sending = asyncio.create_task(self.send(session))
        try:
            async for update in session.updates():
                self.take(update)
                if len(self.words) >= words:
                    return
        finally:
            sending.cancel()

    async def send(self, session: Session) -> None:
        for at in range(self.sent_from[-1], len(self.audio), 3200):
            await session.feed(self.audio[at : at + 3200])

    async def hear_the_end(self, session: Session) -> None:
        await self.send(session)
        await session.finish()
        async for update in session.updates():
            self.take(update)


async def undisturbed(audio: bytes) -> Client:
    """A client that kept its connection."""
    client = Client(audio)
    async with node(None) as admission, client.connected(admission) as session:
        await client.hear_the_end(session)
    return client
