"""The derived checkpoint holds the encoder file's weights, bit for bit, in the form that PyTorch loads."""

from __future__ import annotations

import os
import stat
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from wlkd_models.digest import matches, read_note, sha256
from wlkd_whisper.catalogue import MODELS
from wlkd_whisper.derivation import derive_decoder
from wlkd_whisper.dims import ModelFileError
from wlkd_whisper.folder import decoder_file, encoder_dir
from wlkd_whisper.modelbin import ModelBin
from wlkd_whisper.pairs import check_pair
from wlkd_whisper.verify import Verdict, verify

torch = pytest.importorskip("torch", reason="writing a checkpoint takes torch")
pytest.importorskip("wlkd_simulstreaming", reason="the plugin that derives is not installed")

MODELS_DIR = Path(os.environ.get("WLKD_MODELS_DIR", Path(__file__).parents[3] / "models"))


def load(path):
    return torch.load(path, weights_only=True, map_location="cpu")


def test_a_derived_decoder_makes_a_pair(maker, dims):
    maker.encoder("toy")
    target = derive_decoder(maker.root, "toy")
    assert check_pair(maker.root, "toy") == []
    assert load(target)["dims"] == asdict(dims)
    assert read_note(target) == sha256(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert sorted(path.name for path in target.parent.iterdir()) == ["toy.pt", "toy.pt.sha256"]


def test_stacked_projections_are_taken_apart(maker, dims, variables):
    maker.encoder("toy")
    weights = load(derive_decoder(maker.root, "toy"))["model_state_dict"]
    ours, wide = variables(dims), dims.n_text_state
    stacked = ours["decoder/layer_1/self_attention/linear_0/weight"]
    for index, name in enumerate(("query", "key", "value")):
        tensor = weights[f"decoder.blocks.1.attn.{name}.weight"]
        assert np.array_equal(tensor.numpy(), stacked[index * wide : (index + 1) * wide])
        # A view would drag the whole stack into the file.
        assert tensor.untyped_storage().nbytes() == tensor.numel() * 2
    cross = ours["decoder/layer_1/attention/linear_1/bias"]
    assert np.array_equal(weights["decoder.blocks.1.cross_attn.value.bias"].numpy(), cross[wide:])
    assert not [name for name in weights if name.endswith("key.bias")]
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}


def test_a_quantised_encoder_is_refused(maker):
    maker.encoder("toy", encoder__conv1__weight=np.zeros((8, 4, 3), np.int8))
    with pytest.raises(ModelFileError, match="quantised to int8"):
        derive_decoder(maker.root, "toy")
    assert not decoder_file(maker.root, "toy").exists()


def test_a_key_bias_is_refused(maker):
    maker.encoder("toy", decoder__layer_0__self_attention__linear_0__bias=np.ones(24, np.float16))
    with pytest.raises(ModelFileError, match="key bias"):
        derive_decoder(maker.root, "toy")


def test_without_the_encoder_it_says_which_file_is_missing(tmp_path):
    with pytest.raises(ModelFileError, match=r"faster-whisper-toy/model\.bin: is missing"):
        derive_decoder(tmp_path, "toy")


def test_a_failed_derivation_leaves_the_old_file(maker):
    encoder = maker.encoder("toy")
    target = derive_decoder(maker.root, "toy")
    before = target.read_bytes()
    whole = (encoder / "model.bin").read_bytes()
    (encoder / "model.bin").write_bytes(whole[:-100])
    with pytest.raises(ModelFileError, match="incomplete"):
        derive_decoder(maker.root, "toy")
    assert target.read_bytes() == before


def test_verify_knows_a_derived_file_and_sees_one_flipped_bit(maker):
    maker.encoder("toy")
    target = derive_decoder(maker.root, "toy")
    assert verify(maker.root, "toy")[-1].verdict is Verdict.DERIVED
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    assert verify(maker.root, "toy")[-1].verdict is Verdict.DAMAGED


@pytest.mark.model
@pytest.mark.parametrize("size", ["base", "tiny.en"])
def test_every_weight_of_the_real_model_is_in_the_derived_checkpoint(size, tmp_path):
    """Counted from the other side: each half-precision weight of model.bin is found, bit for bit."""
    source = encoder_dir(MODELS_DIR, size)
    if not source.exists():
        pytest.skip(f"{source} is absent; set WLKD_MODELS_DIR")
    encoder_dir(tmp_path, size).symlink_to(source.resolve())
    weights = load(derive_decoder(tmp_path, size))["model_state_dict"]
    model = ModelBin.open(source / "model.bin")
    floats = {name: model.array(name) for name, entry in model.variables.items() if len(entry.shape)}
    key_biases = sum(
        entry.shape[0] // (3 if "self_attention" in name else 2)
        for name, entry in model.variables.items()
        if name.endswith(("self_attention/linear_0/bias", "/attention/linear_1/bias"))
    )
    assert sum(t.numel() for t in weights.values()) == sum(a.size for a in floats.values()) - key_biases
    bits = {tensor.numpy().tobytes() for tensor in weights.values()}
    for name, array in floats.items():
        parts = 3 if "self_attention/linear_0" in name else 2 if "/attention/linear_1" in name else 1
        for part in np.split(array, parts):
            assert part.tobytes() in bits or not part.any(), name
    assert check_pair(tmp_path, size) == []


@pytest.mark.model
@pytest.mark.parametrize("size", MODELS)
def test_the_derived_checkpoint_equals_the_official_one(size, tmp_path):
    official = decoder_file(MODELS_DIR, size)
    source = encoder_dir(MODELS_DIR, size)
    if not source.exists() or not matches(official, MODELS[size].decoder):
        pytest.skip(f"{source} and OpenAI's {official.name} are not both at hand")
    encoder_dir(tmp_path, size).symlink_to(source.resolve())
    derived, theirs = load(derive_decoder(tmp_path, size)), load(official)
    assert derived["dims"] == theirs["dims"]
    assert derived["model_state_dict"].keys() == theirs["model_state_dict"].keys()
    for name, tensor in theirs["model_state_dict"].items():
        assert torch.equal(tensor.half(), derived["model_state_dict"][name]), name
