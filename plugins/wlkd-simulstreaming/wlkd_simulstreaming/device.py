"""Which device the model runs on, decided before anything is loaded onto it, and what keeps a GPU from being used."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from wlkd_whisper.cuda import cublas_fault

from wlkd import ProvisionError
from wlkd_simulstreaming.options import SimulStreamingOptions

EXTRA = "pip install 'wlkd-simulstreaming[cuda]'"


@dataclass(frozen=True)
class Gpus:
    """The GPUs of this machine, as far as this process is concerned."""

    present: bool
    """There is one, whether or not it can be used."""
    hidden: bool
    """CUDA_VISIBLE_DEVICES says that none is to be used."""
    count: int
    """How many PyTorch can use, after CUDA_VISIBLE_DEVICES."""
    fault: str | None
    """Why none can be used, naming the library, and the remedy; None: they can be used."""


@dataclass(frozen=True)
class Choice:
    """A device, and why it is not the one that one would expect."""

    device: torch.device
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.device} ({self.reason})" if self.reason else str(self.device)


def choose_device(options: SimulStreamingOptions) -> Choice:
    """The device that `options` ask for. Raises `ProvisionError` with the library that is missing and the remedy."""
    if options.device == "cpu":
        return Choice(torch.device("cpu"))
    return choose(options, look(os.environ, options.encoder == "ctranslate2", options.device_index))


def choose(options: SimulStreamingOptions, gpus: Gpus) -> Choice:
    """The rule behind `choose_device`."""
    cpu = torch.device("cpu")
    if options.device == "auto":
        if gpus.hidden:
            return Choice(cpu, "device auto: CUDA_VISIBLE_DEVICES hides every GPU")
        if gpus.fault and not gpus.present:
            return Choice(cpu, "device auto: no GPU here")
        if gpus.fault and options.cpu_fallback:
            return Choice(cpu, f"cpu_fallback: {gpus.fault}")
    if gpus.fault:
        elsewhere = "`device: cpu`, or `cpu_fallback: true`," if options.device == "auto" else "`device: cpu`"
        raise ProvisionError(f"device {options.device}: {gpus.fault}; {elsewhere} does without a GPU")
    if options.device_index >= gpus.count:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        among = f" among those of CUDA_VISIBLE_DEVICES={visible}" if visible is not None else ""
        raise ProvisionError(
            f"device_index {options.device_index}: there is no such GPU{among}: PyTorch finds {gpus.count}, "
            "counted from 0 (`nvidia-smi` lists them)"
        )
    return Choice(torch.device("cuda", options.device_index))


def look(environment: Mapping[str, str], needs_cublas: bool, index: int = 0) -> Gpus:
    """Find out about the GPUs, of which number `index` is wanted; loads CUDA's libraries on the way."""
    # The driver shows its GPUs there even where a sandbox hides the device files.
    present = Path("/proc/driver/nvidia/gpus").is_dir() or Path("/dev/nvidiactl").exists()
    hidden = environment.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    if hidden:
        return Gpus(present, hidden, 0, "CUDA_VISIBLE_DEVICES hides every GPU")
    fault = _torch_fault()
    if needs_cublas and not fault:
        fault = cublas_fault()
        fault = f"{fault}; `{EXTRA}` brings it" if fault else None
    count = 0 if fault else torch.cuda.device_count()
    return Gpus(present, hidden, count, _compute_fault(index) if index < count else fault)


def _torch_fault() -> str | None:
    if torch.version.hip:
        return None if torch.cuda.is_available() else "PyTorch for ROCm finds no usable GPU"
    if not torch.version.cuda:
        return f"PyTorch {torch.__version__} is a build for the CPU; a GPU needs one for CUDA, and `{EXTRA}`"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return (
            f"libcuda.so.1 cannot be loaded ({error}): NVIDIA's driver is not installed, "
            "or this container was started without --gpus"
        )
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        device = Path("/dev/nvidiactl")
        if not os.access(device, os.R_OK | os.W_OK):
            return f"{device} cannot be opened; in the service, the drop-in gpu.conf gives access to the GPU"
        return f"PyTorch cannot use CUDA {torch.version.cuda}: {str(error).splitlines()[0]}"
    return None if torch.cuda.device_count() else "PyTorch finds no GPU"


def _compute_fault(index: int) -> str | None:
    """PyTorch lists a GPU that is too old for it, or that another program has for itself: it shows at the first use."""
    try:
        torch.ones(1, device=torch.device("cuda", index)).add(1).item()
    except RuntimeError as error:
        return f"PyTorch {torch.__version__} cannot compute on GPU {index}: {str(error).splitlines()[0]}"
    return None
