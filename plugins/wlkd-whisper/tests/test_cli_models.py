"""`wlkd models` as it is typed."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from wlkd_models import command
from wlkd_whisper.catalogue import MODELS

SCRIPTS = Path(__file__).parents[3] / "scripts"


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args([str(word) for word in words]))


def open_to_all(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_list_shows_what_fits(maker, capsys):
    maker.encoder("toy")
    maker.decoder("toy")
    open_to_all(maker.root)
    assert run("list", "--models", maker.root) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["toy", "ready", "8", "wide,", "2+3", "layers,", "4", "mel", "bins,", "11", "tokens"]
    assert len(lines) == 2


def test_a_long_name_keeps_its_distance(tmp_path, capsys):
    (tmp_path / "pyannote-segmentation").mkdir()
    (tmp_path / "campplus").mkdir()
    run("list", "--models", tmp_path)
    rows = [row for row in capsys.readouterr().out.splitlines() if "not usable" in row]
    assert [row.split()[:2] for row in rows] == [["campplus", "not"], ["pyannote-segmentation", "not"]]
    assert len({row.index("not usable") for row in rows}) == 1


def test_list_finds_the_mixed_up_half(maker, dims, capsys):
    maker.encoder("medium")
    maker.decoder("medium", replace(dims, n_text_state=16))
    maker.decoder("small")
    run("list", "--models", maker.root)
    out = capsys.readouterr().out
    assert "do not belong together" in out
    assert f"{maker.root / 'pytorch-whisper-small/small.pt'} would fit this encoder" in out


def test_list_names_private_files_and_stopped_downloads(maker, capsys):
    encoder = maker.encoder("toy")
    maker.decoder("toy")
    open_to_all(maker.root)
    (encoder / "model.bin").chmod(0o600)
    (encoder / "tokenizer.json.part").touch(mode=0o644)
    run("list", "--models", maker.root)
    out = capsys.readouterr().out
    assert f"{encoder / 'model.bin'}: other users cannot read it; `chmod" in out
    assert "tokenizer.json.part: a download that stopped" in out


def test_an_empty_or_missing_folder_is_said(tmp_path, capsys):
    assert run("list", "--models", tmp_path) == 0
    assert "no models" in capsys.readouterr().out
    assert run("list", "--models", tmp_path / "nowhere") == 1
    assert "is missing" in capsys.readouterr().err


def test_verify_fails_on_damage_and_names_the_file(maker, capsys):
    maker.encoder("base")
    maker.decoder("base")
    assert run("verify", "base", "--models", maker.root) == 1
    out = capsys.readouterr().out
    assert f"damaged     {maker.root / 'faster-whisper-base/model.bin'}" in out
    assert f"unpinned    {maker.root / 'pytorch-whisper-base/base.pt'}" in out
    assert "4 of 5 files are missing or damaged" in out


def test_verify_of_an_unknown_conversion_says_that_nothing_is_pinned(maker, capsys):
    maker.encoder("mine")
    maker.decoder("mine")
    assert run("verify", "--models", maker.root) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"unpinned"}


def test_verify_of_a_size_that_is_not_there_fails(tmp_path, capsys):
    assert run("verify", "base", "--models", tmp_path) == 1
    assert capsys.readouterr().out.count("missing  ") == 5


def test_verify_of_an_empty_folder_says_that_it_is_empty(tmp_path, capsys):
    assert run("verify", "--models", tmp_path) == 1
    assert capsys.readouterr().err == f"wlkd: {tmp_path} holds no models\n"


def test_derive_without_an_encoder_fails_with_the_file(tmp_path, capsys):
    assert run("derive-decoder", "base", "--models", tmp_path) == 1
    assert "faster-whisper-base/model.bin: is missing" in capsys.readouterr().err


def test_get_refuses_a_size_that_it_does_not_know(capsys):
    with pytest.raises(SystemExit):
        run("get", "enormous")
    assert "large-v3-turbo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("models_dir: /srv/models\n", "/srv/models"),
        ("server: {port: 1}\n", "/data/whisper_models"),
        ("models_dir: [oops\n", "/data/whisper_models"),
        ("- a list\n", "/data/whisper_models"),
        (None, "/data/whisper_models"),
    ],
)
def test_the_folder_comes_from_the_configuration(tmp_path, text, folder):
    config = tmp_path / "wlkd.yaml"
    if text is not None:
        config.write_text(text)
    assert command.default_dir(config) == Path(folder)


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """A folder with a `wlkd` that repeats its arguments."""
    binary = tmp_path / "bin" / "wlkd"
    binary.parent.mkdir()
    binary.write_text('#!/bin/sh\necho "$@"\n')
    binary.chmod(0o755)
    return binary.parent


@pytest.mark.parametrize(
    ("script", "words", "answer"),
    [
        ("download_models.sh", ["all"], "models get base small medium large-v3 --encoder-only --models ."),
        ("download_models.sh", ["base", "--models", "/srv"], "models get base --encoder-only --models /srv"),
        ("download_decoder_pt.sh", ["medium"], "models get medium --decoder-only --models ."),
        ("download_decoder_pt.sh", ["large-v3"], "models get large-v3 --decoder-only --models ."),
    ],
)
def test_the_scripts_pass_on_what_was_asked(script, words, answer, echo):
    outcome = subprocess.run(
        [SCRIPTS / script, *words], env={"PATH": f"{echo}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert outcome.stdout.strip() == answer


@pytest.mark.parametrize("words", [[], ["huge"], ["base", "--onto", "x"]])
def test_the_scripts_refuse_what_they_do_not_know(words, echo):
    outcome = subprocess.run(
        [SCRIPTS / "download_models.sh", *words], env={"PATH": f"{echo}:/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert outcome.returncode == 64 and "usage:" in outcome.stderr


def test_the_scripts_say_that_wlkd_is_missing(tmp_path):
    script = shutil.copy(SCRIPTS / "download_models.sh", tmp_path)
    if Path("/opt/wlkd/bin/wlkd").exists():
        pytest.skip("wlkd is installed on this machine")
    outcome = subprocess.run([script, "base"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert outcome.returncode == 69 and "wlkd is not installed" in outcome.stderr


def test_the_scripts_offer_only_sizes_that_exist():
    assert {"base", "small", "medium", "large-v3"} <= set(MODELS)


def test_an_unknown_source_is_refused_with_those_there_are(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run("get", "base", "--source", "hugingface", "--models", tmp_path)
    assert "hugingface is none of huggingface, modelscope, index, nor an address with http:// or https://" in (
        capsys.readouterr().err
    )
