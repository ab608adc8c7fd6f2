"""Calls and who listens to their words: most switches take audio back and no text, so applications ask for it here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from wlkd import SessionError, Update
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
        self._messages: list[str] = []
        self._forgotten = 0
        self._interim = ""
        self._version = 0
        self._over = False
        self._news = asyncio.Condition()

    async def say(self, messages: list[Message]) -> None:
        """Add `messages`; one that is not final stands until the next."""
        async with self._news:
            for message in messages:
                text = json.dumps(message, ensure_ascii=False)
                if message.get("data", {}).get("is_final", True):
                    self._messages.append(text)
                    self._interim = ""
                else:
                    self._interim = text
            excess = max(len(self._messages) - MAX_MESSAGES, 0)
            del self._messages[:excess]
            self._forgotten += excess
            self._version += 1
            self._news.notify_all()

    async def end(self) -> None:
        async with self._news:
            self._over = True
            self._news.notify_all()

    async def listen(self) -> AsyncIterator[str]:
        """From the first message to the end of the call. A slow reader misses interim messages only."""
        place, seen = 0, -1
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._over or self._version > seen)  # noqa: B023 - awaited here
                fresh = self._messages[max(place - self._forgotten, 0) :]
                place, seen, interim, over = (
                    self._forgotten + len(self._messages),
                    self._version,
                    self._interim,
                    self._over,
                )
            for text in fresh:
                yield text
            if over:
                return
            if interim:
                yield interim


class Calls:
    """By name."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}
        self._users: dict[str, int] = {}

    @contextmanager
    def call(self, name: str) -> Iterator[Call]:
        """The call of that name, there as long as somebody speaks in it or listens to it. Raises `SessionError`."""
        if name not in self._calls and len(self._calls) >= MAX_AWAITED:
            raise SessionError("server_full", "too many calls are listened to")
        call = self._calls.setdefault(name, Call(name))
        self._users[name] = self._users.get(name, 0) + 1
        try:
            yield call
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._calls[name]


def transcriptions(update: Update, call: str) -> list[Message]:
    """What `update` adds, as mod_audio_fork wants it: committed words of each channel, then the tentative ones."""
    messages = []
    for words, final in ((update.committed, True), (update.tentative, False)):
        for channel in dict.fromkeys(word.speaker for word in words):
            said = [word for word in words if word.speaker == channel]
            data = {
                "call": call,
                "channel": (channel or 1) - 1,
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
                    }
                    for word in said
                ],
            }
            messages.append({"type": "transcription", "data": data})
    return messages


def error_message(error: SessionError, call: str) -> Message:
    return {"type": "error", "data": {"call": call, "code": error.code, "message": error.message}}
