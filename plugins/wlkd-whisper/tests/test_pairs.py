"""Every way a pair can be wrong is named, with both files and a remedy, and no weights are read."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from wlkd_models.access import explain
from wlkd_whisper.checkpoint import read_dims
from wlkd_whisper.dims import ModelFileError
from wlkd_whisper.folder import private_paths, sizes_in
from wlkd_whisper.modelbin import ModelBin
from wlkd_whisper.pairs import check_encoder, check_pair
from wlkd_whisper.verify import Verdict, bytes_to_read, verify


def test_a_pair_that_fits_has_no_problems(maker):
    maker.encoder("toy")
    maker.decoder("toy")
    assert check_pair(maker.root, "toy") == []


def test_the_dimensions_come_from_the_headers(maker, dims):
    encoder = maker.encoder("toy")
    assert ModelBin.open(encoder / "model.bin").dims() == dims
    assert read_dims(maker.decoder("toy")) == dims


def test_variables_are_read_bit_for_bit(maker, dims, variables):
    model = ModelBin.open(maker.encoder("toy") / "model.bin")
    for name, value in variables(dims).items():
        assert model.array(name).dtype == value.dtype
        assert np.array_equal(model.array(name), value)


def test_both_missing_says_what_is_there(maker):
    maker.encoder("base")
    (problem,) = check_pair(maker.root, "medium")
    assert "faster-whisper-medium" in problem and "medium.pt" in problem and "holds: base" in problem
    assert f"`wlkd models get medium --models {maker.root}`" in problem


def test_a_model_that_nobody_knows_gets_the_list_of_those_that_can_be_fetched(maker):
    (problem,) = check_encoder(maker.root, "mediun")
    assert problem.endswith("holds no models; `wlkd models get --help` names models")


def test_a_missing_folder_of_models_is_named(tmp_path):
    (problem,) = check_pair(tmp_path / "nowhere", "base")
    assert f"{tmp_path / 'nowhere'}: is missing" in problem


def test_a_missing_decoder_names_both_and_the_command(maker):
    encoder = maker.encoder("toy")
    (problem,) = check_pair(maker.root, "toy")
    assert str(maker.root / "pytorch-whisper-toy/toy.pt") in problem
    assert str(encoder / "model.bin") in problem
    assert "wlkd models derive-decoder toy" in problem


def test_a_missing_encoder_is_named(maker):
    maker.decoder("toy")
    (problem,) = check_pair(maker.root, "toy")
    assert "faster-whisper-toy/model.bin: is missing" in problem


@pytest.mark.parametrize("kept", [0, 3, 30, 0.5, -1])
def test_a_half_copied_encoder_is_incomplete(maker, kept):
    path = maker.encoder("toy") / "model.bin"
    maker.decoder("toy")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) if isinstance(kept, float) else kept])
    (problem,) = check_pair(maker.root, "toy")
    assert str(path) in problem and "the copy is incomplete" in problem


def test_trailing_bytes_are_damage(maker):
    path = maker.encoder("toy") / "model.bin"
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ModelFileError, match="4 bytes too long"):
        ModelBin.open(path)


def test_a_shape_that_contradicts_its_size_is_damage(tmp_path, binary):
    whole = binary({"encoder/conv1/bias": np.zeros(8, np.float16)})
    # The only dimension, after version, specification, revision, count, name and rank.
    at = whole.index(b"conv1/bias\0") + len(b"conv1/bias\0") + 1
    (tmp_path / "model.bin").write_bytes(whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :])
    with pytest.raises(ModelFileError, match="wrong size"):
        ModelBin.open(tmp_path / "model.bin")


def test_another_kind_of_file_is_refused(tmp_path, binary):
    path = tmp_path / "model.bin"
    path.write_bytes(b"PK\x03\x04 not a model, but long enough to look at")
    with pytest.raises(ModelFileError, match="not a CTranslate2 model"):
        ModelBin.open(path)
    path.write_bytes(binary({}, specification="TransformerSpec"))
    with pytest.raises(ModelFileError, match="TransformerSpec"):
        ModelBin.open(path).dims()


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1])
def test_a_half_copied_decoder_is_incomplete(maker, kept):
    maker.encoder("toy")
    path = maker.decoder("toy")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) if isinstance(kept, float) else kept])
    (problem,) = check_pair(maker.root, "toy")
    assert str(path) in problem and "not a complete PyTorch checkpoint" in problem


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_text_state": 16}, "decoder width 8 and 16"),
        ({"n_text_layer": 2}, "decoder layers 3 and 2"),
        ({"n_mels": 128}, "mel bins 4 and 128"),
        ({"n_vocab": 12}, "vocabulary 11 and 12"),
    ],
)
def test_halves_of_different_models_are_both_named(maker, dims, change, words):
    encoder = maker.encoder("toy")
    decoder = maker.decoder("toy", replace(dims, **change))
    (problem,) = check_pair(maker.root, "toy")
    assert str(encoder / "model.bin") in problem and str(decoder) in problem and words in problem


def test_small_files_of_another_model_are_noticed(maker, config):
    encoder = maker.encoder("toy")
    maker.decoder("toy")
    (encoder / "config.json").write_text(json.dumps(config | {"alignment_heads": [[11, 7]]}))
    (encoder / "vocabulary.txt").write_text("one\ntwo\n")
    (encoder / "tokenizer.json").write_text('{"model": {"vocab"')
    config, vocabulary, tokenizer = check_pair(maker.root, "toy")
    assert "alignment head [11, 7]" in config
    assert "tokenizer.json: is not complete JSON" in tokenizer
    assert "vocabulary.txt: has 2 entries" in vocabulary


def test_the_tokenizer_of_another_model_is_noticed(maker, dims):
    encoder = maker.encoder("toy")
    maker.decoder("toy")
    other = maker.encoder("other", replace(dims, n_vocab=10))
    (other / "tokenizer.json").replace(encoder / "tokenizer.json")
    (problem,) = check_pair(maker.root, "toy")
    assert "tokenizer.json: numbers <|startoftranscript|> unlike" in problem


def test_a_vocabulary_in_json_will_do(maker, dims):
    encoder = maker.encoder("toy")
    maker.decoder("toy")
    words = (encoder / "vocabulary.txt").read_text().splitlines()
    (encoder / "vocabulary.txt").unlink()
    (encoder / "vocabulary.json").write_text(json.dumps(words))
    assert check_pair(maker.root, "toy") == []
    (encoder / "vocabulary.json").write_text(json.dumps({"word": 1}))
    assert "is not a list of words" in check_pair(maker.root, "toy")[0]


@pytest.mark.parametrize("private", ["faster-whisper-toy", "pytorch-whisper-toy", "pytorch-whisper-toy/toy.pt", "."])
def test_another_user_is_told_what_is_locked_and_how_to_open_it(maker, private, public_folder, locked):
    root = public_folder
    elsewhere = replace(maker, root=root)
    elsewhere.encoder("toy")
    elsewhere.decoder("toy")
    for path in root.rglob("*"):
        path.chmod(0o755)
    with locked(root / private):
        problems = check_pair(root, "toy")
        found = private_paths(root, "toy")
        verdicts = [finding.verdict for finding in verify(root, "toy")]
        to_read = bytes_to_read(root, "toy")
    assert problems and all("user nobody" in problem and "`chmod a+r" in problem for problem in problems)
    assert all(str(root / private) in problem for problem in problems)
    assert found == []
    assert Verdict.DAMAGED in verdicts
    assert to_read < bytes_to_read(root, "toy")


@pytest.mark.parametrize(
    "change",
    [
        {"alignment_heads": [[1], "x"]},
        {"alignment_heads": {"1": 2}},
        {"alignment_heads": []},
        {"alignment_heads": None},
        # CTranslate2 ends the whole process over the first, and every step over the second.
        {"alignment_heads": [[-1, 0]]},
        {"alignment_heads": [[True, False]]},
        {"suppress_ids": [11]},
        {"suppress_ids": "1 2"},
        {"suppress_ids_begin": [-1]},
        {"lang_ids": [0.5]},
    ],
)
def test_what_no_model_can_work_with_is_a_problem_not_a_crash(maker, config, change):
    encoder = maker.encoder("toy")
    maker.decoder("toy")
    (encoder / "config.json").write_text(json.dumps(config | change))
    (problem,) = check_pair(maker.root, "toy")
    [key] = change
    assert str(encoder / "config.json") in problem and key in problem and "wlkd models get toy" in problem


@pytest.mark.parametrize("key", ["alignment_heads", "suppress_ids", "suppress_ids_begin", "lang_ids"])
def test_what_an_old_converter_left_out_is_named(maker, config, key):
    encoder = maker.encoder("toy")
    maker.decoder("toy")
    del config[key]
    (encoder / "config.json").write_text(json.dumps(config))
    (problem,) = check_pair(maker.root, "toy")
    assert f"config.json: has no `{key}`" in problem
    (problem,) = check_encoder(maker.root, "toy")
    assert f"config.json: has no `{key}`" in problem


def test_a_model_of_many_languages_has_their_tokens(maker, dims):
    many = replace(dims, n_vocab=51_865)
    maker.encoder("toy", many)
    maker.decoder("toy", many)
    (problem,) = check_pair(maker.root, "toy")
    assert "lang_ids" in problem


class Touch:
    """Unpickles into a call."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_a_checkpoint_runs_nothing(tmp_path, checkpoint):
    path, victim = tmp_path / "evil.pt", tmp_path / "victim"
    checkpoint(path, {"dims": Touch(victim), "model_state_dict": {"x": 1}})
    with pytest.raises(ModelFileError, match="which a checkpoint has no use for"):
        read_dims(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"dims": {"n_mels": 80}, "model_state_dict": {"x": 1}},
        {"dims": {}, "model_state_dict": {}},
        {"state_dict": {"x": 1}},
    ],
)
def test_checkpoints_of_other_networks_are_refused(tmp_path, checkpoint, content):
    path = tmp_path / "other.pt"
    checkpoint(path, content)
    with pytest.raises(ModelFileError, match="not a Whisper checkpoint"):
        read_dims(path)


