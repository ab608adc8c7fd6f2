"""Words to expect, from Home Assistant: the names of the things that people speak to, by its REST API."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import aiohttp

from wlkd import ProvisionError
from wlkd.config import credential

logger = logging.getLogger(__name__)

DOMAINS = frozenset(
    [
        "climate",
        "cover",
        "fan",
        "humidifier",
        "light",
        "media_player",
        "scene",
        "script",
        "switch",
        "todo",
        "vacuum",
        "water_heater",
    ]
)
"""Kinds of things that Home Assistant lets voice assistants use unless told otherwise, and scripts."""
MAX_NAMES = 40
MAX_TOKENS = 100
"""Of all names: a model takes 160 or more, for everything that it is to expect."""
MAX_ANSWER_BYTES = 32 * 1024 * 1024
TIMEOUT_SECONDS = 20.0
RETRY_SECONDS = 60.0
"""After an answer that was none: both machines may just have been switched on."""


class Names:
    """Kept fresh by `keep`; what was there stays while Home Assistant does not answer."""

    def __init__(self, url: str, token: str, refresh_seconds: float) -> None:
        self._url = f"{url.rstrip('/')}/api/states"
        self._token = token
        self._refresh_seconds = refresh_seconds
        self.current: tuple[str, ...] = ()
        """Those of things that changed lately come first."""

    async def keep(self) -> None:
        """Ask for ever, for a task of its own."""
        while True:
            try:
                self.current = tuple(names_in(await self._states()))
                logger.info("%d names from Home Assistant", len(self.current))
                wait = self._refresh_seconds
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                logger.warning("no names from %s: %s", self._url, error or type(error).__name__)
                wait = min(self._refresh_seconds, RETRY_SECONDS)
            await asyncio.sleep(wait)

    async def _states(self) -> Any:
        timeout = aiohttp.ClientTimeout(TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {self._token}"}
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as http,
            http.get(self._url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"it answers {answer.status} {answer.reason}; is the token a valid one?")
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise ValueError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
        return json.loads(body)


def fitting(names: Iterable[str]) -> Iterator[str]:
    """The first of `names`, as many as a model takes, each once."""
    tokens = 0.0
    for name in list(dict.fromkeys(filter(None, names)))[:MAX_NAMES]:
        tokens += _tokens(name)
        if tokens > MAX_TOKENS:
            return
        yield name


def names_in(states: Any) -> Iterator[str]:
    """The names to expect, of the list of states as `/api/states` gives it. Raises `ValueError`."""
    if not isinstance(states, list) or not all(isinstance(state, dict) for state in states):
        raise ValueError("its answer is not a list of states")
    spoken_to = [state for state in states if str(state.get("entity_id")).partition(".")[0] in DOMAINS]
    spoken_to.sort(key=lambda state: str(state.get("last_changed")), reverse=True)
    attributes = [state["attributes"] for state in spoken_to if isinstance(state.get("attributes"), dict)]
    # Commas part the words to expect.
    found = [str(one.get("friendly_name") or "").replace(",", " ").strip() for one in attributes]
    return fitting(found)


def _tokens(name: str) -> float:
    """Of Whisper, at most: three letters of a Latin script make one; a character of another one up to two."""
    return 1 + sum(1 / 3 if character.isascii() else 2 for character in name)


def read_token(path: Path) -> str:
    """Raises `ProvisionError`."""
    try:
        return token_in(path)
    except ValueError as error:
        raise ProvisionError(f"home_assistant_token_file: {error}") from error


def token_in(path: Path) -> str:
    """Raises `ValueError`, which says what is wrong with the file."""
    try:
        token = credential(path).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {credential(path)}: {error}") from error
    if not token or any(map(str.isspace, token)):
        raise ValueError(f"{credential(path)} must hold one token and nothing else")
    return token
