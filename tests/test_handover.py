"""The default engine finds the language, and hands what it heard to the engine of that language."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from tests.three_engines import HALF_SECOND, core, scripted, text, updates
from tests.whole_core import opened
from wlkd.contract.types import Commit, Frame, Pause, RecognitionParams
from wlkd.inference.backlog import Outcome
from wlkd.inference.handover import Place
from wlkd.testing import speech_like


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
        async with opened(admission) as session:
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
        async with opened(running.admission, priority="upload") as session:
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
