"""Who may connect: tokens from the operator's file, and short-lived keys that stand in for one.

A page that is public cannot hold a token. Its server asks for a key that is good for minutes, and hands it to the page.
A key is sealed, not stored: every daemon with the same `auth.continuation_key` takes it, and it dies with its token.
"""

from __future__ import annotations

import hmac
import time
import zlib
from collections.abc import Callable

from wlkd.contract.errors import BadParameter, Code, SessionRefused
from wlkd.sessions.continuation import Keys
from wlkd.sessions.sealing import is_seal_of, seal_and_body, sealed

PREFIX = "ek_"
"""Of every short-lived key: how OpenAI's begin, so that clients take ours for one."""
EXPIRY_BYTES, PARENT_BYTES = 5, 8
MAX_CHARACTERS = 8_000
"""Of a key. A header of 8,190 bytes, as most servers take it, has room for that and what stands beside it."""
MAX_NOTE_BYTES = 16 * 1024


class Tokens:
    """Those that are good now."""

    def __init__(self, tokens: frozenset[str], keys: Keys, clock: Callable[[], float] = time.time) -> None:
        """`tokens`: empty, everybody may connect. `clock`: Unix time."""
        self._tokens = tokens
        self._keys = keys.for_purpose(b"short-lived key 1")
        self._clock = clock

    def are(self, tokens: frozenset[str]) -> bool:
        """Whether the operator's file says the same."""
        return tokens == self._tokens

    def good(self, token: str | None, *, expired: bool = False) -> bool:
        """Whether whoever shows `token` may come in. `expired`: also with a key whose time is over."""
        if token is not None and token.startswith(PREFIX):
            return self._opened(token, expired=expired) is not None or self._parent(token) is not None
        return not self._tokens or self._parent(token) is not None

    def grant(self, token: str | None, seconds: int, note: str) -> tuple[str, int]:
        """A key that stands in for `token`, and the Unix time at which it expires. Raises `SessionRefused`; and
        `BadParameter` for a note that no key can carry."""
        parent = self._parent(token)
        if self._tokens and parent is None:
            raise SessionRefused(Code.UNAUTHORIZED, "a valid token is required; a short-lived key makes no others")
        noted = note.encode()
        if len(noted) > MAX_NOTE_BYTES:
            raise BadParameter("note", f"it has {len(noted)} bytes; a key takes {MAX_NOTE_BYTES} at most")
        expiry = int(self._clock()) + seconds
        key = self._keys[0]
        body = expiry.to_bytes(EXPIRY_BYTES, "big") + _name(key, parent or "") + zlib.compress(noted)
        text = PREFIX + sealed(key, body)
        if len(text) > MAX_CHARACTERS:
            message = f"it makes a key of {len(text)} characters; headers have room for {MAX_CHARACTERS}"
            raise BadParameter("note", message)
        return text, expiry

    def note(self, token: str | None) -> str:
        """What was noted when `token` was granted; empty for the tokens of the operator."""
        return (self._opened(token) or "") if token is not None and token.startswith(PREFIX) else ""

    def _parent(self, token: str | None) -> str | None:
        # Compared in constant time, all of them: how long a refusal takes says nothing about the tokens.
        given = (token or "").encode(errors="surrogateescape")  # Headers may hold any bytes.
        matching = [known for known in self._tokens if hmac.compare_digest(given, known.encode())]
        return matching[0] if matching else None

    def _opened(self, token: str, *, expired: bool = False) -> str | None:
        """The note of a key that is good, or that was."""
        if len(token) > MAX_CHARACTERS:
            return None
        try:
            seal, body = seal_and_body(token.removeprefix(PREFIX))
        except ValueError:
            return None
        for key in self._keys:
            if is_seal_of(seal, key, body):
                return self._read(key, body, expired=expired)
        return None

    def _read(self, key: bytes, body: bytes, *, expired: bool) -> str | None:
        expiry, rest = int.from_bytes(body[:EXPIRY_BYTES], "big"), body[EXPIRY_BYTES:]
        parent, packed = rest[:PARENT_BYTES], rest[PARENT_BYTES:]
        if expiry < self._clock() and not expired:
            return None
        if self._tokens and not any([hmac.compare_digest(_name(key, known), parent) for known in self._tokens]):
            return None
        return zlib.decompressobj().decompress(packed, MAX_NOTE_BYTES).decode(errors="ignore")


def _name(key: bytes, token: str) -> bytes:
    """Tells tokens apart and gives nothing away."""
    return hmac.digest(key, b"name\0" + token.encode(errors="surrogateescape"), "sha256")[:PARENT_BYTES]
