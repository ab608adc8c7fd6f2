"""The Silero network as faster-whisper ships it: probabilities of speech, a frame of 32 ms at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wlkd import SAMPLE_RATE, ProvisionError, Samples

FRAME_SAMPLES = SAMPLE_RATE * 32 // 1000
"""512: what the network judges at a time."""
CONTEXT_SAMPLES = 64
"""What it wants to see of the frame before."""
STATE_SHAPE = (1, 1, 128)

ASSET = "faster_whisper/assets/silero_vad_v6.onnx"


def shipped_model() -> Path:
    """The network inside the installed faster-whisper, found without importing it (which loads CTranslate2)."""
    try:
        path = Path(str(distribution("faster-whisper").locate_file(ASSET)))
    except PackageNotFoundError:
        raise ProvisionError("the Silero network comes with faster-whisper: pip install faster-whisper") from None
    if not path.is_file():
        raise ProvisionError(f"the installed faster-whisper has no {ASSET}; install faster-whisper >= 1.2.1")
    return path


def _state() -> Samples:
    return np.zeros(STATE_SHAPE, dtype=np.float32)


@dataclass(slots=True)
class Memory:
    """What the network remembers of one stream: about 1 KiB."""

    hidden: Samples = field(default_factory=_state)
    cell: Samples = field(default_factory=_state)
    context: Samples = field(default_factory=lambda: np.zeros(CONTEXT_SAMPLES, dtype=np.float32))
    """The last samples of the frame before, shape (CONTEXT_SAMPLES,)."""


class SileroModel:
    """One network for all streams; safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        """Load the library and the network. Raises `ProvisionError` when `path` is not such a network."""
        # Read when the library is loaded: without it, it looks up mobile.events.data.microsoft.com after some seconds,
        # to report what it does. `disable_telemetry_events()` comes too late (seen with 1.32).
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        # A call takes 0.1 ms: threads of its own, or spinning for the next call, would cost more than they give.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise ProvisionError(f"{path} cannot be loaded as an ONNX network: {error}") from error
        inputs = {entry.name for entry in self._session.get_inputs()}
        if inputs != {"input", "h", "c"}:
            raise ProvisionError(
                f"{path} takes {sorted(inputs)}, not input, h and c: "
                "it must be the Silero export that faster-whisper ships"
            )

    def probabilities(self, samples: Samples, memory: Memory) -> NDArray[np.float32]:
        """The probability of speech in each frame of `samples`, shape (n * FRAME_SAMPLES,), as shape (n,).

        `memory` moves on.
        """
        frames = samples.reshape(-1, FRAME_SAMPLES)
        if not len(frames):
            return np.zeros(0, dtype=np.float32)
        tails = frames[:, -CONTEXT_SAMPLES:]
        contexts = np.concatenate([memory.context[np.newaxis], tails[:-1]])
        probabilities: NDArray[np.float32]
        probabilities, memory.hidden, memory.cell = self._session.run(
            ["speech_probs", "hn", "cn"],
            {"input": np.concatenate([contexts, frames], axis=1), "h": memory.hidden, "c": memory.cell},
        )
        memory.context = tails[-1].copy()
        return probabilities
