"""Translation models small enough to be made in a test: they copy what they are asked, in capitals.

A Transformer of one layer whose weights are set by hand. Encoder states hold the position and the piece, each as one
coordinate; the decoder's cross-attention looks for its own position, and the output layer knows each piece's capital.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import sentencepiece
from numpy.typing import NDArray

LETTERS = "abcdefghijklmnopqrstuvwxyz"
POSITIONS = 64
SHARP = 40.0
"""How surely the attention finds its place, and the output its piece."""

Array = NDArray[np.float32]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one of each family."""
    folder = tmp_path_factory.mktemp("models")
    nllb_marks = ["eng_Latn", "por_Latn", "zho_Hans", "zho_Hant", "nob_Latn", "jav_Latn"]
    for name, marks in (("nllb-tiny", nllb_marks), ("m2m-tiny", ["__en__", "__pt__"])):
        (folder / name).mkdir()
        make_model(folder / name, [*make_pieces(folder / name / "sentencepiece.bpe.model"), *marks])
    opus = folder / "opus-mt-en-pt"
    opus.mkdir()
    make_model(opus, make_pieces(opus / "source.spm"))
    (opus / "target.spm").write_bytes((opus / "source.spm").read_bytes())
    return folder


def make_pieces(path: Path) -> list[str]:
    """A SentencePiece model of single letters; returns its pieces."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([f"{letter} {letter.upper()}" for letter in LETTERS] * 2),
        model_prefix=str(path.with_suffix("")),
        model_type="char",
        vocab_size=2 * len(LETTERS) + 4,
        minloglevel=2,
    )
    path.with_suffix(".model").rename(path)
    path.with_suffix(".vocab").unlink()
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(number) for number in range(model.get_piece_size())]


def make_model(folder: Path, vocabulary: Sequence[str]) -> None:
    """CTranslate2's files for a model that shouts."""
    count = len(vocabulary)
    width = POSITIONS + count
    spec = ctranslate2.specs.TransformerSpec.from_config((1, 1), num_heads=1)
    place, piece = slice(0, POSITIONS), slice(POSITIONS, width)
    embedding = np.zeros((count, width), np.float32)
    embedding[:, piece] = np.eye(count)
    positions = np.zeros((POSITIONS, width), np.float32)
    positions[:, place] = np.eye(POSITIONS)

    for side in (spec.encoder, spec.decoder):
        side.scale_embeddings = False
        side.position_encodings.encodings = positions
        _norm(side.layer_norm, width)
        [layer] = side.layer
        _norm(layer.self_attention.layer_norm, width)
        _linear(layer.self_attention.linear[0], np.zeros((3 * width, width), np.float32))
        _linear(layer.self_attention.linear[1], np.zeros((width, width), np.float32))
        _norm(layer.ffn.layer_norm, width)
        _linear(layer.ffn.linear_0, np.zeros((4, width), np.float32))
        _linear(layer.ffn.linear_1, np.zeros((width, 4), np.float32))
    spec.encoder.embeddings[0].weight = embedding
    spec.decoder.embeddings.weight = embedding

    look = np.zeros((width, width), np.float32)
    look[place, place] = SHARP * np.eye(POSITIONS)
    tell = np.zeros((width, width), np.float32)
    tell[piece, piece] = SHARP * np.eye(count)
    keys = np.zeros((width, width), np.float32)
    keys[place, place] = np.eye(POSITIONS)
    attention = spec.decoder.layer[0].attention
    _norm(attention.layer_norm, width)
    _linear(attention.linear[0], look)
    _linear(attention.linear[1], np.concatenate([keys, tell]))
    _linear(attention.linear[2], np.eye(width, dtype=np.float32))
    projection = np.zeros((count, width), np.float32)
    for number, text in enumerate(vocabulary):
        shouted = text.upper() if len(text) == 1 else text
        projection[vocabulary.index(shouted), POSITIONS + number] = SHARP
    _linear(spec.decoder.projection, projection)

    spec.register_source_vocabulary(list(vocabulary))
    spec.register_target_vocabulary(list(vocabulary))
    spec.config.add_source_eos = False
    spec.validate()
    spec.save(str(folder))


def _norm(spec: ctranslate2.specs.common_spec.LayerNormSpec, width: int) -> None:
    spec.gamma = np.ones(width, np.float32)
    spec.beta = np.zeros(width, np.float32)


def _linear(spec: ctranslate2.specs.common_spec.LinearSpec, weight: Array) -> None:
    spec.weight = weight
    spec.bias = np.zeros(len(weight), np.float32)
