"""Ports of transports that speak no HTTP."""

import asyncio
import socket

from tests.waiting import until
from wlkd.contract.errors import SessionError
from wlkd.transports.tcp import Client, PortOptions

TCP_CLOSE = 7
"""A connection that was reset, as Linux numbers the states of one (include/net/tcp_states.h)."""


def state(connection: socket.socket) -> int:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


async def test_hanging_up_on_a_client_who_is_gone_is_no_defect() -> None:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def converse() -> None:
            await reader.read()
            # Nobody has the other end any more: the system resets the connection, which asyncio, past the end of what
            # it reads, does not notice before it closes its own.
            writer.write(b"one two\n")
            await until(lambda: state(writer.get_extra_info("socket")) == TCP_CLOSE)

        async def tell(error: SessionError) -> None:
            ended.set_exception(error)

        try:
            await Client(reader, writer, PortOptions(port=1)).serve(converse(), tell)
        except OSError as error:
            ended.set_exception(error)
        else:
            if not ended.done():
                ended.set_result(None)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as hasty:
        hasty.sendall(b"hello")
    async with asyncio.timeout(5):
        await ended
    server.close()
