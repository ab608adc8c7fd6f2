"""What `wlkd check` tells about the languages of a model, by a look at its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from wlkd.config import make_config
from wlkd.plugins import load_plugins

WORDS = ["<|startoftranscript|>", "<|en|>", "<|de|>", "<|haw|>", "<|translate|>"]


@pytest.fixture
def told(maker, config, dims):
    """Call it with the rest of a configuration; answers what is wrong with it here."""
    maker.encoder("toy.en")
    maker.decoder("toy.en")
    many = replace(dims, n_vocab=51_865)
    folder = maker.encoder("toy", many)
    maker.decoder("toy", many)
    (folder / "config.json").write_text(json.dumps(config | {"lang_ids": [51_861]}))
    words = [f"word{number}" for number in range(many.n_vocab - len(WORDS))] + WORDS
    (folder / "vocabulary.txt").write_text("".join(f"{word}\n" for word in words))
    special = [{"id": words.index(word), "content": word} for word in WORDS]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": special}))

    def tell(backend: str, model: str, **rest: object) -> list[str]:
        return problems({"models_dir": str(maker.root), "backend": engine(backend, model), **rest})

    return tell


def problems(values: Mapping[str, object]) -> list[str]:
    """What a look at this machine finds wrong with a configuration."""
    plugins = load_plugins()
    config = make_config({"vad": {"name": "none"}, **values}, plugins)
    return [f"{problem.path}: {problem.message}" for problem in plugins.check_host(config)]


def engine(name: str, model: str) -> dict[str, object]:
    return {"name": name, "options": {"model": model, "device": "cpu"}}


@pytest.mark.parametrize("backend", ["simulstreaming", "localagreement"])
def test_a_language_that_the_model_lacks_is_told(told, backend):
    assert told(backend, "toy", recognition={"language": "haw", "languages": ["de", "haw"]}) == []
    assert told(backend, "toy", recognition={"languages": ["de", "zh"]}) == [
        "recognition.languages.1: toy does not know zh; known: de, en, haw"
    ]
    assert told(backend, "toy.en", recognition={"language": "en"}) == []
    assert told(backend, "toy.en", recognition={"language": "de", "task": "translate"}) == [
        "recognition.task: toy.en knows English only and cannot translate; write transcribe",
        "recognition.language: toy.en does not know de; known: en",
    ]


def test_each_engine_is_asked_for_what_is_routed_to_it(told):
    english = {"english": engine("simulstreaming", "toy.en")}
    routing = {"en": "english", "de": "english", "xx": "default"}
    assert told("simulstreaming", "toy", engines=english, routing=routing) == [
        "routing.xx: toy does not know xx; known: de, en, haw",
        "routing.de: toy.en does not know de; known: en",
    ]
    german = {"german": engine("simulstreaming", "toy")}
    spoken = {"language": "de"}
    assert told("simulstreaming", "toy.en", engines=german, routing={"de": "german"}, recognition=spoken) == []


@pytest.mark.parametrize("backend", ["simulstreaming", "localagreement"])
def test_a_folder_of_models_that_is_none_is_told_at_its_option(tmp_path, backend):
    nowhere, file = tmp_path / "nowhere", tmp_path / "file"
    file.touch()
    for place, fault in ((nowhere, "is missing"), (file, "is not a folder")):
        values = {"models_dir": str(place), "backend": engine(backend, "base")}
        assert problems(values) == [f"models_dir: {place}: {fault}; name the folder that holds the models"]


def test_what_an_engine_may_lack_is_told_of_the_engine(tmp_path):
    further = {"english": engine("simulstreaming", "base") | {"required": False}}
    nowhere = str(tmp_path / "nowhere")
    (problem,) = problems({"backend": {"name": "scripted"}, "engines": further, "models_dir": nowhere})
    assert problem.startswith("engines.english.options.model: ")


def test_a_model_that_is_missing_is_told_and_nothing_else(told):
    (problem,) = told("simulstreaming", "toj", recognition={"language": "xx"})
    assert problem.startswith("backend.options.model: ")
