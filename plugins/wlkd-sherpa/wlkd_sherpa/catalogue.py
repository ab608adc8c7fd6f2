"""Streaming models for sherpa-onnx that are known byte for byte, and where they can be had.

Each in 8-bit weights where sherpa-onnx publishes them, with the small decoder in full. Digests and revisions are those
that several projects pin independently of each other; the publisher gives none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from wlkd_models.files import PinnedFile
from wlkd_models.pinned import PinnedFamily, PinnedModel
from wlkd_models.sources import HttpSource, Source, hugging_face

PUBLISHER = "csukuangfj"


def _sources(repository: str, revision: str) -> Callable[[Path], Sequence[Source]]:
    def address(file: PinnedFile) -> str:
        return f"{hugging_face()}/{PUBLISHER}/{repository}/resolve/{revision}/{file.name}"

    return lambda scratch: [HttpSource("Hugging Face", address)]


ZIPFORMER_ZH_EN = "sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20"
ZIPFORMER_EN = "sherpa-onnx-streaming-zipformer-en-2023-06-26"
PARAFORMER_ZH_EN = "sherpa-onnx-streaming-paraformer-bilingual-zh-en"

MODELS = {
    ZIPFORMER_ZH_EN: PinnedModel(
        (
            PinnedFile(
                "encoder-epoch-99-avg-1.int8.onnx",
                181_895_032,
                "8fa764187a261844f859d7143ebaa563af5d10adfece4c18a8f414c88cba2a9b",
            ),
            PinnedFile(
                "decoder-epoch-99-avg-1.onnx",
                13_876_452,
                "2e3b5ec371f8899ee6acd829fd753ba45772df57a91bdf37cde3136354e7db7d",
            ),
            PinnedFile(
                "joiner-epoch-99-avg-1.int8.onnx",
                3_228_404,
                "1ed689c5ed19dbaa725d9d191bb4822b5f4855a39e1ffd28cbc1f340d25b2ee0",
            ),
            PinnedFile("tokens.txt", 56_317, "a8e0e4ec53810e433789b54a5c0134a7eaa2ffca595a6334d54c00da858841d3"),
            PinnedFile("bpe.vocab", 12_564, "d0b642f3a2eacd5fadefdeff9e0e1358cab729647cbb7fe58cf738e1f7407029"),
        ),
        _sources(ZIPFORMER_ZH_EN, "98590b7ed6443e77b714204da2757d75e1a642f4"),
        "a zipformer transducer for the backend sherpa; Chinese and English; Apache-2.0",
    ),
    ZIPFORMER_EN: PinnedModel(
        (
            PinnedFile(
                "encoder-epoch-99-avg-1-chunk-16-left-128.int8.onnx",
                71_083_163,
                "563fde436d16cf7607cf408cd6b30909819d03162652ef389c2450ced3f45ac1",
            ),
            PinnedFile(
                "decoder-epoch-99-avg-1-chunk-16-left-128.onnx",
                2_092_621,
                "7bf787f90b194b307e5a4ad6a34fadb4e748304c35f78a8d66358a05b13ee6ef",
            ),
            PinnedFile(
                "joiner-epoch-99-avg-1-chunk-16-left-128.int8.onnx",
                259_335,
                "d944208d660d67c8d72cd2acaeac971fa5ceb8c80e76c1968148846fedd6e297",
            ),
            PinnedFile("tokens.txt", 5_048, "49e3c2646595fd907228b3c6787069658f67b17377c60aeb8619c4551b2316fb"),
        ),
        _sources(ZIPFORMER_EN, "672fbf1b30579d6585301139bb363f42a0ad4a24"),
        "a zipformer transducer for the backend sherpa; English; Apache-2.0",
    ),
    PARAFORMER_ZH_EN: PinnedModel(
        (
            PinnedFile(
                "encoder.int8.onnx",
                165_462_184,
                "81a70226a8934e6ed92aa1d4fc486b428b5398e2f2619ed4897b7294cab90e9a",
            ),
            PinnedFile(
                "decoder.int8.onnx",
                71_664_561,
                "f3cca9f77bb9d93c8fcbfb63ae617b6b1ee96818df3aa3b151c40658fe38594f",
            ),
            PinnedFile("tokens.txt", 75_756, "59aba8873a2ed1e122c25fee421e25f283b63290efbde85c1f01a853d83cb6e6"),
        ),
        _sources(PARAFORMER_ZH_EN, "8e40c43232a1c5c66c82111efc5820d3accca11b"),
        "a streaming paraformer for the backend sherpa; Chinese and English",
    ),
}
FAMILY = PinnedFamily(MODELS)
