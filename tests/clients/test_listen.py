"""`wlkd listen` as a process, with a made-up server; and what it writes on a terminal."""

import asyncio
import io
import os
import re
import shutil
import signal
import sys

import pytest

from tests.waiting import PATIENCE_SECONDS, until
from wlkd.cli import microphone
from wlkd.cli.terminal import Plain, Screen

SECOND = b"\0" * 32_000
COMMAND = """
import argparse, sys
from wlkd.cli import listen
parser = argparse.ArgumentParser()
listen.add_arguments(parser)
sys.exit(listen.main(parser.parse_args()))
"""


async def start(*arguments, stdin=asyncio.subprocess.PIPE, env=None):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, *arguments,
        stdin=stdin, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env,
    )  # fmt: skip


@pytest.fixture
def recorder(tmp_path):
    """Makes a shell script the recording program: `recorder("parec", "exit 1")`; returns the environment for it."""

    def make(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        # Nothing else: this machine may have a recording program of its own.
        for tool in ("cat", "head", "sh", "sleep", "yes"):
            if not (tmp_path / tool).exists():
                (tmp_path / tool).symlink_to(str(shutil.which(tool)))
        return {**os.environ, "PATH": str(tmp_path)}

    return make


async def test_standard_input_to_its_end(fake_asr):
    async with fake_asr(script=[(1.0, " Good", " mor")], rest=" Good morning.") as server:
        process = await start("-", "--server", server.url, "--language", "en")
        out, err = await process.communicate(2 * SECOND)
    assert (out.decode(), err.decode(), process.returncode) == ("Good morning.\n", "", 0)
    assert b"".join(server.heard) == 2 * SECOND
    assert server.queries == [{"format": "pcm", "language": "en", "resume": "true"}]


async def test_standard_input_that_cannot_be_read_says_so(fake_asr, tmp_path):
    with (tmp_path / "log").open("wb") as only_for_writing:
        async with fake_asr() as server:
            process = await start("-", "--server", server.url, stdin=only_for_writing)
            _, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert err.decode() == "wlkd listen: standard input cannot be read: Bad file descriptor\n"
    assert process.returncode == 1


async def test_ctrl_c_ends_the_audio_and_prints_the_rest(fake_asr):
    async with fake_asr(script=[(1.0, " Good", "")], rest=" Good morning.") as server:
        process = await start("-", "--server", server.url)
        process.stdin.write(SECOND)
        assert await asyncio.wait_for(process.stdout.readexactly(4), PATIENCE_SECONDS) == b"Good"
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.stdout.read(), PATIENCE_SECONDS) == b" morning.\n"
        assert await process.wait() == 0
    assert server.ended == 1


async def test_a_second_ctrl_c_quits(fake_asr):
    async with fake_asr(script=[(1.0, " Good", "")], silent_end=True) as server:
        process = await start("-", "--server", server.url)
        process.stdin.write(SECOND)
        await asyncio.wait_for(process.stdout.readexactly(4), PATIENCE_SECONDS)
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(server.told_the_end.wait(), PATIENCE_SECONDS)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE_SECONDS) == 130


async def test_a_server_that_gives_up_ends_a_silent_input_too(fake_asr):
    async with fake_asr(fail_after=1.0) as server:
        process = await start("-", "--server", server.url)
        process.stdin.write(SECOND)
        err = await asyncio.wait_for(process.stderr.read(), PATIENCE_SECONDS)
    assert err.decode() == "wlkd listen: undecodable_audio: what was that?\n"
    assert await process.wait() == 1


async def test_the_microphone_comes_from_a_recording_program(fake_asr, recorder, tmp_path):
    env = recorder("arecord", 'echo "$@" > "$0.called"; head -c 32000 /dev/zero; exec sleep 60')
    async with fake_asr(script=[(1.0, " Hi", "")], rest=" Hi there.") as server:
        process = await start("--server", server.url, "--device", "hw:1", stdin=None, env=env)
        assert await asyncio.wait_for(process.stdout.readexactly(2), PATIENCE_SECONDS) == b"Hi"
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert (out, err, process.returncode) == (b" there.\n", b"", 0)
    assert (tmp_path / "arecord.called").read_text().split()[-2:] == ["-D", "hw:1"]


