"""Calls and who listens to their words: most switches take audio back and no text, so applications ask for it here."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from wlkd import SessionError, Update, Word
from wlkd.contract.audio import seconds

MAX_MESSAGES = 20_000
"""Kept of one call, for those who begin to listen late: some hours of speech. The oldest are forgotten."""
MAX_AWAITED = 1_000
"""Calls that somebody waits for and that have not begun."""

Message = dict[str, Any]


class Call:
    """What was said in one call so far. Written by its transport, read by any number of listeners."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.users = 0
        self._channels: set[int] = set()
        self._messages: list[str] = []
        self._forgotten = 0
        self._interim: dict[int, str] = {}
        self._version = 0
        self._over = False
        self._news = asyncio.Condition()

    def join(self, channels: int) -> int:
        """Take that many channels next to each other; the number of the first."""
        first = next(n for n in itertools.count() if self._channels.isdisjoint(range(n, n + channels)))
        self._channels.update(range(first, first + channels))
        return first

    async def leave(self, first: int, channels: int) -> bool:
        """Give channels back. True: they were the last, so the call is over."""
        async with self._news:
            self._channels.difference_update(range(first, first + channels))
            self._over = not self._channels
            self._news.notify_all()
            return self._over

    async def say(self, messages: list[Message]) -> None:
        """Add `messages`; one that is not final stands until the next of its channel."""
        async with self._news:
            for message in messages:
                text = json.dumps(message, ensure_ascii=False)
                data = message.get("data", {})
                if data.get("is_final", True):
                    self._messages.append(text)
                    self._interim.pop(data.get("channel", 0), None)
                else:
                    self._interim[data.get("channel", 0)] = text
            excess = max(len(self._messages) - MAX_MESSAGES, 0)
            del self._messages[:excess]
            self._forgotten += excess
            self._version += 1
            self._news.notify_all()

    async def listen(self) -> AsyncIterator[str]:
        """From the first message to the end of the call. A slow reader misses interim messages only."""
        place, seen = 0, -1
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._over or self._version > seen)  # noqa: B023 - awaited here
                fresh = self._messages[max(place - self._forgotten, 0) :]
                place, seen = self._forgotten + len(self._messages), self._version
                interim, over = list(self._interim.values()), self._over
            for text in fresh:
                yield text
            if over:
                return
            for text in interim:
                yield text


class Calls:
    """By name."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    @contextmanager
    def listened_to(self, name: str) -> Iterator[Call]:
        """The call of that name, perhaps before it begins. Raises `SessionError`."""
        if name not in self._calls and len(self._calls) >= MAX_AWAITED:
            raise SessionError("server_full", "too many calls are listened to")
        with self._call(name) as call:
            yield call

    @contextmanager
    def _call(self, name: str) -> Iterator[Call]:
        """The call of that name, there as long as somebody speaks in it or listens to it."""
        call = self._calls.setdefault(name, Call(name))
        call.users += 1
        try:
            yield call
        finally:
            call.users -= 1
            if not call.users:
                self._forget(call)

    @asynccontextmanager
    async def speaking(self, name: str, channels: int = 1) -> AsyncIterator[tuple[Call, int]]:
        """The call of that name, and the number of its first channel that is new: a switch may connect once for each
        side of a call. Listeners are told the error that this ends with, and the end of the call."""
        with self._call(name) as call:
            first = call.join(channels)
            try:
                yield call, first
            except SessionError as error:
                await call.say([error_message(error, name)])
                raise
            finally:
                if await call.leave(first, channels):
                    # Who listens to it still reads to its end. A call of that name from now on is another one.
                    self._forget(call)

    def _forget(self, call: Call) -> None:
        if self._calls.get(call.name) is call:
            del self._calls[call.name]


def transcriptions(update: Update, call: str, first: int = 0, *, apart: bool = False) -> list[Message]:
    """What `update` adds, as mod_audio_fork wants it: committed words of each channel, then those that may change, or
    wait for their speaker.

    `first`: the number of its first channel in the call. `apart`: the speakers are its channels; else it has one, on
    which several people may speak."""

    def channel_of(word: Word) -> int:
        return first + (word.speaker or 1) - 1 if apart else first

    messages = []
    for words, final in ((update.committed, True), ((*update.waiting, *update.tentative), False)):
        for channel in dict.fromkeys(map(channel_of, words)):
            said = [word for word in words if channel_of(word) == channel]
            data = {
                "call": call,
                "channel": channel,
                "is_final": final,
                "text": "".join(word.text for word in said),
                "start": round(seconds(said[0].start), 3),
                "end": round(seconds(said[-1].end), 3),
                "language": update.language,
                "words": [
                    {
                        "text": word.text,
                        "start": round(seconds(word.start), 3),
                        "end": round(seconds(word.end), 3),
                        "confidence": word.confidence,
                        **({} if apart else _who(word)),
                    }
                    for word in said
                ],
            }
            messages.append({"type": "transcription", "data": data})
    return messages


def _who(word: Word) -> dict[str, int]:
    """Who said it, and who spoke beside; nothing if speakers are not told apart."""
    speakers = {"speaker": word.speaker, "also_speaker": word.also_speaker}
    return {name: number for name, number in speakers.items() if number is not None}


def error_message(error: SessionError, call: str) -> Message:
    return {"type": "error", "data": {"call": call, "code": error.code, "message": error.message}}
