"""Clients that come, go, crash and stall: what a server meets in a year, in an hour. A black box's view of `/asr`."""

from __future__ import annotations

import asyncio
import random
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from socket import SHUT_RDWR, SO_LINGER, SOL_SOCKET

import aiohttp

from wlkd.contract.audio import SAMPLE_RATE
from wlkd_bench.pieces import PIECE_SECONDS

PIECE_BYTES = round(PIECE_SECONDS * SAMPLE_RATE) * 2
PATIENCE_SECONDS = 120.0
"""For whatever a client waits for; longer, and the server has lost it."""


@dataclass(slots=True)
class Visit:
    """One client's time at the server."""

    socket: aiohttp.ClientWebSocketResponse
    audio: bytes
    """16-bit samples at 16 kHz."""
    dice: random.Random
    pace: float
    """Seconds of audio sent in a second."""

    async def speak(self, seconds: float, pace: float | None = None) -> None:
        """Send this much of the audio, from anywhere in it."""
        pieces = max(len(self.audio) // PIECE_BYTES, 1)
        first = self.dice.randrange(pieces)
        for number in range(max(round(seconds / PIECE_SECONDS), 1)):
            start = (first + number) % pieces * PIECE_BYTES
            await self.socket.send_bytes(self.audio[start : start + PIECE_BYTES])
            await asyncio.sleep(PIECE_SECONDS / (pace or self.pace))

    async def listen(self) -> str:
        """Read to the end; returns the type of the last message that had one."""
        last = "nothing"
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                last = message.json().get("type", last)
        return str(last)


async def polite(visit: Visit) -> str:
    """Speaks, says that it is done, and waits for the last word."""
    listening = asyncio.create_task(visit.listen())
    await visit.speak(visit.dice.uniform(2, 20))
    await visit.socket.send_bytes(b"")
    return f"told {await listening}"


async def hasty(visit: Visit) -> str:
    """Sends as fast as the server takes it."""
    listening = asyncio.create_task(visit.listen())
    await visit.speak(visit.dice.uniform(10, 40), pace=1000)
    await visit.socket.send_bytes(b"")
    return f"told {await listening}"


async def leaver(visit: Visit) -> str:
    """Closes the page in the middle of a word."""
    await visit.speak(visit.dice.uniform(0.5, 8))
    return "left"


async def crasher(visit: Visit) -> str:
    """Dies: the system resets its connection, there is no close frame."""
    await visit.speak(visit.dice.uniform(0.5, 8))
    connection = visit.socket.get_extra_info("socket")
    if connection is None:
        raise ConnectionError("the server was faster")
    # A socket that lingers for no time sends a reset when it is closed.
    connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(SHUT_RDWR)
    return "crashed"


async def deaf(visit: Visit) -> str:
    """Never reads the answers, and leaves after a while."""
    await visit.speak(visit.dice.uniform(5, 15))
    await asyncio.sleep(visit.dice.uniform(0, 5) / visit.pace)
    return "left unread"


async def dawdler(visit: Visit) -> str:
    """Stops sending for a while, goes on, and is done."""
    listening = asyncio.create_task(visit.listen())
    await visit.speak(visit.dice.uniform(1, 4))
    await asyncio.sleep(visit.dice.uniform(1, 10) / visit.pace)
    await visit.speak(visit.dice.uniform(1, 4))
    await visit.socket.send_bytes(b"")
    return f"told {await listening}"


async def silent(visit: Visit) -> str:
    """Opens the page, and that is all."""
    await asyncio.sleep(visit.dice.uniform(1, 10) / visit.pace)
    return "never spoke"


async def babbler(visit: Visit) -> str:
    """Says something that the protocol does not know."""
    await visit.speak(1)
    await visit.socket.send_str("hello?")
    return f"told {await visit.listen()}"


KINDS: Sequence[Callable[[Visit], Awaitable[str]]] = (
    polite, polite, polite, hasty, leaver, crasher, deaf, dawdler, silent, babbler,
)  # fmt: skip


@dataclass(slots=True)
class Crowd:
    """`size` places, each with one client after the other until the time is over."""

    url: str
    audio: bytes
    """What they say, as 16-bit samples at 16 kHz."""
    size: int
    pace: float = 1.0
    seed: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """How the visits ended, by the client's kind."""

    async def visit(self, seconds: float) -> None:
        """Come and go for this time; clients that are there at the end may finish."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds

        async def place(number: int) -> None:
            dice = random.Random(f"{self.seed}/{number}")
            async with aiohttp.ClientSession() as http:
                while loop.time() < until:
                    kind = dice.choice(KINDS)
                    end = await self._one(http, kind, dice)
                    self.ends[f"{kind.__name__}: {end}"] += 1
                    await asyncio.sleep(dice.uniform(0, 2) / self.pace)

        async with asyncio.TaskGroup() as places:
            for number in range(self.size):
                places.create_task(place(number))

    async def _one(
        self, http: aiohttp.ClientSession, kind: Callable[[Visit], Awaitable[str]], dice: random.Random
    ) -> str:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), http.ws_connect(self.url, params={"format": "pcm"}) as socket:
                return await kind(Visit(socket, self.audio, dice, self.pace))
        except aiohttp.WSServerHandshakeError as error:
            return f"refused with {error.status}"
        except (ConnectionError, aiohttp.ClientError):
            return "cut off"
        except TimeoutError:
            return "lost"


@asynccontextmanager
async def idle_connections(url: str, count: int) -> AsyncIterator[None]:
    """`count` connections that say nothing. Raises `ConnectionError` when the server did not keep them."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        readers = []
        for _ in range(count):
            socket = await stack.enter_async_context(http.ws_connect(url, params={"format": "pcm"}))
            readers.append(asyncio.create_task(_read(socket)))
            stack.callback(readers[-1].cancel)
        yield
        gone = sum(reader.done() for reader in readers)
        if gone:
            raise ConnectionError(f"{gone} of {count} idle connections were closed by the server")


async def _read(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        continue