async def test_a_microphone_that_fails_says_why(fake_asr, recorder):
    env = recorder("parec", "echo no such device >&2; exit 1")
    async with fake_asr() as server:
        process = await start("--server", server.url, stdin=None, env=env)
        _, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert err.decode() == "wlkd listen: parec stopped: no such device; try --device\n"
    assert process.returncode == 1


async def test_what_was_spoken_before_the_microphone_failed_is_still_printed(fake_asr, recorder):
    env = recorder("parec", "head -c 32000 /dev/zero; echo unplugged >&2; exit 1")
    async with fake_asr(rest=" Hi there.") as server:
        process = await start("--server", server.url, stdin=None, env=env)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert (out.decode(), process.returncode) == ("Hi there.\n", 1)
    assert err.decode() == "wlkd listen: parec stopped: unplugged; try --device\n"
    assert b"".join(server.heard) == SECOND


async def test_a_microphone_that_complains_for_hours_is_heard_all_the_same(fake_asr, recorder):
    # More than what a pipe and asyncio hold together: 64 KiB and 128 KiB.
    env = recorder("parec", "yes overrun | head -c 400000 >&2; head -c 32000 /dev/zero; echo unplugged >&2; exit 1")
    async with fake_asr(rest=" Hi there.") as server:
        process = await start("--server", server.url, stdin=None, env=env)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert out.decode() == "Hi there.\n"
    assert err.decode() == "wlkd listen: parec stopped: overrun\noverrun\nunplugged; try --device\n"


async def test_a_microphone_that_nobody_reads_any_more_ends(recorder, monkeypatch, tmp_path):
    # Of that much, the pipe holds 64 KiB, and asyncio the rest, which is more than 128 KiB: it reads no further.
    script = f"head -c 198000 /dev/zero; : >{tmp_path}/full; exec cat /dev/zero"
    monkeypatch.setenv("PATH", recorder("parec", script)["PATH"])
    async with asyncio.timeout(PATIENCE_SECONDS), microphone.microphone(None):
        await until((tmp_path / "full").exists)


async def test_no_recording_program_names_those_that_would_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(microphone.MicrophoneError, match="parec, arecord, ffmpeg"):
        async with microphone.microphone(None):
            pass


def test_plain_output_holds_committed_text_only():
    out = io.StringIO()
    view = Plain(out)
    view.show([" One"], " two")
    view.show([" One two."], " thr")
    view.show([" One two.", " Three"], "")
    view.close()
    assert out.getvalue() == "One two.\nThree\n"


def test_text_that_was_taken_back_is_said_anew():
    out = io.StringIO()
    view = Plain(out)
    view.show([" One", " tow"], "")
    view.show([" One", " two."], "")
    assert out.getvalue() == "One\ntow\ntwo."


def rendered(written: str) -> list[str]:
    """The rows that a terminal would show: text, line feeds, cursor left, clear to the end of the row."""
    rows, column = [""], 0
    for token in re.findall(r"\x1b\[\d*[A-Za-z]|\n|.", written):
        if token == "\n":
            rows.append("")
            column = 0
        elif token.endswith("D") and token.startswith("\x1b"):
            column -= int(token[2:-1])
        elif token == "\x1b[K":
            rows[-1] = rows[-1][:column]
        elif not token.startswith("\x1b"):
            rows[-1] = rows[-1][:column].ljust(column) + token + rows[-1][column + 1 :]
            column += 1
    return rows


def test_the_tail_is_replaced_by_what_follows():
    out = io.StringIO()
    view = Screen(out, lambda: 40)
    view.show([], " hello")
    assert rendered(out.getvalue()) == ["hello"]
    view.show([" Hello"], " word")
    assert rendered(out.getvalue()) == ["Hello word"]
    assert "\x1b[90m word\x1b[0m" in out.getvalue()
    view.show([" Hello world."], "")
    assert rendered(out.getvalue()) == ["Hello world."]
    view.close()
    assert rendered(out.getvalue()) == ["Hello world.", ""]


@pytest.mark.parametrize("width", [5, 12, 20, 33])
def test_nothing_committed_is_lost_at_any_width(width):
    words = [f" word{number}" for number in range(30)]
    out = io.StringIO()
    view = Screen(out, lambda: width)
    for count in range(len(words)):
        view.show(["".join(words[:count])], " and a long tail that does not fit here"[: count * 3])
    view.show(["".join(words)], "")
    view.close()
    rows = rendered(out.getvalue())
    assert all(len(row) < width for row in rows)
    assert "".join("".join(rows).split()) == "".join("".join(words).split())
