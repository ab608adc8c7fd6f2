"""A vocabulary and a model small enough for any machine, and the way to the real ones."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from wlkd_simulstreaming.brief import first_state, make_brief
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.tokens import Vocabulary, byte_alphabet
from wlkd_simulstreaming.upload import Upload
from wlkd_whisper.dims import WhisperDims

from wlkd import RecognitionParams

from .talk import Talk

REPOSITORY = Path(__file__).parents[3]
SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|zh|>",
    "<|de|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|nocaptions|>",
    "<|notimestamps|>",
]


def small_tokenizer() -> Tokenizer:
    """One token a byte, one each for "<space>th" and "<space>T", and those of Whisper's special tokens that the program
    uses, with three languages."""
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    space, t, h = letters[0x20], "t", "h"
    vocabulary = {letters[byte]: byte for byte in range(256)}
    vocabulary |= {space + t: 256, space + t + h: 257, space + "T": 258}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(space, t), (space + t, h), (space, "T")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary(small_tokenizer())


@pytest.fixture(scope="session")
def dims(vocabulary: Vocabulary) -> WhisperDims:
    return WhisperDims(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=16,
        n_audio_head=2,
        n_audio_layer=2,
        n_vocab=vocabulary.size + 1501,
        n_text_ctx=448,
        n_text_state=16,
        n_text_head=2,
        n_text_layer=3,
    )


@pytest.fixture(scope="session")
def weights(dims: WhisperDims) -> dict[str, Tensor]:
    """Random weights by OpenAI's names; large enough that tokens differ."""
    generator = torch.Generator().manual_seed(7)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.4

    made: dict[str, Tensor] = {}
    width = dims.n_text_state

    def block(prefix: str, crossing: bool) -> None:
        for attention in ("attn", "cross_attn") if crossing else ("attn",):
            made[f"{prefix}{attention}_ln.weight"] = 1 + random(width)
            made[f"{prefix}{attention}_ln.bias"] = random(width)
            for part in ("query", "key", "value", "out"):
                made[f"{prefix}{attention}.{part}.weight"] = random(width, width)
                if part != "key":
                    made[f"{prefix}{attention}.{part}.bias"] = random(width)
        made[f"{prefix}mlp_ln.weight"], made[f"{prefix}mlp_ln.bias"] = 1 + random(width), random(width)
        made[f"{prefix}mlp.0.weight"], made[f"{prefix}mlp.0.bias"] = random(4 * width, width), random(4 * width)
        made[f"{prefix}mlp.2.weight"], made[f"{prefix}mlp.2.bias"] = random(width, 4 * width), random(width)

    for n in range(dims.n_text_layer):
        block(f"decoder.blocks.{n}.", crossing=True)
    for n in range(dims.n_audio_layer):
        block(f"encoder.blocks.{n}.", crossing=False)
    made["decoder.token_embedding.weight"] = random(dims.n_vocab, width)
    made["decoder.positional_embedding"] = random(dims.n_text_ctx, width)
    for name in ("decoder.ln", "encoder.ln_post"):
        made[f"{name}.weight"], made[f"{name}.bias"] = 1 + random(width), random(width)
    made["encoder.conv1.weight"], made["encoder.conv1.bias"] = random(width, dims.n_mels, 3), random(width)
    made["encoder.conv2.weight"], made["encoder.conv2.bias"] = random(width, width, 3), random(width)
    return made


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Folder of real models; skips where there are none."""
    folder = Path(os.environ.get("WLKD_MODELS_DIR", REPOSITORY / "models"))
    if not (folder / "faster-whisper-base").is_dir() or not (folder / "pytorch-whisper-base").is_dir():
        pytest.skip(f"no Whisper base in {folder}; set WLKD_MODELS_DIR, or run scripts/run --setup")
    return folder


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """Folder of real speech with its manifest; skips where there is none."""
    folder = Path(os.environ.get("WLKD_SPEECH_DIR", REPOSITORY.parent / "shared" / "speech"))
    if not (folder / "manifest.jsonl").is_file():
        pytest.skip(f"no manifest.jsonl in {folder}; set WLKD_SPEECH_DIR")
    return folder


@pytest.fixture(scope="session")
def manifest(speech_dir: Path) -> list[dict[str, object]]:
    lines = (speech_dir / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def new_talk(vocabulary, dims):
    return functools.partial(Talk, vocabulary, dims)


@pytest.fixture
def talk(new_talk):
    return new_talk()


@pytest.fixture
def upload(vocabulary: Vocabulary, dims: WhisperDims) -> Upload:
    params = RecognitionParams(priority="upload", initial_prompt="th")
    brief = make_brief(SimulStreamingOptions(), vocabulary, dims, params, None)
    return Upload(brief, first_state(brief, params))
