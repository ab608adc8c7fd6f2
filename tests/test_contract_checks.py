"""What `wlkd.testing` checks for plugins: it treats a component as the daemon does, and finds what breaks a rule."""

import struct
import threading
from dataclasses import replace

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from wlkd import Backend, Commit, DecoderStream, Options, Recognizer, SessionError, StreamOffer, TurnDetector, Word
from wlkd.contract.components import Transport
from wlkd.testing import Told, check_backend, check_decoder, check_transport, check_turn_detector, speech_like
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


class Frames(DecoderStream):
    """Frames of 100 bytes, a sample each, decoded at the end."""

    def __init__(self):
        self.data = b""

    def feed(self, data):
        self.data += data
        return np.zeros(0, np.float32)

    def finish(self):
        whole = len(self.data) // 100
        if len(self.data) % 100:
            self.broken_off()
        return np.full(whole, 0.5, np.float32)

    def broken_off(self):
        raise SessionError("undecodable_audio", "it breaks off")


class Hanging(Frames):
    def broken_off(self):
        threading.Event().wait()


class Raising(Frames):
    def broken_off(self):
        raise struct.error("unpack requires a buffer of 100 bytes")


class Losing(Frames):
    def finish(self):
        if len(self.data) % 100:
            self.data = b""
        return super().finish()


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (Hanging, "breaks off after 251 bytes, the stream has not ended after 0.5 s"),
        (Raising, r"it raises error\('unpack requires .*; return what there is, or raise SessionError"),
        (Losing, "nothing is heard, and no error says why"),
    ],
)
def test_a_decoder_that_cannot_take_an_early_end_is_found(stream, told):
    check_decoder(Frames, bytes(1000))
    with pytest.raises(AssertionError, match=told):
        check_decoder(stream, bytes(1000), within_seconds=0.5)


class Level(TurnDetector):
    """The quieter, the likelier."""

    samples = 32_000

    def judge(self, samples):
        return 1 - min(float(np.abs(samples).mean()), 1.0)


class Remembering(Level):
    before = 0.0

    def judge(self, samples):
        self.before, said = super().judge(samples) / 2, self.before
        return said


class Choosy(Level):
    def judge(self, samples):
        return super().judge(samples[-16_000:].reshape(16_000))


class Certain(Level):
    def judge(self, samples):
        return 100 * super().judge(samples)


@pytest.mark.parametrize(
    ("detector", "error", "told"),
    [
        (Remembering, AssertionError, "depends on others, before or beside it"),
        (Choosy, ValueError, "cannot reshape"),
        (Certain, TypeError, "due is a float from 0 to 1"),
    ],
)
def test_a_turn_detector_that_breaks_a_rule_is_found(detector, error, told):
    assert len(check_turn_detector(Level(Options()), speech_like(3))) == 5
    with pytest.raises(error, match=told):
        check_turn_detector(detector(Options()), speech_like(3))


class Whole(Backend):
    """Says one word of each stretch, at its end."""

    def languages(self):
        return frozenset({"en"})

    def open(self, params):
        return Stretch()

    def run(self, batch):
        return [self.conclude(plan.recognizer) for plan in batch]

    def conclude(self, stretch):
        if not stretch.ended:
            return Commit(until=stretch.start)
        word = Word(" so", stretch.start, stretch.end, 0.5)
        stretch.start, stretch.ended = None, False
        return self.said(word, stretch.end)

    def said(self, word, end):
        return Commit((word,), (), "en", end, segment_end=True)


class Stretch(Recognizer):
    start = None
    end = 0
    ended = False

    def accept(self, frame):
        self.start = frame.start if self.start is None else self.start
        self.end = frame.end

    def end_segment(self, at):
        self.ended = True


@pytest.mark.parametrize(
    ("of_word", "of_commit", "told"),
    [
        ({}, {"until": 48_000}, "a closed segment ends at 64000, and its commit says until=48000"),
        ({}, {"language": None}, "the commits say None"),
        ({"start": 32_000, "end": 48_000}, {}, "SpeechClock helps"),
        ({"confidence": float("nan")}, {}, "confidence nan is not"),
        ({"confidence": np.float32(0.5)}, {}, r"NumPy's become one by float\("),
        ({"end": np.int64(64_000)}, {}, r"NumPy's numbers by int\("),
    ],
)
def test_a_backend_that_breaks_a_rule_is_found(of_word, of_commit, told):
    class Wrong(Whole):
        def said(self, word, end):
            last = replace(word, **of_word) if end == 64_000 else word
            return replace(super().said(last, end), **of_commit)

    speech = [speech_like(2), speech_like(1)]
    check_backend(Whole(Options()), speech)
    with pytest.raises(AssertionError, match=told):
        check_backend(Wrong(Options()), speech)


def test_a_word_from_before_what_was_settled_is_found():
    class Hasty(Whole):
        def conclude(self, stretch):
            if not stretch.ended:
                return Commit((), (), "en", stretch.end)
            return super().conclude(stretch)

        def said(self, word, end):
            return super().said(replace(word, end=word.start + 1), end)

    with pytest.raises(AssertionError, match="comes after a commit with until="):
        check_backend(Hasty(Options()), [speech_like(2)])
