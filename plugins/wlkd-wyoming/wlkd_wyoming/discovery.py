"""Being found: the server's name on the local network, by mDNS, as Home Assistant looks for Wyoming servers."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from zeroconf import Error
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

logger = logging.getLogger(__name__)

SERVICE = "_wyoming._tcp.local."
MDNS_ADDRESS = "224.0.0.251"


async def keep_announced(name: str, host: str, port: int) -> None:
    """Answer on the network until cancelled, then say goodbye. A network that does not allow it costs a line in the
    journal."""
    try:
        async with _announced(name, host, port):
            await asyncio.Event().wait()
    except (OSError, Error) as error:
        logger.warning("Home Assistant will not find this server by itself: %s", error or type(error).__name__)


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
