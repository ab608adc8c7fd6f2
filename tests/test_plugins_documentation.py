"""docs/plugins.md: every hook is there, and every example works as printed."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from wlkd import hookspecs
from wlkd.config import make_config
from wlkd.contract.kinds import KINDS, Kind
from wlkd.plugins import Plugins, load_plugins
from wlkd.testing import Told, check_transport, running_daemon

PAGE = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("wlkd_"))


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """Every example that has a hook, installed as a distribution of its own."""
    points = []
    for number, source in enumerate(EXAMPLES):
        if "@hookimpl" in source:
            module = f"documented_{number}"
            (tmp_path / f"{module}.py").write_text(source)
            points.append(f"{module} = {module}")
            monkeypatch.delitem(sys.modules, module, raising=False)
    info = tmp_path / "documented-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: documented\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(["[wlkd]", *points]))
    monkeypatch.syspath_prepend(tmp_path)
    return load_plugins(named=[point.partition(" ")[0] for point in points])


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_s_hook_is_documented(kind: Kind) -> None:
    assert f"| `{kind.hook}(register)` |" in PAGE


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_arguments(hook: str) -> None:
    function = getattr(hookspecs, hook)
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    assert f"| `{hook}({', '.join(arguments)})` |" in PAGE


def test_every_kind_of_component_has_an_example(plugins: Plugins) -> None:
    documented = {entry.kind for entry in plugins.components if entry.distribution == "documented"}
    assert documented == set(KINDS)


async def test_the_page_s_own_contract_test_passes(plugins: Plugins) -> None:
    tests = [source for source in EXAMPLES if "def test_" in source]
    assert len(tests) == 1
    names: dict[str, Any] = {}
    for entry in plugins.components:
        if entry.distribution == "documented":
            names[entry.component.__name__] = entry.component
            names[entry.component.Config.__name__] = entry.component.Config
    exec(compile(tests[0], "docs/plugins.md", "exec"), names)
    functions = [value for value in names.values() if isinstance(value, types.FunctionType)]
    [test] = [function for function in functions if function.__name__.startswith("test_")]
    await test()


def test_the_documented_problem_reaches_the_operator(plugins: Plugins) -> None:
    values = {"recognition": {"task": "translate"}, "backend": {"name": "stopwatch"}}
    with pytest.raises(Exception, match=r"recognition\.task: stopwatch cannot translate: write transcribe"):
        make_config(values, plugins)


async def test_the_documented_components_make_a_daemon(plugins: Plugins) -> None:
    values = {
        "decoders": {"signed-bytes": None},
        "vad": {"name": "loudness"},
        "backend": {"name": "stopwatch", "options": {"unit": "s"}},
        "transports": {"upload": {}},
    }
    speech = bytes([32, 224]) * 16_000
    async with running_daemon(values) as daemon, aiohttp.ClientSession() as client:
        headers = {"Content-Type": "audio/x-s8"}
        async with client.post(f"{daemon.http}/upload", data=speech, headers=headers) as answer:
            assert (answer.status, await answer.text()) == (200, " 2.0 s")


@pytest.mark.parametrize("query", ["format=s8", "content_type=audio/x-s8", "format=pcm"])
async def test_the_documented_decoder_is_reached_beside_the_others(plugins: Plugins, query: str) -> None:
    values = {
        "decoders": {"signed-bytes": None},
        "vad": {"name": "loudness"},
        "backend": {"name": "stopwatch", "options": {"unit": "s"}},
    }
    speech = bytes([32, 224]) * 16_000 * (2 if "pcm" in query else 1)
    async with (
        running_daemon(values) as daemon,
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{daemon.ws}/asr?{query}") as socket,
    ):
        await socket.send_bytes(speech)
        await socket.send_bytes(b"")
        update: dict[str, Any] = {}
        while (message := await socket.receive_json())["type"] != "ready_to_stop":
            update = message
    assert [line["text"] for line in update["lines"]] == [" 2.0 s"]


async def test_a_format_that_nobody_takes_is_refused_in_a_sentence(plugins: Plugins) -> None:
    values = {"decoders": {"signed-bytes": None}, "vad": {"name": "none"}, "backend": {"name": "scripted"}}
    async with (
        running_daemon(values) as daemon,
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{daemon.ws}/asr?format=adpcm") as socket,
    ):
        message = (await socket.receive_json())["message"]
    assert message == (
        'this server has no decoder for audio of the format "adpcm"; raw formats known: '
        "s16le, s16be, s24le, s24be, s32le, f32le, u8, mulaw, alaw, opus, s8"
    )


async def test_the_documented_transport_keeps_the_contract(plugins: Plugins) -> None:
    transport = plugins.component("transport", "upload")

    async def client(port: int, audio: bytes) -> Told:
        async with aiohttp.request("POST", f"http://127.0.0.1:{port}/upload", data=audio) as answer:
            text = await answer.text()
        return Told(text.strip()) if answer.status == 200 else Told("", text)

    await check_transport(lambda port: transport(transport.Config()), client)  # type: ignore[arg-type, return-value]
