"""`wlkd transcribe --server` against a made-up server; in process in `test_transcribe_in_process.py`."""

import argparse
import asyncio
import errno
import io
import os

import pytest

from wlkd.cli import transcribe
from wlkd.cli.outputs import sources


@pytest.fixture
def wlkd_transcribe(fake_asr):
    """Runs the command against a made-up server; returns its exit status and the server."""

    async def call(*arguments, **wishes):
        parser = argparse.ArgumentParser()
        transcribe.add_arguments(parser)
        async with fake_asr(**{"pcm": False, **wishes}) as server:
            args = parser.parse_args([*map(str, arguments), "--server", server.url])
            return await asyncio.to_thread(transcribe.main, args), server

    return call


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.webm"
    path.write_bytes(b"webm" * 50_000)
    return path


async def test_the_file_goes_out_whole_and_the_text_comes_to_stdout(wlkd_transcribe, talk, capsys):
    status, server = await wlkd_transcribe(talk, "--language", "de", rest=" Guten Tag.")
    assert status == 0
    assert capsys.readouterr().out == "Guten Tag.\n"
    assert b"".join(server.heard) == talk.read_bytes()
    assert server.queries == [
        {"format": "container", "language": "de", "words": "true", "priority": "upload", "resume": "true"}
    ]


async def test_a_file_for_each_file(wlkd_transcribe, talk, tmp_path):
    out = tmp_path / "deep" / "out"
    status, _ = await wlkd_transcribe(talk, "--format", "srt", "--output-dir", out, rest=" Hi.")
    assert status == 0
    assert (out / "talk.srt").read_text() == "1\n00:00:00,000 --> 00:00:01,000\nHi.\n"


async def test_one_bad_file_does_not_stop_the_others(wlkd_transcribe, talk, tmp_path, capsys):
    status, _ = await wlkd_transcribe(tmp_path / "absent.mp3", talk, rest=" Hi.")
    assert status == 1
    said = capsys.readouterr()
    assert f"==> {talk} <==\nHi.\n" in said.out
    assert "absent.mp3" in said.err


class Shut(io.StringIO):
    """The pipe to a `head` that has enough."""

    def write(self, text):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


async def test_nothing_is_transcribed_for_nobody(wlkd_transcribe, talk, monkeypatch):
    monkeypatch.setattr("sys.stdout", Shut())
    another = talk.with_name("another.webm")
    another.write_bytes(b"other" * 50_000)
    with pytest.raises(BrokenPipeError):
        await wlkd_transcribe(talk, another, rest=" Hi.")


