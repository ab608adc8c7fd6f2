"""`wlkd transcribe` without a server: the real core on the scripted backend."""

import argparse
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import yaml

from tests.waiting import PATIENCE_SECONDS
from wlkd.cli import transcribe
from wlkd.testing import speech_like


@pytest.fixture
def wlkd_transcribe(tmp_path):
    """Runs the command with a scripted backend that says a word each half second; returns its exit status."""

    def call(*arguments, **settings):
        config = tmp_path / "wlkd.yaml"
        values = {
            "decoders": {"av": {}},
            "vad": {"name": "none"},
            "backend": {"name": "scripted"},
            "warmup": False,
            **settings,
        }
        config.write_text(yaml.safe_dump(values))
        parser = argparse.ArgumentParser()
        transcribe.add_arguments(parser)
        return transcribe.main(parser.parse_args([*map(str, arguments), "--config", str(config)]))

    return call


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.wav"
    soundfile.write(path, speech_like(2.5), 16_000)
    return path


def test_words_with_their_times(wlkd_transcribe, talk, capsys):
    assert wlkd_transcribe(talk, "--format", "json", "--language", "de") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["text"] == "one two three four five"
    assert found["language"] == "de"
    words = [word for line in found["lines"] for word in line["words"]]
    assert [word["text"] for word in words] == [" one", " two", " three", " four", " five"]
    assert all(0 <= word["start"] < word["end"] <= 2.5 for word in words)


def test_files_that_cannot_be_decoded_hurt_only_themselves(wlkd_transcribe, talk, tmp_path, capsys):
    rubbish = tmp_path / "rubbish.mp3"
    rubbish.write_bytes(b"not audio at all " * 1000)
    out = tmp_path / "out"
    assert wlkd_transcribe(rubbish, talk, tmp_path / "absent.wav", "--output-dir", out) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if f"{rubbish}: undecodable_audio: " in line]
    assert [line for line in said if f"{tmp_path}/absent.wav: " in line and "No such file" in line]
    assert [path.name for path in out.iterdir()] == ["talk.txt"]


def test_a_path_that_cannot_be_looked_at_hurts_only_itself(wlkd_transcribe, talk, tmp_path, capsys):
    # As long a name is refused to root, too, unlike a folder that belongs to somebody else.
    wrong = tmp_path / ("a" * 300)
    assert wlkd_transcribe(wrong, talk) == 1
    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if f"{wrong}: " in line and "File name too long" in line]
    assert said.out.endswith("one two three four five\n")
    assert wlkd_transcribe(talk, "--output-dir", wrong) == 64
    assert f"nothing can be written to {wrong}: File name too long" in capsys.readouterr().err


@pytest.fixture
def trouble(tmp_path):
    """A recording long enough for words before the backend fails, and the backend that does."""
    path = tmp_path / "trouble.wav"
    soundfile.write(path, speech_like(5), 16_000)
    return path, {"name": "scripted", "options": {"fail_on": " nine"}}


def test_the_words_before_a_failure_are_written(wlkd_transcribe, trouble, capsys):
    path, backend = trouble
    assert wlkd_transcribe(path, backend=backend) == 1
    said = capsys.readouterr()
    assert said.out.startswith("one two three four")
    assert "trouble.wav: backend_failed: " in said.err


def test_what_is_odd_about_a_recording_is_said(wlkd_transcribe, tmp_path, capsys):
    path = tmp_path / "talk.wav"
    damaged = np.concatenate([speech_like(2.5), np.full(16_000, np.nan, np.float32)])
    soundfile.write(path, damaged, 16_000, subtype="FLOAT")
    assert wlkd_transcribe(path) == 0
    said = capsys.readouterr()
    assert said.out.startswith("one two three four five")
    assert f"{path}: " in said.err


def test_a_language_that_the_backend_does_not_know(wlkd_transcribe, talk, capsys):
    assert wlkd_transcribe(talk, "--language", "xx") == 1
    assert "bad_request" in capsys.readouterr().err


