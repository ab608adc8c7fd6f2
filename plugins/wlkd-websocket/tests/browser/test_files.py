"""Files that are transcribed, and those that are not."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from tests.wav import wav
from wlkd.contract.audio import SAMPLE_RATE

from .given import NOTICE


async def test_a_file_is_transcribed(scripted, browse, script, tmp_path):
    soundfile = pytest.importorskip("soundfile", reason="pip install wlkd-bench")
    np = pytest.importorskip("numpy")
    path = tmp_path / "meeting.wav"
    soundfile.write(path, np.zeros(16_000 * 300, dtype="float32"), 16_000)
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.set_input_files("#file", path)
        await visit.until(r"/meeting\.wav: \d+ %/.test(document.getElementById('status').textContent)")
        await visit.is_in("idle")
        assert script(await visit.said(), 600)
        await visit.sees("#elapsed", "5:00")


async def test_a_file_that_is_not_audio_is_explained(scripted, browse, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not audio " * 1000)
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.set_input_files("#file", path)
        await visit.sees(NOTICE, "The server refused")
        await visit.sees(NOTICE, "cannot decode")
        await visit.is_in("idle")


async def test_a_file_that_the_server_fails_on_is_sent_again_less_and_less_often(scripted, browse, tmp_path):
    path = tmp_path / "meeting.wav"
    path.write_bytes(wav(bytes(2 * SAMPLE_RATE * 60)))
    core = {"backend": {"name": "scripted", "options": {"fail_on": " four"}}}
    async with scripted(core) as daemon, browse() as visit:
        times: list[float] = []
        visit.on("websocket", lambda socket: times.append(time.monotonic()))
        await visit.goto(daemon.http)
        await visit.set_input_files("#file", path)
        while len(times) < 6:
            await visit.wait_for_timeout(100)
        waits = [after - before for before, after in pairwise(times)]
        assert waits[-1] > 2 * waits[0], waits
        await visit.click("#record")
        await visit.is_in("idle")


async def test_a_file_that_is_dropped_while_the_microphone_runs_is_not_opened_and_that_is_said(scripted, browse):
    drop = """() => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(32000)], "meeting.pcm"));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    }"""
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("one")
        await visit.evaluate(drop)
        await visit.sees(NOTICE, "meeting.pcm was not opened")
        assert len(await visit.finishes()) >= 1
        await visit.sees_no(NOTICE)


async def test_of_several_files_that_are_dropped_at_once_the_one_that_is_opened_is_named(scripted, browse):
    drop = """(bytes) => {
        const data = new DataTransfer();
        for (const name of ["one.wav", "two.wav"]) data.items.add(new File([new Uint8Array(bytes)], name));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    }"""
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.evaluate(drop, list(wav(bytes(32_000))))
        await visit.hears("two")
        await visit.is_in("idle")
        await visit.sees(NOTICE, "one.wav is the only one that was opened")


async def test_an_empty_file_is_explained(scripted, browse, tmp_path):
    path = tmp_path / "meeting.wav"
    path.touch()
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.set_input_files("#file", path)
        await visit.sees(NOTICE, "There is nothing in meeting.wav")
        await visit.click("#ui-language")
        await visit.sees(NOTICE, "meeting.wav 中没有任何内容")
        await visit.is_in("idle")
