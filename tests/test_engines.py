"""Several backends in one daemon: which one hears a session, and how they share the machine."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import aiohttp
import pytest
from wlkd_scripted.backend import Scripted, ScriptedOptions

from tests.three_engines import BASE, HALF_SECOND, configuration, core, scripted, text
from tests.wav import wav
from tests.whole_core import opened
from wlkd.config.options import WorkerOptions
from wlkd.contract.components import StepPlan
from wlkd.contract.errors import ConfigError, SessionError
from wlkd.contract.types import Commit, Frame, Pause, RecognitionParams
from wlkd.inference.engines import Engine, Engines
from wlkd.inference.turns import Turns
from wlkd.inference.utilization import Load
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.testing import running_daemon, speech_like


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
        async with opened(running.admission, query={"language": "en"}):
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
