"""Where a server's `/asr` is, from what people write."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def asr_address(written: str) -> str:
    """The WebSocket's address: `http://speech1:7100`, the page's own address, and `speech1:7100` mean
    `ws://speech1:7100/asr`. A path that does not end with `/` stays as it is.

    Raises `ValueError`, which says what to write.
    """
    text = written.strip()
    try:
        parts = urlsplit(text if "://" in text else f"ws://{text}")
        complete = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0 and not text.split()[1:]
    except ValueError:
        complete = False
    if not complete:
        raise ValueError(f'"{written}" is not the address of a server: write ws://HOST:PORT/asr, or wss://… for TLS')
    path = parts.path or "/"
    return SplitResult(
        SCHEMES[parts.scheme], parts.netloc, path + "asr" if path.endswith("/") else path, parts.query, ""
    ).geturl()
