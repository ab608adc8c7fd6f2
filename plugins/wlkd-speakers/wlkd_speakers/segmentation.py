"""The network PyanNet of pyannote's segmentation-3.0, built as an ONNX graph from its weights: who speaks when, and
where two speak at once.

A. Plaquet, H. Bredin: "Powerset multi-class cross entropy loss for neural speaker diarization", Interspeech 2023.
Learnt band-pass filters (M. Ravanelli, Y. Bengio: "Speaker Recognition from Raw Waveform with SincNet", SLT 2018), two
further convolutions, four LSTM layers in both directions, two dense layers. It tells up to three speakers apart, by
numbers that hold only within what it hears at once, and gives a probability to each set of at most two of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wlkd import SAMPLE_RATE
from wlkd_speakers.weights import Weights

if TYPE_CHECKING:
    from wlkd_speakers.graph import Graph

STEP = 270
"""Samples from one answer to the next: 17 ms."""
HEARD = 991
"""Samples that the convolutions hear for one answer."""
FILTER_STRIDE = 10
LOWEST_HZ = NARROWEST_HZ = 50.0
LSTM_LAYERS, HIDDEN = 4, 128
LEAK = 0.01
SETS = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
"""The speakers that each answer stands for."""


def build(weights: Weights) -> bytes:
    """The network as a serialized ONNX model: `sound` (1, 1, samples) to `speakers` (1, answers, 7), probabilities of
    `SETS`.

    Raises `ProvisionError` unless `weights` are exactly those of PyanNet.
    """
    # The decisions import this module for its figures, and onnx takes long.
    from wlkd_speakers.graph import Graph

    graph = Graph(weights, "pyannote's segmentation-3.0")
    hidden = graph.instance_norm("sound", "sincnet.wav_norm1d")
    filters = graph.constant("filters", _filters(graph))
    hidden = graph.op("Abs", [graph.op("Conv", [hidden, filters], strides=[FILTER_STRIDE])])
    hidden = _pooled(graph, hidden, "sincnet.norm1d.0")
    for layer in (1, 2):
        hidden = graph.conv(hidden, f"sincnet.conv1d.{layer}", bias=True)
        hidden = _pooled(graph, hidden, f"sincnet.norm1d.{layer}")
    hidden = graph.op("Transpose", [hidden], perm=[2, 0, 1])  # time, batch, channels: what LSTM wants
    shape = graph.constant("both_directions", [0, 1, 2 * HIDDEN])
    for layer in range(LSTM_LAYERS):
        both = graph.op("Transpose", [_lstm(graph, hidden, layer)], perm=[0, 2, 1, 3])
        hidden = graph.op("Reshape", [both, shape])
    hidden = graph.op("Transpose", [hidden], perm=[1, 0, 2])
    for layer in (0, 1):
        hidden = graph.op("LeakyRelu", [graph.linear(hidden, f"linear.{layer}")], alpha=LEAK)
    graph.op("Softmax", [graph.linear(hidden, "classifier")], "speakers", axis=2)
    return graph.finish(("sound", [1, 1, "samples"]), ("speakers", [1, "answers", len(SETS)]))


def _pooled(graph: Graph, hidden: str, norm: str) -> str:
    """The largest of each three, normalized."""
    largest = graph.op("MaxPool", [hidden], kernel_shape=[3], strides=[3])
    return graph.op("LeakyRelu", [graph.instance_norm(largest, norm)], alpha=LEAK)


def _filters(graph: Graph) -> NDArray[np.float32]:
    """The band-pass filters, (80, 1, 251): for each pair of learnt edges a cosine and a sine phase."""
    name = "sincnet.conv1d.0.filterbank"
    low = LOWEST_HZ + np.abs(graph.take(f"{name}.low_hz_"))
    high = np.clip(low + NARROWEST_HZ + np.abs(graph.take(f"{name}.band_hz_")), LOWEST_HZ, SAMPLE_RATE / 2)
    times, window = graph.take(f"{name}.n_"), graph.take(f"{name}.window_")
    width = 2 * (high - low)
    cosine = (np.sin(high * times) - np.sin(low * times)) / (times / 2) * window
    sine = (np.cos(low * times) - np.cos(high * times)) / (times / 2) * window
    halves = ((cosine, width, cosine[:, ::-1]), (sine, np.zeros_like(width), -sine[:, ::-1]))
    filters = np.concatenate([np.concatenate(half, axis=1) / width for half in halves])
    return np.asarray(filters[:, np.newaxis], dtype=np.float32)


def _lstm(graph: Graph, hidden: str, layer: int) -> str:
    """One layer in both directions: (time, 2, 1, HIDDEN)."""

    def both(role: str) -> list[NDArray[np.float32]]:
        return [_gates(graph.take(f"lstm.{role}_l{layer}{direction}")) for direction in ("", "_reverse")]

    inputs = [
        graph.constant(f"lstm.{layer}.input", np.stack(both("weight_ih"))),
        graph.constant(f"lstm.{layer}.recurrence", np.stack(both("weight_hh"))),
        graph.constant(f"lstm.{layer}.bias", np.concatenate([np.stack(both("bias_ih")), np.stack(both("bias_hh"))], 1)),
    ]
    return graph.op("LSTM", [hidden, *inputs], hidden_size=HIDDEN, direction="bidirectional")


def _gates(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """PyTorch stacks input, forget, cell and output gate; ONNX input, output, forget and cell gate."""
    enter, forget, cell, leave = np.split(weight, 4)
    return np.concatenate([enter, leave, forget, cell])
