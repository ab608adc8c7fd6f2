"""Runs a network through ONNX Runtime, on one core a call."""

from __future__ import annotations

import os
from pathlib import Path

from wlkd import ProvisionError

# Read when the library is loaded: without it, it reports over the network what it does.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # type: ignore[import-untyped]


def load(network: bytes, path: Path) -> onnxruntime.InferenceSession:
    """`network`, serialized, made of the weights at `path`. Safe to run from several threads.

    Raises `ProvisionError`.
    """
    options = onnxruntime.SessionOptions()
    # One core a call: several streams keep the others busy, and recognition needs them too.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen unrelated types
        raise ProvisionError(f"{path}: its tensors do not fit together: {error}") from error
