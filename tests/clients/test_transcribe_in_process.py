"""`wlkd transcribe` without a server: the real core on the scripted backend."""

import argparse
import json

import numpy as np
import pytest
import soundfile
import yaml

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
    assert wlkd_transcribe(rubbish, talk, tmp_path, "--output-dir", out) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if f"{rubbish}: undecodable_audio: " in line]
    assert [line for line in said if f"{tmp_path}: " in line and "directory" in line]
    assert [path.name for path in out.iterdir()] == ["talk.txt"]


def test_the_words_before_damage_are_written(wlkd_transcribe, tmp_path, capsys):
    path = tmp_path / "talk.wav"
    damaged = np.concatenate([speech_like(2.5), np.full(16_000, np.nan, np.float32)])
    soundfile.write(path, damaged, 16_000, subtype="FLOAT")
    assert wlkd_transcribe(path) == 1
    said = capsys.readouterr()
    assert said.out.startswith("one two three four")
    assert "talk.wav: undecodable_audio: " in said.err


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
