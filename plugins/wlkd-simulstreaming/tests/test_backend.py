"""The component without a model: what it costs to import, and what it says when files are not right."""

import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from prometheus_client import CollectorRegistry
from wlkd_simulstreaming.backend import MEMORY_OF_FILES, SimulStreaming
from wlkd_simulstreaming.checkpoint import load_checkpoint
from wlkd_simulstreaming.options import SimulStreamingOptions

from wlkd import ConfigError, Context, ProvisionError
from wlkd.config import make_config
from wlkd.plugins import load_plugins


def test_importing_the_plugin_loads_no_model_library():
    code = "import sys, wlkd_simulstreaming; print(sorted({'torch', 'ctranslate2'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


async def test_a_missing_model_is_named_and_close_survives_it(tmp_path):
    backend = SimulStreaming(SimulStreamingOptions(model="base", device="cpu"))
    with pytest.raises(ProvisionError, match="faster-whisper-base"):
        await backend.provision(Context(tmp_path, CollectorRegistry(), lambda words: None))
    await backend.close()
    await backend.close()


def test_the_memory_for_uploads_is_counted_though_their_model_is_loaded_later(tmp_path):
    """Of PyTorch's encoder, there is none for them."""
    (tmp_path / "faster-whisper-test").mkdir()
    (tmp_path / "faster-whisper-test" / "model.bin").write_bytes(bytes(1000))
    needed = {
        encoder: SimulStreaming(SimulStreamingOptions(model="test", encoder=encoder)).memory_needed(tmp_path)
        for encoder in ("torch", "ctranslate2")
    }
    assert needed == {"torch": 1000 * MEMORY_OF_FILES, "ctranslate2": 2000 * MEMORY_OF_FILES}


async def test_a_backend_that_is_not_provisioned_says_so():
    with pytest.raises(RuntimeError, match="before it was provisioned"):
        SimulStreaming(SimulStreamingOptions()).languages()


def test_a_half_copied_checkpoint_is_named(tmp_path, dims, weights):
    path = tmp_path / "base.pt"
    torch.save({"dims": asdict(dims), "model_state_dict": weights}, path)
    assert load_checkpoint(path).dims == dims
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ProvisionError, match=r"base\.pt.*half-copied"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], {"dims": {"n_mels": 80}, "model_state_dict": {}}])
def test_a_file_that_is_no_whisper_is_named(tmp_path, content):
    path = tmp_path / "base.pt"
    torch.save(content, path)
    with pytest.raises(ProvisionError, match="not a Whisper checkpoint"):
        load_checkpoint(path)


def test_weights_that_contradict_their_dims_are_named(tmp_path, dims, weights):
    path = tmp_path / "base.pt"
    torch.save({"dims": {**asdict(dims), "n_text_state": 512}, "model_state_dict": weights}, path)
    with pytest.raises(ProvisionError, match="shape"):
        load_checkpoint(path)


def test_a_window_longer_than_whisper_hears_is_a_mistake_in_the_configuration():
    plugins = load_plugins()
    backend = {"name": "simulstreaming", "options": {"max_window_seconds": 26}}
    assert make_config({"backend": backend}, plugins)
    with pytest.raises(ConfigError, match=r"max_window_seconds: with worker\.max_chunk_seconds \(5\) .* 31 s"):
        make_config({"backend": backend, "worker": {"max_chunk_seconds": 5}}, plugins)
