"""Ports of transports that speak no HTTP."""

import asyncio
import socket

from wlkd.transports.tcp import hang_up


async def test_hanging_up_on_a_client_who_is_gone_is_no_defect() -> None:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        # Nobody has the other end any more: the system resets the connection, which asyncio, past the end of what it
        # reads, does not notice before it closes its own.
        writer.write(b"one two\n")
        await asyncio.sleep(0.05)
        try:
            await hang_up(reader, writer, 1)
        except OSError as error:
            ended.set_exception(error)
        else:
            ended.set_result(None)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as hasty:
        hasty.sendall(b"hello")
    async with asyncio.timeout(5):
        await ended
    server.close()
