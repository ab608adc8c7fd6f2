"""Bytes that travel with a client as text, behind a seal that only who has the key can have made (HMAC-SHA-256)."""

from __future__ import annotations

import base64
import hmac

MAC_BYTES = 16


def sealed(key: bytes, body: bytes) -> str:
    """`body` behind its seal, in the characters that addresses and headers take (RFC 4648, section 5, unpadded)."""
    return base64.urlsafe_b64encode(_mac(key, body) + body).decode().rstrip("=")


def seal_and_body(text: str) -> tuple[bytes, bytes]:
    """The two parts of what `sealed` made; the seal is still to be checked. Raises `ValueError` for other text."""
    made = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    return made[:MAC_BYTES], made[MAC_BYTES:]


def is_seal_of(seal: bytes, key: bytes, body: bytes) -> bool:
    """Whether `seal` was made of `body` with `key`."""
    return hmac.compare_digest(_mac(key, body), seal)


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:MAC_BYTES]