def test_a_damaged_pickle_is_a_problem(tmp_path):
    path = tmp_path / "bad.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": [1, 2, 3]}, protocol=2)[:-4])
    with pytest.raises(ModelFileError, match=r"data\.pkl cannot be read"):
        read_dims(path)


def test_sizes_are_known_by_either_half(maker):
    maker.encoder("b")
    maker.decoder("a")
    (maker.root / "notes.txt").touch()
    assert sizes_in(maker.root) == ["a", "b"]


def test_a_refused_file_is_explained_with_user_mode_and_remedy(tmp_path):
    path = tmp_path / "base.pt"
    path.touch(mode=0o600)
    text = explain(path, PermissionError(13, "Permission denied"))
    assert str(path) in text and "mode 0600" in text and f"`chmod a+r {path}`" in text


def test_what_only_its_owner_can_read_is_found(maker):
    encoder, decoder = maker.encoder("toy"), maker.decoder("toy")
    for path in (encoder, decoder.parent):
        path.chmod(0o755)
    for path in [*encoder.iterdir(), decoder]:
        path.chmod(0o644)
    assert private_paths(maker.root, "toy") == []
    decoder.chmod(0o600)
    (encoder / "config.json").chmod(0o640)
    assert private_paths(maker.root, "toy") == [decoder, encoder / "config.json"]