def test_tokens_guard_the_daemon_not_the_file(wlkd_transcribe, talk, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("secret\n")
    assert wlkd_transcribe(talk, auth={"tokens_file": str(tokens)}) == 0


def test_a_backend_that_fails(wlkd_transcribe, talk, capsys):
    assert wlkd_transcribe(talk, backend={"name": "scripted", "options": {"fail_on": " three"}}) == 1
    assert "talk.wav: backend_failed" in capsys.readouterr().err


def test_a_bad_configuration_is_78(wlkd_transcribe, talk, capsys):
    assert wlkd_transcribe(talk, backend={"name": "nobody"}) == 78
    assert "nobody" in capsys.readouterr().err


@pytest.fixture
def recordings(tmp_path, talk):
    """A folder with two recordings, one of them in a folder of its own, and something else."""
    folder = tmp_path / "recordings"
    (folder / "monday").mkdir(parents=True)
    for path in (folder / "a.wav", folder / "monday" / "a.wav"):
        path.write_bytes(talk.read_bytes())
    (folder / "notes.txt").write_text("no recording")
    (folder / ".hidden.wav").write_text("no recording either")
    return folder


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_in_several_formats(wlkd_transcribe, recordings, tmp_path, capsys):
    out = tmp_path / "out"
    assert wlkd_transcribe(recordings, "--format", "txt,srt", "--output-dir", out) == 0
    assert written(out) == ["a.srt", "a.txt", "monday/a.srt", "monday/a.txt"]
    assert (out / "monday" / "a.txt").read_text() == "one two three four five\n"
    assert (out / "a.srt").read_text().startswith("1\n00:00:00,")
    assert "2 transcribed, 5 s of audio in " in capsys.readouterr().err


def test_what_is_there_is_left_out(wlkd_transcribe, recordings, tmp_path, capsys):
    out = tmp_path / "out"
    wishes = (recordings, "--output-dir", out, "--format", "vtt,json")
    assert wlkd_transcribe(*wishes) == 0
    before = (out / "a.json").stat().st_mtime_ns
    (out / "monday" / "a.vtt").unlink()  # as if the command had been interrupted
    capsys.readouterr()
    assert wlkd_transcribe(*wishes) == 0
    assert written(out) == ["a.json", "a.vtt", "monday/a.json", "monday/a.vtt"]
    assert (out / "a.json").stat().st_mtime_ns == before
    assert "1 transcribed" in (said := capsys.readouterr().err) and "1 done before" in said
    assert wlkd_transcribe(*wishes, "--overwrite") == 0
    assert (out / "a.json").stat().st_mtime_ns > before


def test_recordings_whose_names_differ_in_the_suffix_alone(wlkd_transcribe, talk, recordings, tmp_path, capsys):
    (recordings / "monday" / "a.flac").write_bytes(talk.read_bytes())
    out = tmp_path / "out"
    for done in ("3 transcribed", "3 done before"):
        assert wlkd_transcribe(recordings, "--output-dir", out) == 0
        assert written(out) == ["a.txt", "monday/a.flac.txt", "monday/a.wav.txt"]
        assert done in capsys.readouterr().err


def test_a_recording_that_changed_is_transcribed_again(wlkd_transcribe, talk, tmp_path):
    out = tmp_path / "out"
    assert wlkd_transcribe(talk, "--output-dir", out) == 0
    before = (out / "talk.txt").stat()
    os.utime(talk, ns=(before.st_mtime_ns + 1, before.st_mtime_ns + 1))
    assert wlkd_transcribe(talk, "--output-dir", out) == 0
    assert (out / "talk.txt").stat().st_mtime_ns > before.st_mtime_ns


def test_words_before_a_failure_do_not_pass_for_a_transcript(wlkd_transcribe, trouble, talk, tmp_path, capsys):
    path, backend = trouble
    out = tmp_path / "out"
    for _ in range(2):
        assert wlkd_transcribe(path, talk, "--output-dir", out, backend=backend) == 1
        assert written(out) == ["talk.txt", "trouble.txt.partial"]
        assert "1 failed" in capsys.readouterr().err
    assert (out / "trouble.txt.partial").read_text().startswith("one two three four")


def test_a_folder_without_recordings_is_said(wlkd_transcribe, talk, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert wlkd_transcribe(empty, talk) == 1
    said = capsys.readouterr()
    assert f"{empty}: no audio or video file in this folder" in said.err
    assert said.out == "one two three four five\n"


def test_a_file_whose_name_is_not_utf_8(wlkd_transcribe, talk, tmp_path, capsys):
    odd = tmp_path / os.fsdecode(b"caf\xe9.wav")
    odd.write_bytes(talk.read_bytes())
    assert wlkd_transcribe(odd, talk) == 0
    assert f"==> {tmp_path}/caf\N{REPLACEMENT CHARACTER}.wav <==\n" in capsys.readouterr().out
    out = tmp_path / "out"
    assert wlkd_transcribe(odd, talk, "--output-dir", out, "--format", "json") == 0
    assert written(out) == [os.fsdecode(b"caf\xe9.json"), "talk.json"]
    assert json.loads((out / written(out)[0]).read_text())["source"].endswith("/caf\N{REPLACEMENT CHARACTER}.wav")


def test_an_empty_recording_is_no_transcript(wlkd_transcribe, talk, tmp_path, capsys):
    empty = tmp_path / "empty.wav"
    empty.touch()
    out = tmp_path / "out"
    for _ in range(2):
        assert wlkd_transcribe(empty, talk, "--output-dir", out) == 1
        assert f"{empty}: the file is empty\n" in capsys.readouterr().err
        assert written(out) == ["talk.txt"]


def test_ctrl_c_does_not_wait_for_what_is_being_computed(talk, tmp_path):
    config = tmp_path / "wlkd.yaml"
    backend = {"name": "scripted", "options": {"step_seconds": PATIENCE_SECONDS}}
    config.write_text(yaml.safe_dump({"vad": {"name": "none"}, "backend": backend}))
    pipe = tmp_path / "talk"
    os.mkfifo(pipe)
    # Whoever runs the tests may ignore Ctrl-C, and programs inherit that.
    code = "import signal, sys, wlkd.__main__\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "sys.exit(wlkd.__main__.main())"
    command = [sys.executable, "-c", code, "transcribe", str(pipe), "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        pipe.write_bytes(talk.read_bytes())  # waits until the core is there and opens it
        time.sleep(1.0)  # a step has begun
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS / 2) == 130
        assert process.stderr.read() == b""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_tells_the_speed(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with transcribe.ProgressBar("talk.mp3") as report:
        report(30.0, 60.0)
        assert report.seconds == 30.0
    assert re.search(r"talk.mp3:  50%.* 30/60 s of audio, \d+\.\d x \[", sys.stderr.getvalue())


@pytest.mark.parametrize(("seconds", "text"), [(7.4, "7 s"), (187, "3:07 min"), (7387, "2:03:07 h")])
def test_times_are_readable(seconds, text):
    assert transcribe.clock(seconds) == text
