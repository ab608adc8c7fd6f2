"""Who may come in. A session that cannot be opened leaves nothing behind; of one that was, it is told how it ended."""

import errno
import logging
import re
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pluggy
import pytest

from tests.whole_core import core, opened, pcm, rest, whole_core
from wlkd import hookimpl, hookspecs
from wlkd.config import make_config
from wlkd.config.options import WorkerOptions
from wlkd.contract.components import Backend, Decoder, DecoderStream, Options, Recognizer, Vad, VadStream
from wlkd.contract.errors import BadParameter, SessionError
from wlkd.contract.types import Commit, Frame, RecognitionParams, Samples, SpeechEvent, StreamOffer
from wlkd.inference.engines import Engine, Engines
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins, load_plugins
from wlkd.sessions.admission import Admission
from wlkd.sessions.continuation import Keys
from wlkd.sessions.filters import Filters
from wlkd.sessions.making import Parts
from wlkd.transports.conversation import defect


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
            async with opened(admission):
                pass
    assert caught.value.code == "bad_request"
    assert decoder.stream.closed == closed
    assert admission.sessions == frozenset()


@pytest.mark.parametrize(("ends", "reason"), [(True, "finished"), (False, "disconnected")])
async def test_who_leaves_before_the_end_was_disconnected(ends: bool, reason: str) -> None:
    async with whole_core() as running:
        async with opened(running.admission) as session:
            if ends:
                await session.finish()
                assert [update async for update in session.updates()][-1].final
        labels = {"transport": "test", "reason": reason}
        assert running.metrics.registry.get_sample_value("wlkd_sessions_closed_total", labels) == 1


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (ConnectionResetError("it left"), "disconnected"),
        (OSError(errno.ETIMEDOUT, "its network is gone"), "disconnected"),
        (ValueError("a defect of the transport"), "internal"),
    ],
)
async def test_a_defect_of_a_transport_does_not_count_as_a_client_that_left(raised: Exception, reason: str) -> None:
    async with whole_core() as running:
        with pytest.raises(type(raised)):
            async with opened(running.admission):
                raise raised
        labels = {"transport": "test", "reason": reason}
        assert running.metrics.registry.get_sample_value("wlkd_sessions_closed_total", labels) == 1


async def test_how_long_a_session_took_is_told_right_though_the_clock_was_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with core() as admission, opened(admission) as session:
        today = time.time()
        monkeypatch.setattr(time, "time", lambda: today + 86_400)  # as on a machine that had no time at its start
        await session.finish()
        await rest(session)
    [took] = re.findall(r"session 1 closed: reason=finished after=([\d.]+)s", caplog.text)
    assert float(took) < 600


async def test_places_of_a_machine_that_drains_are_not_free() -> None:
    async with whole_core({"sessions": {"max_sessions": 4}}) as running, opened(running.admission):
        assert running.metrics.registry.get_sample_value("wlkd_sessions_limit") == 4
        running.admission.draining = True
        assert running.metrics.registry.get_sample_value("wlkd_sessions_limit") == 1


async def test_who_is_turned_away_is_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with whole_core() as running:
        admission, registry = running.admission, running.metrics.registry

        def refused() -> float | None:
            return registry.get_sample_value("wlkd_sessions_refused_total", {"reason": "bad_request"})

        mistake = BadParameter("mode", "mode=half: unknown")
        admission.turned_away(mistake, transport="test", peer="here")
        admission.turned_away(mistake, transport="test", peer="here")
        assert refused() == 1
        assert "session refused: transport=test peer=here reason=bad_request (mode=half: unknown)" in caplog.text

        with pytest.raises(SessionError) as not_opened:
            async with opened(admission, query={"language": "xx"}):
                pass
        admission.turned_away(not_opened.value, transport="test", peer="here")
        assert refused() == 2

        with pytest.raises(SessionError) as left_with:
            async with opened(admission):
                raise SessionError("bad_request", "an event must have a type")
        async with opened(admission) as session:
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


async def test_limits_refuse_the_next_one_and_harm_nobody() -> None:
    limits = {"max_sessions": 2, "max_sessions_per_address": 1}
    async with core({"sessions": limits}) as admission:
        async with opened(admission, peer="a"):
            with pytest.raises(SessionError, match="from a are open already"):
                async with opened(admission, peer="a"):
                    pass
            async with opened(admission, peer="b") as second:
                assert admission.refusal() is not None
                with pytest.raises(SessionError) as caught:
                    async with opened(admission, peer="c"):
                        pass
                assert caught.value.code == "server_full"
                await second.feed(pcm(0.5))
                await second.finish()
                assert (await rest(second))[-1].text == " one"
        assert admission.refusal() is None


async def test_auto_follows_what_the_worker_learns() -> None:
    slow = {"name": "scripted", "options": {"step_seconds": 0.2}}
    async with core({"backend": slow, "sessions": {"max_sessions": "auto"}}) as admission:
        async with opened(admission) as session:
            await session.feed(pcm(1))
            await session.finish()
            await rest(session)
        # A step of four streams, worth 1.75 s each, takes 0.2 s: the self-test has no time for one of eight.
        assert 1 <= admission.max_sessions <= 28
        measured = admission.max_sessions
        async with opened(admission):
            assert admission.refusal() is None or measured == 1


async def test_only_known_tokens_come_in(tmp_path: Any) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("# ours\nsecret\n")
    async with core({"auth": {"tokens_file": str(tokens)}}) as admission:
        for token in (None, "", "wrong", "\udcff"):
            refusal = admission.refusal(token)
            assert refusal is not None and refusal.code == "unauthorized"
        async with opened(admission, token="secret") as session:
            assert session.info.transport == "test"