class Full(io.StringIO):
    """A file on a full disk."""

    def flush(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_what_cannot_be_printed_ends_the_work(wlkd_transcribe, talk, monkeypatch, capsys):
    another = talk.with_name("another.webm")
    another.write_bytes(b"other" * 50_000)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", Full())
        status, server = await wlkd_transcribe(talk, another, rest=" Hi.")
    assert status == 74 and len(server.queries) == 1
    said = "what was heard cannot be printed: No space left on device"
    assert capsys.readouterr().err == f"wlkd transcribe: {talk}: {said}\n"


async def test_a_full_disk_ends_the_work(wlkd_transcribe, talk, tmp_path, capsys):
    another = talk.with_name("another.webm")
    another.write_bytes(b"other" * 50_000)
    out = tmp_path / "out"
    out.mkdir()
    (out / "talk.txt.partial").symlink_to("/dev/full")
    status, server = await wlkd_transcribe(talk, another, "--output-dir", out, rest=" Hi.")
    assert status == 74 and len(server.queries) == 1
    assert f"{out}/talk.txt cannot be written: No space left on device; make room and run" in capsys.readouterr().err
    assert list(out.iterdir()) == [], "half of a transcript would take the little room that is left"


async def test_a_name_that_is_too_long_costs_no_other_file(wlkd_transcribe, talk, tmp_path, capsys):
    long = talk.with_name(f"{'x' * 250}.wav")
    long.write_bytes(b"other" * 50_000)
    status, _ = await wlkd_transcribe(long, talk, "--output-dir", tmp_path / "out", rest=" Hi.")
    assert status == 1 and (tmp_path / "out" / "talk.txt").read_text() == "Hi.\n"
    assert "File name too long" in capsys.readouterr().err


async def test_a_dash_is_standard_input(wlkd_transcribe, talk, tmp_path, monkeypatch):
    # The second time it may be another recording, which need not be a new one.
    for rest in (" Hi.", " Bye."):
        with talk.open("rb") as file:
            stdin = os.dup(0)
            os.dup2(file.fileno(), 0)
            try:
                status, server = await wlkd_transcribe("-", "--output-dir", tmp_path, rest=rest)
            finally:
                os.dup2(stdin, 0)
                os.close(stdin)
        assert status == 0 and b"".join(server.heard) == talk.read_bytes()
        assert (tmp_path / "stdin.txt").read_text() == f"{rest.strip()}\n"


async def test_a_file_in_which_nobody_speaks_is_named(wlkd_transcribe, talk, capsys):
    status, _ = await wlkd_transcribe(talk)
    assert status == 0
    assert capsys.readouterr().err == f"wlkd transcribe: {talk}: nobody speaks in it\n"


async def test_the_server_says_why(wlkd_transcribe, talk, capsys):
    status, _ = await wlkd_transcribe(talk, fail_after=1.0)
    assert status == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "undecodable_audio: what was that?" in said.err


async def test_the_words_before_damage_are_written(wlkd_transcribe, talk, capsys):
    status, _ = await wlkd_transcribe(talk, script=[(0.5, " Good day.", "")], fail_after=5.0)
    assert status == 1
    said = capsys.readouterr()
    assert said.out == "Good day.\n"
    assert "talk.webm: undecodable_audio: what was that?" in said.err


class DamagedDisk(io.BytesIO):
    """A file whose second half cannot be read."""

    def read(self, size=-1):
        if self.tell():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)


async def test_the_words_before_a_damage_of_the_disk_are_kept(fake_asr):
    async with fake_asr(pcm=False, rest=" Good day.") as server:
        result = await transcribe.remotely(server.url, {}, DamagedDisk(b"webm"), lambda done, total: None)
    assert [line.text for line in result.lines] == [" Good day."]
    assert isinstance(result.failure, OSError)
    assert server.heard == [b"webm"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mp3", "b.mp3", "--format", "srt"], "add --output-dir"),
        (["x/a.mp3", "y/a.mp3", "--output-dir", "."], "both become a.txt; run the command for each, with"),
        (["x/a.mp3", "y/a.mp3", "a.wav", "--output-dir", "."], "both become a.txt"),
        (["a.mp3", "a.wav", "a.wav.ogg", "--output-dir", "."], "both become a.wav.txt"),
        (["a.mp3", "--format", "srt,txt"], "srt and text cannot be printed together"),
        (["a.mp3", "--output-dir", __file__], "is not a folder"),
        (
            ["a.mp3", "--output-dir", f"{__file__}/out"],
            f"nothing can be written to {__file__}/out: Not a directory; name a folder of your own with --output-dir",
        ),
    ],
)
async def test_wishes_that_make_no_sense(wlkd_transcribe, capsys, arguments, message):
    status, server = await wlkd_transcribe(*arguments)
    assert status == 64
    assert message in capsys.readouterr().err
    assert server.queries == []


def test_a_named_pipe_in_a_folder_is_not_waited_for(talk):
    os.mkfifo(talk.with_name("pipe.wav"))
    broken = talk.with_name("moved.wav")
    broken.symlink_to("elsewhere.wav")
    found, problems = sources([talk.parent])
    assert [source.path for source in found] == [broken, talk]
    assert problems == []


def test_a_format_that_nobody_knows(wlkd_transcribe, capsys):
    parser = argparse.ArgumentParser()
    transcribe.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["a.mp3", "--format", "txt,docx"])
    assert "docx: known are txt, srt, vtt, json" in capsys.readouterr().err
