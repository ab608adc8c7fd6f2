"""The encoder comes bit for bit, and of the decoder only as much as CTranslate2 insists on."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest
from wlkd_whisper.dims import ModelFileError
from wlkd_whisper.encoder_alone import encoder_alone
from wlkd_whisper.modelbin import ModelBin


def test_only_the_encoder_is_whole(maker, dims):
    folder = maker.encoder("toy")
    whole = ModelBin.open(folder / "model.bin")
    with encoder_alone(folder) as place:
        alone = ModelBin.open(place / "model.bin")
        assert (alone.specification, alone.revision, alone.aliases) == ("WhisperSpec", whole.revision, whole.aliases)
        encoder = {name for name in whole.variables if name.startswith("encoder/")}
        assert encoder <= alone.variables.keys()
        for name in alone.variables.keys() - {"decoder/embeddings/weight"}:
            assert np.array_equal(alone.array(name), whole.array(name)), name
        assert alone.array("decoder/embeddings/weight").shape == (1, dims.n_text_state)
        layers = {name.split("/")[1] for name in alone.variables if name.startswith("decoder/layer_")}
        assert layers == {"layer_0", "layer_norm"}


def test_the_other_files_are_those_of_the_folder(maker):
    folder = maker.encoder("toy")
    with encoder_alone(folder) as place:
        for file in folder.iterdir():
            if file.name != "model.bin":
                assert (place / file.name).read_bytes() == file.read_bytes()
    assert not place.exists()


def test_the_scales_of_a_quantised_embedding_are_cut_with_it(maker, dims):
    weight = np.ones((dims.n_vocab, dims.n_text_state), np.int8)
    scales = {"decoder__embeddings__weight": weight, "decoder__embeddings__weight_scale": np.ones(dims.n_vocab, "f4")}
    with encoder_alone(maker.encoder("toy", **scales)) as place:
        alone = ModelBin.open(place / "model.bin")
        assert alone.array("decoder/embeddings/weight_scale").shape == (1,)


def test_without_a_place_for_temporary_files_it_is_the_whole_folder(maker, monkeypatch):
    def nowhere(*_: object, **__: object) -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkdtemp", nowhere)
    folder = maker.encoder("toy")
    with encoder_alone(folder) as place:
        assert place == folder


@pytest.mark.parametrize("kept", [0, 30, -1])
def test_a_file_that_ends_early_is_told(maker, kept):
    folder = maker.encoder("toy")
    path = folder / "model.bin"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match="incomplete"), encoder_alone(folder):
        pass
