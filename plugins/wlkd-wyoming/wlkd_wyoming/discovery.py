"""Being found: the server's name on the local network, by mDNS, as Home Assistant looks for Wyoming servers."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from zeroconf import Error
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

logger = logging.getLogger(__name__)

SERVICE = "_wyoming._tcp.local."
MDNS_ADDRESS = "224.0.0.251"
RETRY_SECONDS, MAX_RETRY_SECONDS = 5.0, 300.0
"""Until the second try, and between later ones: after a power cut, the router may take minutes longer."""


async def keep_announced(name: str, host: str, port: int) -> None:
    """Answer on the network until cancelled, then say goodbye."""
    await keep(lambda: _announced(name, host, port))


async def keep(
    announced: Callable[[], AbstractAsyncContextManager[None]], retry_seconds: float = RETRY_SECONDS
) -> None:
    """Stay in `announced` until cancelled. While the network does not allow it, which costs one line in the journal,
    try again."""
    wait = retry_seconds
    while True:
        try:
            async with announced():
                await asyncio.Event().wait()
        except (OSError, Error) as error:
            level = logging.WARNING if wait == retry_seconds else logging.DEBUG
            reason = error or type(error).__name__
            logger.log(level, "Home Assistant will not find this server by itself, until a later try: %s", reason)
        await asyncio.sleep(wait)
        wait = min(2 * wait, MAX_RETRY_SECONDS)


@asynccontextmanager
async def _announced(name: str, host: str, port: int) -> AsyncIterator[None]:
    """Raises `OSError` or `zeroconf.Error`."""
    address = own_address() if host in ("0.0.0.0", "::", "") else host
    info = AsyncServiceInfo(SERVICE, f"{name}.{SERVICE}", parsed_addresses=[address], port=port)
    zeroconf = AsyncZeroconf(interfaces=[address])
    try:
        await (await zeroconf.async_register_service(info, allow_name_change=True))
        logger.info("announced as %s at %s", info.name, address)
        yield
    finally:
        # It says goodbye for what is registered.
        await zeroconf.async_close()


def own_address() -> str:
    """This machine's address on the network that mDNS would go to. Raises `OSError`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Connecting sends nothing: it asks the routing table.
        probe.connect((MDNS_ADDRESS, 5353))
        return str(probe.getsockname()[0])
