"""Where the model of uploads is loaded."""

import ctranslate2
import pytest
import torch
from wlkd_simulstreaming.loading import whispers_of_uploads
from wlkd_simulstreaming.options import SimulStreamingOptions

from wlkd import ProvisionError


@pytest.fixture
def full(monkeypatch):
    """Devices on which nothing can be loaded."""
    devices = {"cuda"}

    def load(path, device, compute_type, **others):
        if device in devices:
            raise RuntimeError("CUDA failed with error out of memory")
        return device, compute_type

    monkeypatch.setattr(ctranslate2.models, "Whisper", load)
    return devices


@pytest.mark.parametrize("compute_type", ["auto", "float16"])
def test_uploads_are_heard_on_the_cpu_if_the_gpu_is_full(full, tmp_path, compute_type):
    options = SimulStreamingOptions(compute_type=compute_type)
    on_gpu, on_cpu = whispers_of_uploads(options, tmp_path, torch.device("cuda", 0), 2)
    with pytest.raises(ProvisionError, match="out of memory"):
        on_gpu()
    assert on_cpu() == ("cpu", "int8")


def test_the_gpu_hears_uploads_if_it_has_room(full, tmp_path):
    full.clear()
    on_gpu, _ = whispers_of_uploads(SimulStreamingOptions(), tmp_path, torch.device("cuda", 0), 2)
    assert on_gpu() == ("cuda", "float16")


def test_a_cpu_without_room_is_an_error(full, tmp_path):
    full.add("cpu")
    [on_cpu] = whispers_of_uploads(SimulStreamingOptions(), tmp_path, torch.device("cpu"), 2)
    with pytest.raises(ProvisionError, match=r"model\.bin"):
        on_cpu()
