"""A streaming transducer in the shape that sherpa-onnx reads, with random weights: it says nonsense, steadily.

    python plugins/wlkd-sherpa/tests/random_transducer.py models/random --layers 62 --width 1024 --step 32

Large, it tells the order of magnitude of what a real one of as many weights would cost.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STATE, CONTEXT = 8, 2
PIECES = ["<blk>", "▁ka", "mi", "▁to", "re", "▁su", "no", "▁ha", "fu", "▁we"]


def make_transducer(folder: Path, seed: int = 0, *, layers: int = 0, width: int = 16, step: int = 8) -> None:
    """Write `encoder.onnx`, `decoder.onnx`, `joiner.onnx` and `tokens.txt` into a new folder.

    `layers`: further ones in the encoder, of `width` x `width` weights; `step`: feature frames (10 ms) that the encoder
    moves on by, a multiple of 4, of which one in four comes out.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    lines = [f"{piece} {number}" for number, piece in enumerate(PIECES)]
    (folder / "tokens.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def weights(name: str, *shape: int, scale: float = 1.0) -> onnx.TensorProto:
        return numpy_helper.from_array(random.normal(0, scale, shape).astype(np.float32), name)

    def number(name: str, *values: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(values, np.int64), name)

    state = [1, "N", STATE]
    deep = [
        node
        for layer in range(layers)
        for node in (
            helper.make_node("MatMul", [f"layer{layer}", f"w{layer}"], [f"sum{layer}"]),
            helper.make_node("Sin", [f"sum{layer}"], [f"layer{layer + 1}"]),
        )
    ]
    _save(
        folder / "encoder.onnx",
        [
            # One frame of four, as sherpa-onnx expects; the sine makes the words depend on more than the loudness.
            helper.make_node("Slice", ["x", "zero", "end", "axis", "four"], ["some"]),
            helper.make_node("Sin", ["some"], ["turned"]),
            helper.make_node("MatMul", ["turned", "w"], ["layer0"]),
            *deep,
            helper.make_node("Identity", [f"layer{layers}"], ["encoder_out"]),
            helper.make_node("Identity", ["h"], ["new_h"]),
            helper.make_node("Identity", ["c"], ["new_c"]),
        ],
        inputs=[_floats("x", ["N", step + 1, 80]), _floats("h", state), _floats("c", state)],
        outputs=[_floats("encoder_out", ["N", step // 4, width]), _floats("new_h", state), _floats("new_c", state)],
        tensors=[
            weights("w", 80, width),
            *(weights(f"w{layer}", width, width, scale=width**-0.5) for layer in range(layers)),
            number("zero", 0),
            number("end", step),
            number("axis", 1),
            number("four", 4),
        ],
        facts={
            "model_type": "lstm",
            "num_encoder_layers": "1",
            "T": str(step + 1),
            "decode_chunk_len": str(step),
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
        outputs=[_floats("decoder_out", ["N", width])],
        tensors=[weights("table", len(PIECES), width), number("axis", 1)],
        facts={"vocab_size": str(len(PIECES)), "context_size": str(CONTEXT)},
    )
    _save(
        folder / "joiner.onnx",
        [
            helper.make_node("Add", ["encoder_out", "decoder_out"], ["sum"]),
            helper.make_node("MatMul", ["sum", "w"], ["logit"]),
        ],
        inputs=[_floats("encoder_out", ["N", width]), _floats("decoder_out", ["N", width])],
        outputs=[_floats("logit", ["N", len(PIECES)])],
        tensors=[weights("w", width, len(PIECES))],
        facts={"joiner_dim": str(width)},
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new one, in the models folder")
    parser.add_argument("--layers", type=int, default=0, help="in the encoder, besides the first")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--step", type=int, default=8, help="feature frames (10 ms) of one encoding")
    args = parser.parse_args()
    make_transducer(args.folder, layers=args.layers, width=args.width, step=args.step)
