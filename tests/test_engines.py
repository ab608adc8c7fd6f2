"""Several backends in one daemon: which one hears a session, and how they share the machine."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import generate_latest
from wlkd_scripted.backend import Scripted, ScriptedOptions

from tests.wav import wav
from wlkd.config import Certificate, make_config
from wlkd.config.options import Config, WorkerOptions
from wlkd.contract.components import StepPlan
from wlkd.contract.errors import ConfigError, ProvisionError, SessionError
from wlkd.contract.types import Commit, Frame, Pause, RecognitionParams, StreamOffer, Update
from wlkd.daemon.pipeline import Core, running_core
from wlkd.daemon.reload import Reload
from wlkd.inference.backlog import Outcome
from wlkd.inference.engines import Engine, Engines
from wlkd.inference.handover import Place
from wlkd.inference.turns import Turns
from wlkd.inference.utilization import Load
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import load_plugins
from wlkd.testing import running_daemon, speech_like

PCM = StreamOffer(encoding="s16le", sample_rate=16_000, channels=1)
HALF_SECOND = b"\x00\x20" * 8000


def scripted(prefix: str, **options: Any) -> dict[str, Any]:
    """Says `a1 a2 a3 …`."""
    words = [f" {prefix}{number}" for number in range(1, 9)]
    return {"name": "scripted", "options": {"script": words, **options}}


BASE: dict[str, Any] = {
    "warmup": False,
    "vad": {"name": "none"},
    "decoders": {"pcm": {}},
    "worker": {"min_chunk_seconds": 0.2},
    "backend": scripted("d", languages=["en", "de", "fr"], detects="en", detects_after_seconds=1.0),
    "engines": {
        "english": scripted("e", languages=["en"]),
        "korean": scripted("k", languages=["ko"], tasks=["transcribe"]),
    },
    "routing": {"en": "english", "ko": "korean"},
}


def configuration(changes: Mapping[str, Any] = {}) -> Config:
    return make_config({**BASE, **changes}, load_plugins())


@asynccontextmanager
async def core(changes: Mapping[str, Any] = {}) -> AsyncIterator[Core]:
    async with running_core(configuration(changes), load_plugins()) as running:
        yield running


async def updates(core: Core, half_seconds: int = 4, **query: str) -> list[Update]:
    """What a session says to so much speech, half a second a word."""
    async with core.admission.open(PCM, transport="test", peer="here", query=query) as session:
        for _ in range(half_seconds):
            await session.feed(HALF_SECOND)
        await session.finish()
        return [update async for update in session.updates()]


async def text(core: Core, half_seconds: int = 4, **query: str) -> str:
    return (await updates(core, half_seconds, **query))[-1].text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"language": "de"}, " d1 d2 d3 d4"),
        ({"language": "en-GB"}, " e1 e2 e3 e4"),
        ({"language": "Korean"}, " k1 k2 k3 k4"),
        ({"language": "en", "model": "default"}, " d1 d2 d3 d4"),
        ({"model": "korean"}, " k1 k2 k3 k4"),
        ({"language": "en", "task": "translate"}, " e1 e2 e3 e4"),
        ({"language_scope": "segment"}, " d1 d2 d3 d4"),
    ],
)
async def test_a_session_gets_the_engine_that_it_asks_for_or_that_of_its_language(
    query: dict[str, str], said: str
) -> None:
    async with core() as running:
        assert await text(running, **query) == said


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"model": "klingon"}, "there is no model 'klingon'; known: default, english, korean"),
        ({"model": "english", "language": "de"}, "german is not known here"),
        ({"language": "ja"}, "japanese is not known here"),
        ({"language": "ko", "task": "translate"}, "task translate"),
    ],
)
async def test_what_no_engine_does_is_refused(query: dict[str, str], message: str) -> None:
    async with core() as running:
        with pytest.raises(SessionError, match=message):
            await text(running, **query)
        assert running.admission.sessions == frozenset()


async def test_a_language_stays_with_the_default_engine_where_its_own_one_cannot_do_the_task() -> None:
    engines = {"english": scripted("e", languages=["en"], tasks=["transcribe"])}
    async with core({"engines": engines, "routing": {"en": "english"}}) as running:
        assert await text(running, language="en", task="translate") == " d1 d2 d3 d4"
        assert await text(running, task="translate") == " d1 d2 d3 d4", "neither is it handed over"


# The default engine finds the language out -------------------------------------------------------------------


@pytest.mark.parametrize("half_seconds", [1, 2, 3, 8])
async def test_what_was_heard_so_far_is_handed_over(half_seconds: int) -> None:
    async with core() as running:
        seen = await updates(running, half_seconds)
        words = [word for update in seen for word in update.committed]
        assert "".join(word.text for word in words) == "".join(f" e{n + 1}" for n in range(half_seconds))
        assert [word.start for word in words] == [8000 * n for n in range(half_seconds)]
        assert not any("d" in update.tentative_text for update in seen), "words of the default engine were shown"
        assert {update.speech_start for update in seen if update.speech_start is not None} == {0}
        assert seen[-1].language == "en" and seen[-1].lag == 0


async def test_a_session_moves_and_is_counted_where_it_is() -> None:
    async with core() as running:
        admission, engines = running.admission, {one.name: one for one in running.engines.engines}
        async with admission.open(PCM, transport="test", peer="here") as session:
            assert (admission.sessions_at(engines["default"]), admission.sessions_at(engines["english"])) == (1, 0)
            for _ in range(4):
                await session.feed(HALF_SECOND)
            async for update in session.updates():
                if update.committed:
                    break
            assert (admission.sessions_at(engines["default"]), admission.sessions_at(engines["english"])) == (0, 1)
            await engines["default"].worker.vacant()
        shown = generate_latest(running.metrics.registry).decode()
        assert 'wlkd_engine_handovers_total{engine="english"} 1.0' in shown
        assert 'wlkd_inference_steps_total{engine="english"}' in shown
        assert 'wlkd_engine_sessions_possible{engine="korean"}' in shown


async def test_a_language_without_an_engine_of_its_own_stays() -> None:
    backend = scripted("d", languages=["en", "fr"], detects="fr", detects_after_seconds=1.0)
    async with core({"backend": backend}) as running:
        assert await text(running) == " d1 d2 d3 d4"
        assert await text(running, half_seconds=1) == " d1"


async def test_uploads_are_handed_over_too_and_flushes_wait_for_the_words() -> None:
    async with core() as running:
        async with running.admission.open(PCM, transport="test", peer="here", priority="upload") as session:
            await session.feed(HALF_SECOND)
            await session.flush()
            await session.feed(HALF_SECOND)
            await session.finish()
            seen = [update async for update in session.updates()]
        assert seen[-1].text == " e1 e2"


async def test_a_lone_yes_does_not_decide_for_the_whole_session() -> None:
    async with core() as running:
        engines, said = running.engines.engines, []

        def hear(outcome: Outcome) -> None:
            assert isinstance(outcome, Commit)
            said.extend(word.text for word in outcome.words)

        place = Place(lambda: engines, engines.default, RecognitionParams(), decides=True).open(hear)
        place.push(Frame(0, speech_like(0.5)))
        place.push(Pause(8_000, over=False))
        await place.drained()
        assert (said, place.engine.name) == ([" d1"], "default")
        place.push(Frame(24_000, speech_like(1.5)))
        place.push(Pause(48_000, over=False))
        await place.drained()
        assert (said, place.engine.name) == ([" d1", " e2", " e3", " e4"], "english")
        place.close()


# Loading and reloading ---------------------------------------------------------------------------------------


class Rig:
    def __init__(self, running: Core) -> None:
        self.running = running
        self.next = configuration()
        self.free: int | None = None
        none = Certificate(None, None)
        self.reload = Reload(self.next, load_plugins(), running, none, lambda: self.next, print, lambda: self.free)

    async def to(self, changes: Mapping[str, Any]) -> bool:
        self.next = configuration(changes)
        return await self.reload.run()


async def test_a_reload_adds_and_replaces_engines_and_keeps_the_others() -> None:
    async with core() as running:
        rig = Rig(running)
        before = {one.name: one for one in running.engines.engines}
        german = {
            **BASE["engines"],
            "german": scripted("g", languages=["de"]),
            "korean": scripted("x", languages=["ko"]),
        }
        async with running.admission.open(PCM, transport="test", peer="here", query={"language": "ko"}) as session:
            await session.feed(HALF_SECOND)
            assert await rig.to({"engines": german, "routing": {**BASE["routing"], "de": "german"}})
            after = {one.name: one for one in running.engines.engines}
            assert [after[name] is before.get(name) for name in ("default", "english", "german", "korean")] == [
                True,
                True,
                False,
                False,
            ]
            assert await text(running, language="de") == " g1 g2 g3 g4"
            assert await text(running, language="ko") == " x1 x2 x3 x4"
            await session.feed(HALF_SECOND)
            await session.finish()
            assert [update async for update in session.updates()][-1].text == " k1 k2"
        await before["korean"].worker.vacant()
        assert await rig.to({"engines": {}, "routing": {}})
        assert await text(running, language="en") == " d1 d2 d3 d4"


async def test_a_session_is_handed_over_to_an_engine_that_came_while_it_began() -> None:
    async with core() as running:
        rig = Rig(running)
        async with running.admission.open(PCM, transport="test", peer="here") as session:
            await session.feed(HALF_SECOND)
            old = running.engines.engines.named("english")
            assert await rig.to({"engines": {**BASE["engines"], "english": scripted("n", languages=["en"])}})
            while old.worker in running.workers():  # noqa: ASYNC110 (nothing tells that it is closed)
                await asyncio.sleep(0)
            for _ in range(3):
                await session.feed(HALF_SECOND)
            await session.finish()
            async with asyncio.timeout(5):
                assert [update async for update in session.updates()][-1].text == " n1 n2 n3 n4"


async def test_routing_alone_changes_at_once() -> None:
    async with core() as running:
        rig = Rig(running)
        assert await rig.to({"routing": {"ko": "korean"}})
        assert await text(running, language="en") == " d1 d2 d3 d4"


async def test_an_engine_that_does_not_fit_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with core() as running:
        rig = Rig(running)
        rig.free = 1_000_000_000
        large = scripted("g", memory_bytes=3_000_000_000)
        assert not await rig.to({"engines": {**BASE["engines"], "large": large}})
        assert "engines.large: the new model needs about 3.0 GB" in caplog.text
        assert await text(running, language="en") == " e1 e2 e3 e4"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backends that know Korean cannot be loaded."""

    async def provision(self: Scripted, ctx: object) -> None:
        if "ko" in self.languages():
            raise ProvisionError("no model in this folder")

    monkeypatch.setattr(Scripted, "provision", provision)


