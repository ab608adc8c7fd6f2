"""A streaming transducer in the shape that sherpa-onnx reads, with random weights: it says nonsense, steadily."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

WIDTH, STATE, CONTEXT = 16, 8, 2
FRAMES, STEP = 9, 8
"""Feature frames (10 ms) that the encoder looks at, and by how many it moves on."""
PIECES = ["<blk>", "▁ka", "mi", "▁to", "re", "▁su", "no", "▁ha", "fu", "▁we"]


@pytest.fixture(scope="session")
def make_transducer() -> Callable[[Path], None]:
    """Writes such a model into a new folder."""
    return _make_transducer


def _make_transducer(folder: Path, seed: int = 0) -> None:
    """Write `encoder.onnx`, `decoder.onnx`, `joiner.onnx` and `tokens.txt`."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    lines = [f"{piece} {number}" for number, piece in enumerate(PIECES)]
    (folder / "tokens.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(random.normal(0, 1, shape).astype(np.float32), name)

    def number(name: str, *values: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(values, np.int64), name)

    state = [1, "N", STATE]
    _save(
        folder / "encoder.onnx",
        [
            # One frame of four, as sherpa-onnx expects; the sine makes the words depend on more than the loudness.
            helper.make_node("Slice", ["x", "zero", "end", "axis", "four"], ["some"]),
            helper.make_node("Sin", ["some"], ["turned"]),
            helper.make_node("MatMul", ["turned", "w"], ["encoder_out"]),
            helper.make_node("Identity", ["h"], ["new_h"]),
            helper.make_node("Identity", ["c"], ["new_c"]),
        ],
        inputs=[_floats("x", ["N", FRAMES, 80]), _floats("h", state), _floats("c", state)],
        outputs=[_floats("encoder_out", ["N", 2, WIDTH]), _floats("new_h", state), _floats("new_c", state)],
        tensors=[
            weights("w", 80, WIDTH),
            number("zero", 0),
            number("end", STEP),
            number("axis", 1),
            number("four", 4),
        ],
        facts={
            "model_type": "lstm",
            "num_encoder_layers": "1",
            "T": str(FRAMES),
            "decode_chunk_len": str(STEP),
            "rnn_hidden_size": str(STATE),
            "d_model": str(STATE),
        },
    )
    _save(
        folder / "decoder.onnx",
        [
            helper.make_node("Gather", ["table", "y"], ["both"]),
            helper.make_node("ReduceSum", ["both", "axis"], ["decoder_out"], keepdims=0),
        ],
        inputs=[helper.make_tensor_value_info("y", TensorProto.INT64, ["N", CONTEXT])],
        outputs=[_floats("decoder_out", ["N", WIDTH])],
        tensors=[weights("table", len(PIECES), WIDTH), number("axis", 1)],
        facts={"vocab_size": str(len(PIECES)), "context_size": str(CONTEXT)},
    )
    _save(
        folder / "joiner.onnx",
        [
            helper.make_node("Add", ["encoder_out", "decoder_out"], ["sum"]),
            helper.make_node("MatMul", ["sum", "w"], ["logit"]),
        ],
        inputs=[_floats("encoder_out", ["N", WIDTH]), _floats("decoder_out", ["N", WIDTH])],
        outputs=[_floats("logit", ["N", len(PIECES)])],
        tensors=[weights("w", WIDTH, len(PIECES))],
        facts={"joiner_dim": str(WIDTH)},
    )


def _floats(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    *,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    tensors: list[onnx.TensorProto],
    facts: dict[str, str],
) -> None:
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, initializer=tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
