"""What `wlkd.testing` checks for plugins: it treats a component as the daemon does, and finds what breaks a rule."""

import aiohttp
from aiohttp import web

from wlkd import Options, StreamOffer
from wlkd.contract.components import Transport
from wlkd.testing import Told, check_transport
from wlkd.transports.conversation import feed_all, last_update, running
from wlkd.transports.http import STATUS, answering, peer_of, while_connected


class Upload(Transport):
    """POST audio, get text, at an address that is made when it is provisioned."""

    closed = 0
    path = ""

    async def provision(self, ctx):
        self.path = "/upload"

    async def start(self, sessions, http):
        self.sessions = sessions
        http.app().router.add_post(self.path, answering(self.transcribe, self.refuse))

    async def transcribe(self, request):
        async with (
            self.sessions.open(StreamOffer(), transport="upload", peer=peer_of(request)) as session,
            running(feed_all(session, request.content.iter_chunked(65536))),
        ):
            update = await while_connected(request, last_update(session))
        return web.Response(text=update.text)

    def refuse(self, request, error):
        self.sessions.turned_away(error, transport="upload", peer=peer_of(request))
        return web.Response(status=STATUS[error.code], text=error.message)

    async def close(self):
        self.closed += 1


async def upload(port: int, audio: bytes) -> Told:
    async with aiohttp.request("POST", f"http://127.0.0.1:{port}/upload", data=audio) as answer:
        text = await answer.text()
    return Told(text.strip()) if answer.status == 200 else Told("", text)


async def test_a_transport_is_provisioned_before_it_starts_and_closed_twice():
    built: list[Upload] = []

    def build(port: int) -> Upload:
        built.append(Upload(Options()))
        return built[-1]

    await check_transport(build, upload)
    assert built and all(transport.path and transport.closed == 2 for transport in built)
