"""The voice network CAM++, built as an ONNX graph from its weights.

H. Wang, S. Zheng, Y. Chen, L. Cheng, Q. Chen: "CAM++: A Fast and Efficient Network for Speaker Verification Using
Context-Aware Masking", Interspeech 2023. A residual convolution over time and frequency, three blocks of densely
connected time-delay layers with context-aware masks, mean and deviation over time, one vector. The names of the
weights are those of 3D-Speaker, which published them.

Shapes are (1, channels, time); the batch is one, because a larger one is no faster on a CPU.
"""

from __future__ import annotations

import numpy as np

from wlkd_speakers.graph import Graph
from wlkd_speakers.weights import Weights

MEL_BINS = 80
DIMENSIONS = 192
HEAD_CHANNELS = 320
BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of each dense block."""


def build(weights: Weights) -> bytes:
    """The network as a serialized ONNX model: `features` (1, time, 80) to `voice` (1, 192).

    Raises `ProvisionError` unless `weights` are exactly those of CAM++.
    """
    graph = Graph(weights, "CAM++")
    hidden = graph.op("Transpose", ["features"], perm=[0, 2, 1])
    hidden = _head(graph, graph.op("Unsqueeze", [hidden, graph.constant("channel", [1])]))
    hidden = graph.conv(hidden, "xvector.tdnn.linear", strides=[2], pads=[2, 2])
    hidden = graph.norm_relu(hidden, "xvector.tdnn.nonlinear.batchnorm")
    for number, (layers, dilation) in enumerate(BLOCKS, start=1):
        for layer in range(1, layers + 1):
            hidden = _dense_layer(graph, hidden, f"xvector.block{number}.tdnnd{layer}", dilation)
        hidden = graph.norm_relu(hidden, f"xvector.transit{number}.nonlinear.batchnorm")
        hidden = graph.conv(hidden, f"xvector.transit{number}.linear")
    hidden = graph.norm_relu(hidden, "xvector.out_nonlinear.batchnorm")
    pooled = graph.conv(_statistics(graph, hidden), "xvector.dense.linear")
    graph.op("Squeeze", [graph.norm(pooled, "xvector.dense.nonlinear.batchnorm"), graph.constant("last", [2])], "voice")
    return graph.finish(("features", [1, "time", MEL_BINS]), ("voice", [1, DIMENSIONS]))


def _head(graph: Graph, picture: str) -> str:
    """(1, 1, 80, time) to (1, 320, time): frequency in three halvings, time as it is."""
    hidden = graph.norm_relu(graph.conv(picture, "head.conv1", pads=[1] * 4), "head.bn1")
    for stage in ("head.layer1", "head.layer2"):
        shortcut = graph.norm(graph.conv(hidden, f"{stage}.0.shortcut.0", strides=[2, 1]), f"{stage}.0.shortcut.1")
        hidden = _residual(graph, hidden, f"{stage}.0", [2, 1], shortcut)
        hidden = _residual(graph, hidden, f"{stage}.1", [1, 1], hidden)
    hidden = graph.norm_relu(graph.conv(hidden, "head.conv2", strides=[2, 1], pads=[1] * 4), "head.bn2")
    return graph.op("Reshape", [hidden, graph.constant("flat", [1, HEAD_CHANNELS, -1])])


def _residual(graph: Graph, hidden: str, name: str, strides: list[int], shortcut: str) -> str:
    first = graph.norm_relu(graph.conv(hidden, f"{name}.conv1", strides=strides, pads=[1] * 4), f"{name}.bn1")
    second = graph.norm(graph.conv(first, f"{name}.conv2", pads=[1] * 4), f"{name}.bn2")
    return graph.op("Relu", [graph.op("Add", [second, shortcut])])


def _dense_layer(graph: Graph, hidden: str, name: str, dilation: int) -> str:
    """32 further channels, from all those before (section 2.2 of the paper)."""
    narrow = graph.conv(graph.norm_relu(hidden, f"{name}.nonlinear1.batchnorm"), f"{name}.linear1")
    narrow = graph.norm_relu(narrow, f"{name}.nonlinear2.batchnorm")
    local = graph.conv(narrow, f"{name}.cam_layer.linear_local", dilations=[dilation], pads=[dilation] * 2)
    return graph.op("Concat", [hidden, graph.op("Mul", [local, _mask(graph, narrow, f"{name}.cam_layer")])], axis=1)


def _mask(graph: Graph, narrow: str, name: str) -> str:
    """What matters, given the context. The paper adds the mean of each segment of 100 frames to that of the whole; all
    that is heard here is one such segment, and the two means are the same."""
    mean = graph.op("ReduceMean", [narrow], axes=[2], keepdims=1)
    context = graph.op("Add", [mean, mean])
    hidden = graph.op("Relu", [graph.conv(context, f"{name}.linear1", bias=True)])
    return graph.op("Sigmoid", [graph.conv(hidden, f"{name}.linear2", bias=True)])


def _statistics(graph: Graph, hidden: str) -> str:
    """Mean and (unbiased) standard deviation over time."""
    mean = graph.op("ReduceMean", [hidden], axes=[2], keepdims=1)
    off = graph.op("Sub", [hidden, mean])
    square_sum = graph.op("ReduceSumSquare", [off], axes=[2], keepdims=1)
    length = graph.op("Cast", [graph.op("Gather", [graph.op("Shape", [hidden]), graph.constant("time", 2)])], to=1)
    variance = graph.op("Div", [square_sum, graph.op("Sub", [length, graph.constant("one", np.float32(1))])])
    return graph.op("Concat", [mean, graph.op("Sqrt", [variance])], axis=1)
