"""Do an encoder and a decoder belong together? Answered from headers; no weights are loaded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from wlkd_models.access import absent, explain

from wlkd_whisper.catalogue import MODELS
from wlkd_whisper.checkpoint import read_dims
from wlkd_whisper.dims import ModelFileError, WhisperDims
from wlkd_whisper.folder import decoder_file, encoder_dir, sizes_in
from wlkd_whisper.modelbin import ModelBin

LANGUAGE_TOKEN = re.compile(r"<\|[a-z]{2,3}\|>")
VOCABULARIES = ("vocabulary.txt", "vocabulary.json")
SPECIAL_TOKENS = ("<|startoftranscript|>", "<|notimestamps|>")
TOKEN_LISTS = ("suppress_ids", "suppress_ids_begin", "lang_ids")
"""What else backends and CTranslate2 look up in `config.json`. A fine-tuned model suppresses no tokens: null."""


def check_pair(models_dir: Path, size: str) -> list[str]:
    """Whatever keeps `size` in `models_dir` from working, each with its remedy; empty: the pair is fit to load.

    Takes milliseconds: reads headers and the small files, never the weights, so it cannot see a flipped bit;
    `wlkd models verify` can.
    """
    encoder, decoder = encoder_dir(models_dir, size), decoder_file(models_dir, size)
    if absent(encoder) and absent(decoder):
        return [f"{encoder}: is missing, and so is {decoder}; {_what_is_there(models_dir, size)}"]
    problems: list[str] = []
    encoder_dims = _dims_of_encoder(encoder, size, problems)
    decoder_dims = _dims_of_decoder(decoder, encoder, size, problems)
    if encoder_dims is not None and decoder_dims is not None:
        problems += _mismatch(encoder / "model.bin", encoder_dims, decoder, decoder_dims, size)
    return problems


def check_encoder(models_dir: Path, size: str) -> list[str]:
    """Like `check_pair`, for backends that run on `faster-whisper-<size>` alone."""
    encoder = encoder_dir(models_dir, size)
    if absent(encoder):
        return [f"{encoder}: is missing; {_what_is_there(models_dir, size)}"]
    problems: list[str] = []
    _dims_of_encoder(encoder, size, problems)
    return problems


def encoder_dims(models_dir: Path, size: str) -> WhisperDims:
    """Raises ModelFileError or OSError."""
    return ModelBin.open(encoder_dir(models_dir, size) / "model.bin").dims()


def decoder_dims(models_dir: Path, size: str) -> WhisperDims:
    """Raises ModelFileError or OSError."""
    return read_dims(decoder_file(models_dir, size))


def known_languages(models_dir: Path, size: str) -> frozenset[str]:
    """Codes of the languages that `size` has tokens for. Raises ModelFileError or OSError."""
    if not encoder_dims(models_dir, size).multilingual:
        return frozenset({"en"})  # the tokens of the others are there, and mean nothing
    _, words = _vocabulary(encoder_dir(models_dir, size))
    return frozenset(word[2:-2] for word in words if LANGUAGE_TOKEN.fullmatch(word))


def _what_is_there(models_dir: Path, size: str) -> str:
    try:
        sizes = sizes_in(models_dir)
    except OSError as error:
        return explain(models_dir, error)
    there = f"{models_dir} holds: {', '.join(sizes)}" if sizes else f"{models_dir} holds no models"
    if size in MODELS:
        return f"{there}; copy {size} there, or run `wlkd models get {size} --models {models_dir}`"
    return f"{there}; `wlkd models get --help` names models"


def _dims_of_encoder(folder: Path, size: str, problems: list[str]) -> WhisperDims | None:
    remedy = f"copy the whole folder again, or run `wlkd models get {size} --encoder-only --models {folder.parent}`"
    try:
        dims = ModelBin.open(folder / "model.bin").dims()
    except ModelFileError as error:
        problems.append(f"{error}; {remedy}")
        return None
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        problems.append(explain(folder / "model.bin", error) + (f"; {remedy}" if missing else ""))
        return None
    for check in (_check_config, _check_vocabulary, _check_tokenizer):
        try:
            check(folder, dims)
        except ModelFileError as error:
            problems.append(f"{error}; {remedy}")
    return dims


def _check_config(folder: Path, dims: WhisperDims) -> None:
    path = folder / "config.json"
    config = _json(path)
    if not isinstance(config, dict):
        raise ModelFileError(f"{path}: is not the configuration of a CTranslate2 model")
    for key in ("alignment_heads", *TOKEN_LISTS):
        if key not in config:
            raise ModelFileError(f"{path}: has no `{key}`; an old CTranslate2 converted it, a newer one writes it")
    heads = config["alignment_heads"]
    if not heads:
        raise ModelFileError(f"{path}: `alignment_heads` is empty, and they are what tells when a word is said")
    if not isinstance(heads, list) or not all(_is_head(head) for head in heads):
        raise ModelFileError(f"{path}: alignment_heads is not a list of [layer, head]")
    for layer, head in heads:
        if layer >= dims.n_text_layer or head >= dims.n_text_head:
            raise ModelFileError(
                f"{path}: names alignment head [{layer}, {head}], but {folder / 'model.bin'} has "
                f"{dims.n_text_layer} layers of {dims.n_text_head} heads: the two are of different models"
            )
    for key in TOKEN_LISTS:
        tokens = config[key] or []
        if not isinstance(tokens, list) or not all(_is_number(token) and token < dims.n_vocab for token in tokens):
            raise ModelFileError(f"{path}: {key} is not a list of tokens, of which there are {dims.n_vocab:,}")
    if dims.multilingual and not config["lang_ids"]:
        raise ModelFileError(f"{path}: `lang_ids` is empty, and no language can be detected without them")


def _is_head(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_number(number) for number in value)


def _is_number(value: object) -> bool:
    """Of a token, a layer or a head. JSON's `true` is an `int` to Python."""
    return type(value) is int and value >= 0