async def test_an_engine_that_cannot_be_loaded_names_itself(broken: None) -> None:
    with pytest.raises(ProvisionError, match=r"engines\.korean: no model in this folder"):
        async with core():
            pass


async def test_a_folder_that_may_not_be_entered_is_told_by_who_loads_the_model(
    broken: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def memory_needed(self: Scripted, models_dir: Path) -> int:
        raise PermissionError(13, "Permission denied", str(models_dir))

    monkeypatch.setattr(Scripted, "memory_needed", memory_needed)
    with pytest.raises(ProvisionError, match=r"^no model in this folder"):
        async with core({"backend": scripted("k", languages=["ko"]), "engines": {}, "routing": {}}):
            pass


async def test_the_others_go_on_where_the_configuration_says_so(broken: None, caplog: pytest.LogCaptureFixture) -> None:
    optional = {**BASE["engines"], "korean": {**BASE["engines"]["korean"], "required": False}}
    caplog.set_level(logging.ERROR)
    async with core({"engines": optional}) as running:
        assert "engines.korean: no model in this folder; the others go on without it" in caplog.text
        assert await text(running, language="en") == " e1 e2 e3 e4"
        assert running.admission.place == "korean: not loaded"
        with pytest.raises(SessionError, match="model 'korean' is not available now"):
            await text(running, model="korean")
        with pytest.raises(SessionError, match="korean is not known here"):
            await text(running, language="ko")


async def test_a_route_to_an_engine_that_does_not_know_the_language_stops_the_start() -> None:
    with pytest.raises(ProvisionError, match=r"routing\.fr: the engine english does not know fr with this model"):
        async with core({"routing": {"fr": "english"}}):
            pass


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"engines": {"default": scripted("x")}}, 'engines.default: "default" is what backend is called'),
        ({"engines": {"a": {"name": "scripte"}}, "routing": {}}, 'engines.a.name: no backend is called "scripte"'),
        ({"engines": {"a": scripted("x", wrong=1)}, "routing": {}}, "engines.a.options.wrong: unknown option"),
        ({"engines": ["a"], "routing": {}}, "engines: must name each further backend"),
        ({"routing": {"en": "nobody"}}, 'routing.en: there is no engine "nobody"; known: default, english, korean'),
        ({"routing": {"english": "english"}}, 'routing.english: "english" is not an ISO 639-1 code'),
    ],
)
def test_mistakes_in_the_configuration_are_named(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration(changes)
    assert any(str(found).startswith(problem) for found in caught.value.problems), caught.value.problems


# Sharing the machine -----------------------------------------------------------------------------------------


async def test_capabilities_tell_what_each_engine_declares() -> None:
    async with core() as running:
        told = running.admission.capabilities()
    assert told.languages == ("de", "en", "fr", "ko")
    assert [(one.name, one.backend, one.languages, one.tasks) for one in told.engines] == [
        ("default", "scripted", ("de", "en", "fr"), ("transcribe", "translate")),
        ("english", "scripted", ("en",), ("transcribe", "translate")),
        ("korean", "scripted", ("ko",), ("transcribe",)),
    ]
    assert told.engines[0].abilities.detects_language


def engine(name: str, capacity: int, turns: Turns | None = None) -> Engine:
    backend = Scripted(ScriptedOptions())
    return Engine(name, backend, Worker(backend, WorkerOptions(), Metrics(), capacity, name=name, turns=turns))


def test_each_session_takes_as_much_of_the_machine_as_its_engine_needs() -> None:
    large, small = engine("default", 4), engine("small", 12)
    engines = Engines({"default": large, "small": small})
    assert (engines.room(large, {}), engines.room(small, {})) == (4, 12)
    assert (engines.room(large, {large: 1, small: 3}), engines.room(small, {large: 1, small: 3})) == (2, 6)
    assert (engines.room(large, {large: 3, small: 2}), engines.room(small, {large: 3, small: 2})) == (0, 1)
    assert engines.room(large, {large: 5}) == -1


async def test_who_finds_all_engines_full_is_refused() -> None:
    async with core() as running:
        for one in running.engines.engines:
            one.worker.capacity.sessions = 1
        assert running.admission.max_sessions == 1
        async with running.admission.open(PCM, transport="test", peer="here", query={"language": "en"}):
            refusal = running.admission.refusal()
            assert refusal is not None and refusal.code == "server_full"
            with pytest.raises(SessionError, match="all 1 sessions are taken"):
                await text(running)


class Sharer:
    def __init__(self, share: Fraction) -> None:
        self.share = share
        self.load = Load()
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_who_has_waited_longest_gets_the_next_turn() -> None:
    turns, whole, half = Turns(), Sharer(Fraction(1)), Sharer(Fraction(1, 2))
    assert turns.take(half, since=1.0) and turns.take(half, since=2.0), "two halves are a whole"
    assert not turns.take(whole, since=3.0) and not turns.take(half, since=4.0)
    turns.give_back(half)
    assert whole.woken and not turns.take(whole, since=3.0), "half of it is still taken"
    assert not turns.take(half, since=4.0), "the small one does not slip past"
    turns.give_back(half)
    assert turns.take(whole, since=3.0)
    turns.give_back(whole)
    assert not turns.take(whole, since=9.0), "the other has waited since 4"
    turns.renounce(half)
    assert turns.take(whole, since=9.0)


class Noting(Scripted):
    """Knows when it ran."""

    def __init__(self, running: list[str], name: str) -> None:
        super().__init__(ScriptedOptions(step_seconds=0.01))
        self._running = running
        self._name = name

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        self._running.append(self._name)
        commits = super().run(batch)
        self._running.append(self._name)
        return commits


async def test_engines_run_by_turns_and_none_waits_for_ever() -> None:
    turns, ran = Turns(), list[str]()
    workers = [
        Worker(Noting(ran, name), WorkerOptions(max_batch=1), Metrics(), name=name, turns=turns) for name in ("a", "b")
    ]
    streams = []
    for worker in workers:
        await worker.start(warm_up=False)
        streams += [worker.open(RecognitionParams(), lambda outcome: None) for _ in range(3)]
    for stream in streams:
        stream.push(Frame(0, speech_like(1.0)))
        stream.push(Pause(16_000))
    for stream in streams:
        await stream.drained()
    for worker in workers:
        await worker.close()
    assert ran[::2] == ran[1::2], "two batches ran at once"
    assert ran.count("a") == ran.count("b") == 6
    assert turns.live_busy(time.monotonic()) == 0, "who has left is not counted"


# For clients -------------------------------------------------------------------------------------------------


async def test_every_protocol_tells_of_the_engines_and_takes_their_names() -> None:
    transports = {"websocket": {}, "openai": {}, "deepgram": {}}
    async with running_daemon({**BASE, "transports": transports}) as daemon, aiohttp.ClientSession() as http:

        async def deepgram(model: str) -> tuple[int, Any]:
            query = {"model": model, "encoding": "linear16", "sample_rate": "16000"}
            async with http.post(f"{daemon.http}/v1/listen", params=query, data=HALF_SECOND * 2) as answer:
                return answer.status, await answer.json()

        async def openai(model: str) -> tuple[int, Any]:
            form = aiohttp.FormData(default_to_multipart=True)
            form.add_field("model", model)
            form.add_field("file", wav(HALF_SECOND * 2), filename="a.wav")
            async with http.post(f"{daemon.http}/v1/audio/transcriptions", data=form) as answer:
                return answer.status, await answer.json()

        async with http.get(f"{daemon.http}/v1/models") as answer:
            listed = {model["id"]: model["wlkd"] for model in (await answer.json())["data"]}
        assert {"whisper-1", "default", "english", "korean"} <= listed.keys()
        assert (listed["whisper-1"]["name"], listed["korean"]["languages"]) == ("default", ["ko"])
        async with http.get(f"{daemon.http}/plugins") as answer:
            assert [one["name"] for one in (await answer.json())["engines"]] == ["default", "english", "korean"]
        for ask in (openai, deepgram):
            assert "k1 k2" in str(await ask("korean"))
            status, told = await ask("klingon")
            assert status == 400 and "there is no model 'klingon'; known: default, english, korean" in str(told)
        assert "e1 e2" in str(await openai("gpt-4o-transcribe")) and "e1 e2" in str(await deepgram("nova-3"))
        async with http.ws_connect(f"{daemon.ws}/asr?model=klingon") as socket:
            while (message := json.loads((await socket.receive()).data))["type"] != "error":
                pass
            assert message["code"] == "bad_request" and "known: default, english, korean" in message["message"]
