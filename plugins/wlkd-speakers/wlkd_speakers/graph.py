"""Builds an ONNX graph from the weights of a PyTorch checkpoint, by the names that they have there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from wlkd import ProvisionError
from wlkd_speakers.weights import Weights

NORM_EPSILON = 1e-5
OPSET = 17

Port = tuple[str, Sequence[int | str]]
"""An input or output: its name and shape."""


class Graph:
    """Collects nodes and the weights that they use; each weight is used once, and none is left over."""

    def __init__(self, weights: Weights, network: str) -> None:
        """`network`: what the weights must be those of, for messages."""
        self._weights = dict(weights)
        self._network = network
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def op(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Append a node; returns the name of its output."""
        output = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: object) -> str:
        array = np.asarray(value)
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def conv(self, hidden: str, name: str, *, bias: bool = False, **attributes: Any) -> str:
        inputs = [hidden, self.constant(f"{name}.weight", self.take(f"{name}.weight"))]
        if bias:
            inputs.append(self.constant(f"{name}.bias", self.take(f"{name}.bias")))
        return self.op("Conv", inputs, **attributes)

    def norm(self, hidden: str, name: str) -> str:
        """Batch normalization with fixed statistics. The last of the network has no scale and bias of its own."""
        mean, variance = self.take(f"{name}.running_mean"), self.take(f"{name}.running_var")
        del self._weights[f"{name}.num_batches_tracked"]
        plain = f"{name}.weight" not in self._weights
        scale = np.ones_like(mean) if plain else self.take(f"{name}.weight")
        bias = np.zeros_like(mean) if plain else self.take(f"{name}.bias")
        values = {"scale": scale, "bias": bias, "mean": mean, "variance": variance}
        inputs = [self.constant(f"{name}.{role}", value) for role, value in values.items()]
        return self.op("BatchNormalization", [hidden, *inputs], epsilon=NORM_EPSILON)

    def instance_norm(self, hidden: str, name: str) -> str:
        """Normalization over time, by what is there."""
        inputs = [self.constant(f"{name}.{role}", self.take(f"{name}.{role}")) for role in ("weight", "bias")]
        return self.op("InstanceNormalization", [hidden, *inputs], epsilon=NORM_EPSILON)

    def linear(self, hidden: str, name: str) -> str:
        weight = self.constant(f"{name}.weight", self.take(f"{name}.weight").T)
        bias = self.constant(f"{name}.bias", self.take(f"{name}.bias"))
        return self.op("Add", [self.op("MatMul", [hidden, weight]), bias])

    def norm_relu(self, hidden: str, name: str) -> str:
        return self.op("Relu", [self.norm(hidden, name)])

    def finish(self, into: Port, out: Port) -> bytes:
        """The serialized model from `into` to `out`. Raises `ProvisionError` when weights are left over."""
        if self._weights:
            raise ProvisionError(f"not the weights of {self._network}: {next(iter(self._weights))} has no place in it")
        graph = helper.make_graph(
            self._nodes,
            self._network,
            [helper.make_tensor_value_info(into[0], TensorProto.FLOAT, into[1])],
            [helper.make_tensor_value_info(out[0], TensorProto.FLOAT, out[1])],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        return bytes(model.SerializeToString())

    def take(self, name: str) -> NDArray[np.float32]:
        """The weight `name`, which nobody else uses. Raises `ProvisionError` when it is missing."""
        try:
            return self._weights.pop(name)
        except KeyError:
            raise ProvisionError(f"not the weights of {self._network}: {name} is missing") from None