def _check_vocabulary(folder: Path, dims: WhisperDims) -> None:
    path, words = _vocabulary(folder)
    if len(words) != dims.n_vocab:
        raise ModelFileError(
            f"{path}: has {len(words):,} entries, but {folder / 'model.bin'} has {dims.n_vocab:,}: "
            f"incomplete, or of another model"
        )


def _check_tokenizer(folder: Path, _: WhisperDims) -> None:
    path = folder / "tokenizer.json"
    content = _json(path)
    tokens = content.get("added_tokens") if isinstance(content, dict) else None
    if not isinstance(tokens, list):
        raise ModelFileError(f"{path}: is not a tokenizer")
    # English-only and multilingual models, and large-v3, number their special tokens differently.
    ids = {token.get("content"): token.get("id") for token in tokens if isinstance(token, dict)}
    vocabulary, words = _vocabulary(folder)
    for token in SPECIAL_TOKENS:
        if token in words and ids.get(token) != words.index(token):
            raise ModelFileError(f"{path}: numbers {token} unlike {vocabulary}: the two are of different models")


def _vocabulary(folder: Path) -> tuple[Path, list[str]]:
    path = next((folder / name for name in VOCABULARIES if not absent(folder / name)), folder / VOCABULARIES[0])
    if path.suffix == ".txt":
        # Not splitlines: the words hold characters that it takes for line ends.
        return path, _content(path).decode("utf-8", "replace").removesuffix("\n").split("\n")
    words = _json(path)
    if not isinstance(words, list):
        raise ModelFileError(f"{path}: is not a list of words")
    return path, words


def _json(path: Path) -> Any:
    try:
        return json.loads(_content(path))
    except ValueError as error:
        raise ModelFileError(f"{path}: is not complete JSON ({error})") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(explain(path, error)) from error


def _dims_of_decoder(path: Path, encoder: Path, size: str, problems: list[str]) -> WhisperDims | None:
    remedy = (
        f"copy {path.parent.name} too, or rebuild it from {encoder / 'model.bin'}: "
        f"`wlkd models derive-decoder {size} --models {encoder.parent}`"
    )
    try:
        return read_dims(path)
    except (ModelFileError, FileNotFoundError) as error:
        message = explain(path, error) if isinstance(error, OSError) else str(error)
        problems.append(f"{message}; {remedy}")
    except OSError as error:
        problems.append(explain(path, error))
    return None


def _mismatch(encoder: Path, ours: WhisperDims, decoder: Path, theirs: WhisperDims, size: str) -> list[str]:
    differences = ", ".join(f"{meaning} {a} and {b}" for meaning, a, b in ours.differences(theirs))
    if not differences:
        return []
    return [
        f"{encoder} and {decoder} do not belong together ({differences}); both must be of the same size: "
        f"copy the right one, or remove {decoder} and rebuild it with `wlkd models derive-decoder {size}`"
    ]
