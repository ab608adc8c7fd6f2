"""The device: the CPU only where that was asked for, and every refusal names the library and the remedy."""

from __future__ import annotations

import asyncio
import ctypes
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from prometheus_client import CollectorRegistry
from wlkd_simulstreaming import device
from wlkd_simulstreaming.backend import SimulStreaming
from wlkd_simulstreaming.device import Gpus, choose, look
from wlkd_simulstreaming.options import SimulStreamingOptions

from wlkd import Context, ProvisionError

NONE = Gpus(present=False, hidden=False, count=0, fault="libcuda.so.1 cannot be loaded")
BROKEN = Gpus(present=True, hidden=False, count=0, fault="libcublas.so.12 cannot be loaded")
TWO = Gpus(present=True, hidden=False, count=2, fault=None)
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"
HIDDEN = Gpus(present=True, hidden=True, count=0, fault="CUDA_VISIBLE_DEVICES hides every GPU")


def options(**values: Any) -> SimulStreamingOptions:
    return SimulStreamingOptions(**values)


@pytest.mark.parametrize(
    ("gpus", "wanted", "chosen"),
    [
        (TWO, {"device": "auto"}, "cuda:0"),
        (TWO, {"device": "auto", "device_index": 1}, "cuda:1"),
        (TWO, {"device": "cuda", "device_index": 1}, "cuda:1"),
        (NONE, {"device": "auto"}, "cpu (device auto: no GPU here)"),
        (HIDDEN, {"device": "auto"}, "cpu (device auto: CUDA_VISIBLE_DEVICES hides every GPU)"),
        (BROKEN, {"device": "auto", "cpu_fallback": True}, "cpu (cpu_fallback: libcublas.so.12 cannot be loaded)"),
    ],
)
def test_what_is_chosen_says_why(gpus: Gpus, wanted: dict[str, Any], chosen: str) -> None:
    assert str(choose(options(**wanted), gpus)) == chosen


@pytest.mark.parametrize(
    ("gpus", "wanted", "parts"),
    [
        (BROKEN, {"device": "auto"}, ["libcublas.so.12", "`cpu_fallback: true`"]),
        (BROKEN, {"device": "cuda", "cpu_fallback": True}, ["libcublas.so.12", "`device: cpu`"]),
        (NONE, {"device": "cuda"}, ["libcuda.so.1"]),
        (HIDDEN, {"device": "cuda"}, ["CUDA_VISIBLE_DEVICES"]),
        (TWO, {"device": "auto", "device_index": 2}, ["device_index 2", "finds 2", "counted from 0"]),
        (TWO, {"device": "cuda", "device_index": 7, "cpu_fallback": True}, ["device_index 7", "finds 2"]),
    ],
)
def test_a_gpu_that_cannot_be_used_is_refused(gpus: Gpus, wanted: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ProvisionError) as refusal:
        choose(options(**wanted), gpus)
    for part in parts:
        assert part in str(refusal.value)


def test_a_wrong_index_mentions_what_narrows_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with pytest.raises(ProvisionError, match="among those of CUDA_VISIBLE_DEVICES=2,3"):
        choose(options(device="cuda", device_index=3), TWO)


@pytest.mark.parametrize("value", ["", "-1", " "])
def test_cuda_visible_devices_can_hide_every_gpu(value: str) -> None:
    gpus = look({"CUDA_VISIBLE_DEVICES": value}, needs_cublas=True)
    assert gpus.hidden and gpus.count == 0


def unloadable(*names: str) -> Any:
    real = ctypes.CDLL

    def load(path: str, **more: Any) -> ctypes.CDLL:
        if Path(path).name in names:
            raise OSError(f"{Path(path).name}: cannot open shared object file: No such file or directory")
        return real(None, **more)

    return load


class FakeCuda:
    """`torch.cuda` of a machine with a GPU."""

    @staticmethod
    def init() -> None:
        """Works."""

    @staticmethod
    def device_count() -> int:
        return 1


@pytest.fixture
def cuda_build(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch, "cuda", FakeCuda)
    monkeypatch.setattr(torch, "ones", lambda *shape, device: torch.zeros(shape))
    return monkeypatch


@pytest.mark.parametrize("library", ["libcublasLt.so.12", "libcublas.so.12"])
def test_a_missing_cuda_library_is_named_with_its_extra(cuda_build: pytest.MonkeyPatch, library: str) -> None:
    cuda_build.setattr(ctypes, "CDLL", unloadable(library))
    fault = look({}, needs_cublas=True).fault
    assert fault is not None and library in fault and "pip install 'wlkd-simulstreaming[cuda]'" in fault
    # PyTorch's encoder does without it.
    assert look({}, needs_cublas=False) == Gpus(device.look({}, False).present, False, 1, None)


def test_a_missing_driver_is_named(cuda_build: pytest.MonkeyPatch) -> None:
    cuda_build.setattr(ctypes, "CDLL", unloadable("libcuda.so.1"))
    fault = look({}, needs_cublas=True).fault
    assert fault is not None and "libcuda.so.1" in fault and "driver" in fault


def test_a_gpu_that_pytorch_cannot_start_is_explained(cuda_build: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("CUDA driver version is insufficient\nmore")

    cuda_build.setattr(FakeCuda, "init", staticmethod(refuse))
    cuda_build.setattr(ctypes, "CDLL", unloadable())
    cuda_build.setattr("os.access", lambda *_: True)
    assert look({}, needs_cublas=True).fault == "PyTorch cannot use CUDA 13.0: CUDA driver version is insufficient"
    cuda_build.setattr("os.access", lambda *_: False)
    fault = look({}, needs_cublas=True).fault
    assert fault is not None and "gpu.conf" in fault


@pytest.mark.parametrize("index", [0, 1])
def test_a_gpu_that_is_there_and_cannot_compute_is_explained(cuda_build: pytest.MonkeyPatch, index: int) -> None:
    """As one that is older than what PyTorch was built for."""

    def compute(*shape: int, device: torch.device) -> torch.Tensor:
        if device.index == 0:
            raise RuntimeError(f"{NO_KERNEL}\nmore")
        return torch.zeros(shape)

    cuda_build.setattr(torch, "ones", compute)
    cuda_build.setattr(ctypes, "CDLL", unloadable())
    cuda_build.setattr(FakeCuda, "device_count", staticmethod(lambda: 2))
    gpus = look({}, needs_cublas=True, index=index)
    if index == 1:
        assert gpus.fault is None
        return
    assert gpus.fault is not None and gpus.fault.endswith("cannot compute on GPU 0: " + NO_KERNEL)
    fallen_back = choose(options(cpu_fallback=True), replace(gpus, present=True))
    assert str(fallen_back).startswith("cpu (cpu_fallback: PyTorch")


@pytest.mark.skipif(torch.version.cuda is not None, reason="this PyTorch is a build for CUDA")
def test_a_build_for_the_cpu_says_what_a_gpu_needs(tiny_models: Path) -> None:
    backend = SimulStreaming(options(model="test", device="cuda"))
    with pytest.raises(ProvisionError, match=r"is a build for the CPU.*wlkd-simulstreaming\[cuda\]"):
        asyncio.run(backend.provision(Context(tiny_models, CollectorRegistry(), lambda _: None)))


@pytest.fixture
def tiny_models(tmp_path: Path) -> Path:
    """Just enough to come as far as the device."""
    folder = tmp_path / "faster-whisper-test"
    folder.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    return tmp_path
