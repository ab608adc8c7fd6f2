"""Loading engines, at the start and by a reload: all of it or nothing, but for what need not be there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from wlkd_scripted.backend import Scripted

from tests.three_engines import BASE, HALF_SECOND, configuration, core, scripted, text
from tests.whole_core import opened
from wlkd.config import Certificate
from wlkd.contract.errors import ProvisionError, SessionError
from wlkd.daemon.pipeline import Core
from wlkd.daemon.reload import Reload
from wlkd.plugins import load_plugins


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
        async with opened(running.admission, query={"language": "ko"}) as session:
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
        async with opened(running.admission) as session:
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
