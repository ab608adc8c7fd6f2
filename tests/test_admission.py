"""A session that cannot be opened leaves nothing behind; of one that was, it is told how it ended."""

import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pluggy
import pytest

from wlkd import hookimpl, hookspecs
from wlkd.config import make_config
from wlkd.config.options import WorkerOptions
from wlkd.contract.components import Backend, Decoder, DecoderStream, Options, Recognizer, Vad, VadStream
from wlkd.contract.errors import BadParameter, SessionError
from wlkd.contract.types import Commit, Frame, RecognitionParams, Samples, SpeechEvent, StreamOffer
from wlkd.daemon.pipeline import running_core
from wlkd.inference.engines import Engine, Engines
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins, load_plugins
from wlkd.sessions.admission import Admission
from wlkd.sessions.continuation import Keys
from wlkd.sessions.filters import Filters
from wlkd.sessions.making import Parts
from wlkd.transports.conversation import defect

OFFER = StreamOffer(encoding="s16le", sample_rate=16000, channels=1)


class Decoding(DecoderStream):
    closed = 0

    def feed(self, data: bytes) -> Samples:
        return np.zeros(0, dtype=np.float32)

    def finish(self) -> Samples:
        return np.zeros(0, dtype=np.float32)

    def close(self) -> None:
        self.closed += 1


class OneDecoder(Decoder):
    def __init__(self) -> None:
        super().__init__(Options())
        self.stream = Decoding()

    def open(self, offer: StreamOffer) -> DecoderStream:
        return self.stream


class Deaf(Vad, VadStream):
    def open(self) -> VadStream:
        return Deaf(Options())

    def feed(self, frame: Frame) -> list[SpeechEvent]:
        return []

    def flush(self) -> list[SpeechEvent]:
        return self.finish()

    def finish(self) -> list[SpeechEvent]:
        return []


class Refusing(Backend):
    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    def open(self, params: RecognitionParams) -> Recognizer:
        raise SessionError("bad_request", "the prompt is too long")

    def run(self, batch: object) -> list[Commit]:
        raise AssertionError("nobody is in")


class Chooser:
    """Decoder names for every offer, from a plugin that may raise."""

    def __init__(self, answer: str | Exception) -> None:
        self._answer = answer

    @hookimpl
    def wlkd_choose_decoder(self, offer: StreamOffer) -> str:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def choosing(answer: str | Exception) -> Plugins:
    manager = pluggy.PluginManager("wlkd")
    manager.add_hookspecs(hookspecs)
    manager.register(Chooser(answer), name="chooser")
    return Plugins(manager)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker(Refusing(Options()), WorkerOptions(), Metrics(), capacity=4)
    await worker.start(warm_up=False)
    yield worker
    await worker.close()


@pytest.mark.parametrize(
    ("answer", "message", "closed"),
    [
        ("one", "the prompt is too long", 1),
        ("another", "the decoder for .* is not in use", 0),
        (RuntimeError("a defect of the plugin"), "no decoder could be chosen", 0),
        (SessionError("bad_request", "sample rate 999 is too low"), "sample rate 999 is too low", 0),
    ],
)
async def test_what_cannot_be_opened_is_a_bad_request_and_leaves_nothing(
    worker: Worker, answer: str | Exception, message: str, closed: int
) -> None:
    values = {"decoders": {"pcm": {}}, "vad": {"name": "none"}, "backend": {"name": "scripted"}}
    config = make_config(values, load_plugins())
    decoder = OneDecoder()
    with ThreadPoolExecutor(1) as pool:
        admission = Admission(
            config,
            choosing(answer),
            Parts({"one": decoder}, Deaf(Options()), Filters({}), {"live": pool, "upload": pool}),
            Engines({"default": Engine("default", Refusing(Options()), worker)}),
            Metrics(),
            frozenset(),
            Keys([b"secret"]),
        )
        with pytest.raises(SessionError, match=message) as caught:
            async with admission.open(OFFER, transport="test", peer="here"):
                pass
    assert caught.value.code == "bad_request"
    assert decoder.stream.closed == closed
    assert admission.sessions == frozenset()


@pytest.mark.parametrize(("ends", "reason"), [(True, "finished"), (False, "disconnected")])
async def test_who_leaves_before_the_end_was_disconnected(ends: bool, reason: str) -> None:
    values = {"decoders": {"pcm": {}}, "vad": {"name": "none"}, "backend": {"name": "scripted"}, "warmup": False}
    plugins = load_plugins()
    async with running_core(make_config(values, plugins), plugins) as core:
        async with core.admission.open(OFFER, transport="test", peer="here") as session:
            if ends:
                await session.finish()
                assert [update async for update in session.updates()][-1].final
        labels = {"transport": "test", "reason": reason}
        assert core.metrics.registry.get_sample_value("wlkd_sessions_closed_total", labels) == 1


async def test_places_of_a_machine_that_drains_are_not_free() -> None:
    values = {"decoders": {"pcm": {}}, "vad": {"name": "none"}, "backend": {"name": "scripted"}, "warmup": False}
    plugins = load_plugins()
    config = make_config({**values, "sessions": {"max_sessions": 4}}, plugins)
    async with running_core(config, plugins) as core, core.admission.open(OFFER, transport="test", peer="here"):
        assert core.metrics.registry.get_sample_value("wlkd_sessions_limit") == 4
        core.admission.draining = True
        assert core.metrics.registry.get_sample_value("wlkd_sessions_limit") == 1


async def test_who_is_turned_away_is_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    values = {"decoders": {"pcm": {}}, "vad": {"name": "none"}, "backend": {"name": "scripted"}, "warmup": False}
    plugins = load_plugins()
    async with running_core(make_config(values, plugins), plugins) as core:
        admission, registry = core.admission, core.metrics.registry

        def refused() -> float | None:
            return registry.get_sample_value("wlkd_sessions_refused_total", {"reason": "bad_request"})

        mistake = BadParameter("mode", "mode=half: unknown")
        admission.turned_away(mistake, transport="test", peer="here")
        admission.turned_away(mistake, transport="test", peer="here")
        assert refused() == 1
        assert "session refused: transport=test peer=here reason=bad_request (mode=half: unknown)" in caplog.text

        with pytest.raises(SessionError) as not_opened:
            async with admission.open(OFFER, transport="test", peer="here", query={"language": "xx"}):
                pass
        admission.turned_away(not_opened.value, transport="test", peer="here")
        assert refused() == 2

        with pytest.raises(SessionError) as left_with:
            async with admission.open(OFFER, transport="test", peer="here"):
                raise SessionError("bad_request", "an event must have a type")
        async with admission.open(OFFER, transport="test", peer="here") as session:
            await session.finish(SessionError("bad_request", "text message"))
            with pytest.raises(SessionError) as told:
                async for _ in session.updates():
                    pass
        for error in (left_with.value, told.value):
            admission.turned_away(error, transport="test", peer="here")
        assert refused() == 2, "the end of a session is no refusal"
        admission.turned_away(defect(), transport="test", peer="here")
        refusals = registry.get_sample_value("wlkd_sessions_refused_total", {"reason": "internal"})
        assert not refusals, "nor is a defect"
        closed = {"transport": "test", "reason": "bad_request"}
        assert registry.get_sample_value("wlkd_sessions_closed_total", closed) == 2
