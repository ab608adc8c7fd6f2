"""Models of each family, made here: a text comes back through pieces, marks, CTranslate2 and pieces again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import aiohttp
import pytest
from wlkd_models.family import families
from wlkd_translate.dialects import Marked, nllb
from wlkd_translate.family import FAMILY
from wlkd_translate.folder import ModelFolder
from wlkd_translate.translator import CTranslate2, CTranslate2Options

from wlkd import Passage, ProvisionError
from wlkd.config import make_config
from wlkd.plugins import load_plugins
from wlkd.testing import check_translator, provisioned, running_daemon, speech_like

SENTENCES = ("hello big world", "no", "how are you today")


@pytest.mark.parametrize("name", ["nllb-tiny", "m2m-tiny", "opus-mt-en-pt"])
async def test_every_family_translates(models: Path, name: str) -> None:
    async with provisioned(CTranslate2(CTranslate2Options(models=(name,))), models) as translator:
        texts = check_translator(translator, [Passage(text, "en", "pt") for text in SENTENCES])
    assert texts == [text.upper() for text in SENTENCES]


async def test_a_model_knows_its_languages(models: Path) -> None:
    async with provisioned(CTranslate2(CTranslate2Options(models=("nllb-tiny",))), models) as translator:
        targets = translator.targets()
    assert set(targets) == {"en", "pt", "zh", "no", "jv"}
    # Whisper has a code of its own for Javanese.
    assert targets["pt"] == {"en", "zh", "no", "jv", "jw"}


async def test_several_models_share_the_work_and_a_batch_of_both_keeps_its_order(models: Path) -> None:
    options = CTranslate2Options(models=("opus-mt-en-pt", "nllb-tiny"))
    async with provisioned(CTranslate2(options), models) as translator:
        batch = [Passage("one", "en", "zh"), Passage("two", "en", "pt"), Passage("three", "pt", "en")]
        assert translator.translate(batch) == ["ONE", "TWO", "THREE"]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda folder: shutil.rmtree(folder), "is missing: docs/operations.md"),
        (lambda folder: (folder / "model.bin").unlink(), "model.bin is missing"),
        (lambda folder: (folder / "shared_vocabulary.json").unlink(), "has no vocabulary"),
        (lambda folder: (folder / "shared_vocabulary.json").write_text("[1"), "is not JSON"),
        (lambda folder: (folder / "sentencepiece.bpe.model").unlink(), "copy sentencepiece.bpe.model"),
        (lambda folder: (folder / "sentencepiece.bpe.model").write_text("x"), "cannot be loaded"),
        (lambda folder: os.truncate(folder / "model.bin", 1000), "cannot be loaded"),
        (lambda folder: (folder / "shared_vocabulary.json").write_text('["a"]'), "which pair of languages"),
    ],
    ids=["folder", "model", "vocabulary", "json", "pieces", "spoiled pieces", "cut short", "family"],
)
async def test_what_is_wrong_with_a_folder_is_said_with_the_remedy(
    models: Path, tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    shutil.copytree(models / "nllb-tiny", tmp_path / "broken")
    spoil(tmp_path / "broken")
    with pytest.raises(ProvisionError, match=problem):
        async with provisioned(CTranslate2(CTranslate2Options(models=("broken",))), tmp_path):
            pass


@pytest.mark.parametrize("private", [".", "tiny", "tiny/model.bin", "tiny/sentencepiece.bpe.model"])
def test_a_model_that_may_not_be_read_is_told_with_the_remedy(
    models: Path, public_folder: Path, locked: Callable[[Path], AbstractContextManager[None]], private: str
) -> None:
    shutil.copytree(models / "nllb-tiny", public_folder / "tiny")
    for path in (public_folder / "tiny").iterdir():
        path.chmod(0o644)
    (public_folder / "tiny").chmod(0o755)
    with locked(public_folder / private):
        [problem] = ModelFolder(public_folder / "tiny").problems()
        if private != ".":
            FAMILY.states(public_folder)
    assert "user nobody cannot" in problem and problem.endswith(f" {public_folder / private}`")


def test_check_tells_of_a_missing_model_at_its_option(tmp_path: Path) -> None:
    plugins = load_plugins()
    values = {"models_dir": str(tmp_path), "backend": {"name": "scripted"}, "translator": {"name": "ctranslate2"}}
    problems = plugins.check_host(make_config(values, plugins))
    assert [problem.path for problem in problems] == ["translator.options.models"]
    assert "nllb-200-distilled-600M is missing" in problems[0].message


def test_the_models_command_knows_them(models: Path) -> None:
    states = {state.name: (state.shape, list(state.problems)) for state in FAMILY.states(models)}
    assert states == {
        "nllb-tiny": ("translates between 5 languages", []),
        "m2m-tiny": ("translates between 2 languages", []),
        "opus-mt-en-pt": ("translates from en into pt", []),
    }
    assert not ModelFolder(models).looks_like_one
    assert families()["translate"] is FAMILY


def test_nllb_s_marks_become_the_codes_that_speech_models_use() -> None:
    marks = ["arb_Arab", "arb_Latn", "pes_Arab", "prs_Arab", "nob_Latn", "nno_Latn", "pbt_Arab", "tgl_Latn", "yue_Hant"]
    dialect = nllb(["a", *marks, "zho_Hans", "zho_Hant", "lvs_Latn", "zsm_Latn", "khk_Cyrl", "swh_Latn"])
    assert isinstance(dialect, Marked)
    known = {"ar", "fa", "no", "nn", "ps", "tl", "yue", "zh", "lv", "ms", "mn", "sw"}
    assert set(dialect.targets()) == known
    assert dialect.answer_begins("zh") == ["zho_Hans"] and dialect.answer_begins("fa") == ["pes_Arab"]


async def test_a_daemon_translates_with_it(models: Path) -> None:
    values = {
        "models_dir": str(models),
        "vad": {"name": "none"},
        "backend": {"name": "scripted", "options": {"script": [" how", " are", " you"]}},
        "translator": {"name": "ctranslate2", "options": {"models": ["opus-mt-en-pt"]}},
    }
    audio = (speech_like(1.5) * 32767).astype("<i2").tobytes()
    async with (
        running_daemon(values) as daemon,
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{daemon.ws}/asr?format=pcm&target_language=pt") as socket,
    ):
        await socket.send_bytes(audio)
        await socket.send_bytes(b"")
        lines: list[dict[str, str]] = []
        while (message := await socket.receive_json())["type"] != "ready_to_stop":
            lines = message.get("lines", lines)
    assert [line["translation"] for line in lines] == ["HOW ARE YOU"]
