import pytest

from wlkd.client import ClientError, connect
from wlkd.client.address import asr_address


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ws://speech1:7100/asr", "ws://speech1:7100/asr"),
        ("http://speech1:7100", "ws://speech1:7100/asr"),
        ("https://speech.example.org/", "wss://speech.example.org/asr"),
        ("speech1:7100", "ws://speech1:7100/asr"),
        ("https://example.org/speech/#words", "wss://example.org/speech/asr"),
        ("WS://[::1]:7100", "ws://[::1]:7100/asr"),
        ("ws://speech1:7100/other?mode=diff", "ws://speech1:7100/other?mode=diff"),
    ],
)
def test_the_pages_address_and_a_host_mean_the_websocket(written, meant):
    assert asr_address(written) == meant


@pytest.mark.parametrize(
    "written", ["", "no address", "ftp://speech1/asr", "http://", "speech1:port", "ws://speech1:0"]
)
def test_what_is_not_an_address_is_answered_with_what_to_write(written):
    with pytest.raises(ValueError, match="write ws://HOST:PORT/asr"):
        asr_address(written)


async def test_a_client_connects_to_the_address_of_the_page(fake_asr):
    async with fake_asr(rest=" one.") as server:
        page = server.url.replace("ws://", "http://").removesuffix("asr")
        async with connect(page, pcm=True) as stream:
            await stream.end_audio()
            assert [update.committed async for update in stream.updates()] == [" one."]


async def test_an_address_that_is_not_a_websocket_is_named(fake_asr):
    async with fake_asr() as server:
        with pytest.raises(ClientError, match=r"/elsewhere is not a WebSocket \(HTTP 404\): that of wlkd is ws://"):
            async with connect(server.url.replace("/asr", "/elsewhere"), pcm=True):
                pass
