"""The graph that hears two at once, against PyTorch's own layers, and its weights."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from wlkd_speakers.runtime import load
from wlkd_speakers.segmentation import FILTER_STRIDE, HEARD, HIDDEN, LSTM_LAYERS, SETS, STEP, build
from wlkd_speakers.segmenter import Segmenter
from wlkd_speakers.weights import Weights, read_weights

from wlkd import ProvisionError

FILTERBANK = "sincnet.conv1d.0.filterbank"


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Of the right shapes."""
    random = np.random.default_rng(7)

    def some(*shape: int) -> np.ndarray:
        return np.asarray(random.normal(scale=0.1, size=shape), np.float32)

    found = {f"{FILTERBANK}.low_hz_": 2000 * some(40, 1), f"{FILTERBANK}.band_hz_": 500 * some(40, 1)}
    found[f"{FILTERBANK}.n_"] = np.asarray(2 * np.pi * np.arange(-125, 0)[np.newaxis] / 16_000, np.float32)
    found[f"{FILTERBANK}.window_"] = np.asarray(np.hamming(251)[:125], np.float32)
    for name, size in (("wav_norm1d", 1), ("norm1d.0", 80), ("norm1d.1", 60), ("norm1d.2", 60)):
        found |= {f"sincnet.{name}.weight": 1 + some(size), f"sincnet.{name}.bias": some(size)}
    for layer, channels in ((1, 80), (2, 60)):
        found |= {f"sincnet.conv1d.{layer}.weight": some(60, channels, 5), f"sincnet.conv1d.{layer}.bias": some(60)}
    lstm = torch.nn.LSTM(60, HIDDEN, LSTM_LAYERS, bidirectional=True)
    found |= {f"lstm.{name}": some(*weight.shape) for name, weight in lstm.state_dict().items()}
    for name, inputs, outputs in (("linear.0", 256, 128), ("linear.1", 128, 128), ("classifier", 128, len(SETS))):
        found |= {f"{name}.weight": some(outputs, inputs), f"{name}.bias": some(outputs)}
    return found


def by_pytorch(weights: Weights, sound: np.ndarray) -> np.ndarray:
    """What the paper's network says, layer by layer."""
    tensors = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}

    def norm(hidden: torch.Tensor, name: str) -> torch.Tensor:
        scale, bias = tensors[f"sincnet.{name}.weight"], tensors[f"sincnet.{name}.bias"]
        return functional.instance_norm(hidden, weight=scale, bias=bias)

    low = 50 + tensors[f"{FILTERBANK}.low_hz_"].abs()
    high = (low + 50 + tensors[f"{FILTERBANK}.band_hz_"].abs()).clamp(50, 8000)
    filters = []
    for phase in (0.0, torch.pi / 2):
        # The same filters by their definition: the middle of the band, as wide as the band, at either phase.
        times = torch.cat([tensors[f"{FILTERBANK}.n_"], torch.zeros(1, 1), -tensors[f"{FILTERBANK}.n_"].flip(1)], 1)
        half = tensors[f"{FILTERBANK}.window_"]
        width = (high - low) * times / 2
        shape = torch.where(times == 0, torch.ones(()), torch.sin(width) / width)
        carrier = torch.cos((high + low) / 2 * times + phase)
        filters.append(shape * carrier * torch.cat([half, torch.ones(1), half.flip(0)]))
    hidden = norm(torch.from_numpy(sound)[None, None], "wav_norm1d")
    hidden = functional.conv1d(hidden, torch.cat(filters)[:, None], stride=FILTER_STRIDE).abs()
    hidden = functional.leaky_relu(norm(functional.max_pool1d(hidden, 3), "norm1d.0"))
    for layer in (1, 2):
        kernel, bias = tensors[f"sincnet.conv1d.{layer}.weight"], tensors[f"sincnet.conv1d.{layer}.bias"]
        hidden = functional.max_pool1d(functional.conv1d(hidden, kernel, bias), 3)
        hidden = functional.leaky_relu(norm(hidden, f"norm1d.{layer}"))
    lstm = torch.nn.LSTM(60, HIDDEN, LSTM_LAYERS, bidirectional=True, batch_first=True)
    lstm.load_state_dict({name[5:]: value for name, value in tensors.items() if name.startswith("lstm.")})
    hidden, _ = lstm(hidden.transpose(1, 2))
    for layer in (0, 1):
        dense = functional.linear(hidden, tensors[f"linear.{layer}.weight"], tensors[f"linear.{layer}.bias"])
        hidden = functional.leaky_relu(dense)
    scores = functional.linear(hidden, tensors["classifier.weight"], tensors["classifier.bias"])
    return scores.softmax(-1)[0].detach().numpy()


def test_the_graph_says_what_pytorch_s_layers_say(weights: Weights) -> None:
    sound = np.asarray(np.random.default_rng(1).normal(scale=0.1, size=24_000), np.float32)
    session = load(build(weights), Path("made.bin"))
    [[told]] = session.run(["speakers"], {"sound": sound[None, None]})
    assert told.shape == ((len(sound) - HEARD) // STEP + 1, len(SETS))
    np.testing.assert_allclose(told, by_pytorch(weights, sound), atol=2e-4)


def test_weights_of_another_network_are_refused(weights: Weights) -> None:
    with pytest.raises(ProvisionError, match=r"segmentation-3\.0: another has no place in it"):
        build({**weights, "another": np.zeros(1, np.float32)})
    with pytest.raises(ProvisionError, match=r"segmentation-3\.0: classifier\.bias is missing"):
        build({name: value for name, value in weights.items() if name != "classifier.bias"})
    with pytest.raises(ProvisionError, match=r"made\.bin: its tensors do not fit together"):
        load(build({**weights, "linear.0.weight": np.zeros((3, 3), np.float32)}), Path("made.bin"))


class Specifications:
    """As a checkpoint of pyannote has them beside its tensors."""


def test_what_a_checkpoint_tells_of_its_training_is_not_built(tmp_path: Path, weights: Weights) -> None:
    path = tmp_path / "pyannote-segmentation" / "pytorch_model.bin"
    path.parent.mkdir()
    whole = io.BytesIO()
    state = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
    torch.save({"state_dict": state, "specifications": Specifications()}, whole)
    # The name of the class as pyannote's own file has it.
    with zipfile.ZipFile(whole) as made, zipfile.ZipFile(path, "w") as archive:
        for entry in made.infolist():
            content = made.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert f"c{__name__}\n".encode() in content
                content = content.replace(f"c{__name__}\n".encode(), b"cpyannote.audio.core.task\n")
            archive.writestr(entry.filename, content)
    found = read_weights(path, "pyannote-segmentation")
    assert found.keys() == weights.keys()
    np.testing.assert_array_equal(found["classifier.bias"], weights["classifier.bias"])
    assert Segmenter(path).speakers(np.zeros(16_000, np.float32)).shape == ((16_000 - HEARD) // STEP + 1, len(SETS))
