"""What whoever runs a measurement did wrong is told without a traceback, before any work."""

import importlib
import sys

import pytest


@pytest.fixture
def told(monkeypatch, capsys):
    """What `python -m wlkd_bench.NAME ARGUMENTS` says on stderr when it ends with status 2."""

    def run(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            importlib.import_module(f"wlkd_bench.{name}").main()
        assert ended.value.code == 2
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("simulate", ["no.jsonl"]),
        ("turns", ["no.jsonl"]),
        ("uploads", ["no.jsonl"]),
        ("voices", ["no.jsonl"]),
        ("packet_loss", ["no.jsonl", "made", "--set", "s"]),
        ("conversations", ["no.jsonl", "made", "--set", "s"]),
        ("languages", ["make", "no.jsonl", "made", "--one", "s"]),
        ("offline", ["models", "--manifest", "no.jsonl"]),
        ("final_segment", ["ws://localhost:9/asr", "--manifest", "no.jsonl"]),
        ("diarization", ["ws://localhost:9/asr", "--manifest", "no.jsonl"]),
        ("compare", ["no.jsonl", "no.jsonl"]),
    ],
)
def test_a_file_that_is_not_there_is_named(told, tmp_path, monkeypatch, name, arguments):
    monkeypatch.chdir(tmp_path)
    assert told(name, *arguments).startswith("no.jsonl: cannot be read: ")


def test_options_are_checked_as_in_the_configuration(told, manifest):
    said = told("simulate", manifest({"id": "a"}), "--backend", "scripted", "-o", "nope=1")
    assert said.startswith("nope: unknown option; known: ")


def test_an_option_without_a_value_is_not_one(told, manifest):
    assert "nope: give it as NAME=VALUE" in told("simulate", manifest({"id": "a"}), "-o", "nope")


def test_a_backend_that_does_not_exist_is_told_with_those_that_do(told, manifest):
    assert 'no backend is called "nope"; known: ' in told("simulate", manifest({"id": "a"}), "--backend", "nope")


def test_a_name_is_never_downloaded(told, manifest, tmp_path):
    said = told("offline", tmp_path / "tiny", "--manifest", manifest({"id": "a"}))
    assert said == f"{tmp_path / 'tiny'}: there is no such folder\n"


def test_a_result_of_another_kind_is_refused(told, tmp_path):
    other = tmp_path / "other.json"
    other.write_text("[]")
    assert 'other.json: is not what a measurement writes with --json: it lacks "clips"' in told("compare", other, other)


def test_a_manifest_of_clips_holds_no_conversation(told, manifest):
    said = told("diarization", "ws://localhost:9/asr", "--manifest", manifest({"id": "a"}))
    assert said.endswith("manifest.jsonl:1: the key 'segments' is missing\n")
