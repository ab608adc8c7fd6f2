"""Loads a pair of model files onto a device. The only module of the plugin that opens files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import torch
from wlkd_whisper.dims import ModelFileError, WhisperDims
from wlkd_whisper.encoder_alone import encoder_alone
from wlkd_whisper.folder import decoder_file, encoder_dir
from wlkd_whisper.pairs import check_pair

from wlkd import Context, ProvisionError
from wlkd_simulstreaming.beam import ROWS
from wlkd_simulstreaming.checkpoint import Checkpoint, load_checkpoint
from wlkd_simulstreaming.crew import Crew
from wlkd_simulstreaming.decoder import TextDecoder
from wlkd_simulstreaming.decoding import GreedyDecoding
from wlkd_simulstreaming.device import EXTRA, choose_device
from wlkd_simulstreaming.encoder import CTranslate2Encoder, Encoder, TorchEncoder
from wlkd_simulstreaming.inference import Inference
from wlkd_simulstreaming.layers import FloatLinear, Int8Linear
from wlkd_simulstreaming.mel import MAX_MEL_FRAMES, LogMel
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.padded import PaddedEncoder
from wlkd_simulstreaming.token_run import cuda_graphs
from wlkd_simulstreaming.tokens import Vocabulary
from wlkd_simulstreaming.whole import WholeHearing

MOST_STEPS = 2
"""Steps at once: one decodes while the other encodes."""
MOST_ROWS = {"cpu": 8, "cuda": 16}
"""Streams in a step. On a CPU eight have the whole gain: 3.6 minutes of noisy speech took base 47.6 CPU seconds in
batches of four, 36.4 in batches of eight and 36.7 in batches of sixteen, and a batch of sixteen takes 300 MiB more than
one of eight."""
WIDE = 1024
"""Width of medium, from which on several threads share the products of one token to advantage. One token of one stream
on two cores took, with one thread and with two: tiny 4.0 and 8.0 ms, base 5.4 and 13.2, small 14.7 and 24.0, medium
49.9 and 48.3."""
UPLOAD_WIDTH = 2048
"""Four windows of base in a step of uploads, two of small, one of large: a step of base takes some ten seconds of two
cores, and is all that is lost when its file is given up."""


@dataclass(frozen=True)
class Model:
    """A model ready for work."""

    inference: Inference
    vocabulary: Vocabulary
    dims: WhisperDims
    place: str
    """Its size, and the device with the reason for it."""
    concurrency: int
    """Steps that may go on at once."""
    max_batch: int
    """Streams in one step, at most."""
    whole: WholeHearing | None
    """For uploads; None: they are heard like live streams, since CTranslate2 does not serve the device."""
    pieces_at_once: int
    """Windows of 30 s that one step of uploads holds at best."""


def load(options: SimulStreamingOptions, ctx: Context, metrics: Metrics) -> Model:
    """Load what `options` name. Raises `ProvisionError` with the file and the remedy."""
    choice = choose_device(options)
    if problems := check_pair(ctx.models_dir, options.model):
        raise ProvisionError("\n".join(problems))
    folder = encoder_dir(ctx.models_dir, options.model)
    device = choice.device
    threads = options.threads or ctx.threads
    ctx.status(f"loading {options.model} on {choice}")
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    with ThreadPoolExecutor(1) as beside:
        # Both halves take about as long, and CTranslate2 does without Python's lock.
        ctranslate2_encoder = beside.submit(_ctranslate2_encoder, options, folder, device, dtype, threads)
        checkpoint = load_checkpoint(decoder_file(ctx.models_dir, options.model))
        vocabulary = _vocabulary(folder, checkpoint)
        settings = _settings(folder)
        make_linear = Int8Linear if _decodes_in_int8(options, device) else FloatLinear
        heads: Sequence[Sequence[int]] = settings["alignment_heads"]
        decoder = TextDecoder(
            checkpoint.dims,
            checkpoint.weights,
            [(layer, head) for layer, head in heads],
            device,
            dtype,
            make_linear,
            padded=device.type != "cpu",
            keep_as=torch.float16 if make_linear is Int8Linear else dtype,
        )
        encoder = ctranslate2_encoder.result() or _torch_encoder(options, checkpoint, device, dtype)
    decoding = GreedyDecoding(
        decoder,
        vocabulary,
        # Converted from a model without a list of its own, as fine-tuned ones often are, they are null.
        settings["suppress_ids"] or (),
        settings["suppress_ids_begin"] or (),
        options.rewind_threshold,
        metrics,
        cuda_graphs(device) if device.type == "cuda" and not torch.version.hip else None,
    )
    mel = LogMel(checkpoint.dims.n_mels, device)
    alone = _decodes_on_one_thread(options, checkpoint, device)
    concurrency = MOST_STEPS if alone and threads > 1 else 1
    crew = Crew(concurrency)
    padded = _padded(options, checkpoint, mel, crew) if alone else None
    if options.encode == "window":
        decoder.remember_silence(padded.silence if padded else encoder(mel.silence(MAX_MEL_FRAMES)[None])[0])
    of_torch = 1 if alone else threads
    inference = Inference(options, mel, encoder, padded, decoder, decoding, metrics, crew, of_torch)
    torch.set_num_threads(of_torch)
    whole = None
    if options.encoder == "ctranslate2":
        whole = WholeHearing(options, vocabulary, metrics, whispers_of_uploads(options, folder, device, threads))
    width = checkpoint.dims.n_text_state
    return Model(
        inference,
        vocabulary,
        checkpoint.dims,
        f"{options.model} on {choice}",
        concurrency,
        MOST_ROWS[device.type],
        whole,
        pieces_at_once=min(max(UPLOAD_WIDTH // width, 1), ROWS),
    )


def _decodes_on_one_thread(options: SimulStreamingOptions, checkpoint: Checkpoint, device: torch.device) -> bool:
    """Whether PyTorch does better with one thread than with several.

    A token is some hundred small products: below the width of medium, waking a second thread for each takes longer than
    what it saves. One step then leaves processors idle while it decodes, for another one's encoder.
    """
    return device.type == "cpu" and options.encoder == "ctranslate2" and checkpoint.dims.n_text_state < WIDE


def _decodes_in_int8(options: SimulStreamingOptions, device: torch.device) -> bool:
    if options.decoder_compute_type == "int8" and device.type != "cpu":
        raise ProvisionError(f"decoder_compute_type int8: for the CPU only, and this is {device}; use auto")
    return device.type == "cpu" and options.decoder_compute_type != "float32"


def _settings(folder: Path) -> dict[str, Any]:
    """What `check_pair` has found fit for use."""
    settings: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return settings


def _vocabulary(folder: Path, checkpoint: Checkpoint) -> Vocabulary:
    path = folder / "tokenizer.json"
    try:
        vocabulary = Vocabulary.load(path)
    except Exception as error:  # the tokenizers library raises plain Exception
        raise ProvisionError(f"{path}: not a readable Whisper tokenizer ({error}); copy it again") from error
    dims = checkpoint.dims
    if vocabulary.size + dims.timestamps != dims.n_vocab:
        raise ProvisionError(
            f"{path} and {checkpoint.path} do not belong together: {vocabulary.size} tokens against "
            f"{dims.n_vocab - dims.timestamps}; get both of the same size"
        )
    return vocabulary


def _ctranslate2_encoder(
    options: SimulStreamingOptions, folder: Path, device: torch.device, dtype: torch.dtype, threads: int
) -> Encoder | None:
    """None: another encoder is asked for."""
    if options.encoder != "ctranslate2":
        return None
    # On a CPU two at once, each with all threads, encode a fifth more speech than one after the other, and one alone is
    # no slower; they share the weights.
    at_once = MOST_STEPS if device.type == "cpu" and threads > 1 else 1
    model = _whisper(options, folder, device, threads, at_once, encoder_only=True)
    encoder = CTranslate2Encoder(model, device, dtype, threads)
    try:
        encoder(torch.zeros(1, model.n_mels, 2))
    except RuntimeError as error:
        # Libraries that it opens by name are only looked for now.
        raise ProvisionError(
            f"CTranslate2 cannot compute on {device} ({error}); `{EXTRA}` brings the CUDA libraries"
        ) from error
    return encoder


def _whisper(
    options: SimulStreamingOptions,
    folder: Path,
    device: torch.device,
    threads: int,
    at_once: int,
    *,
    encoder_only: bool = False,
) -> ctranslate2.models.Whisper:
    """CTranslate2's model for `at_once` calls at a time, each with `threads`."""
    compute_type = options.compute_type
    if compute_type == "auto":
        compute_type = "int8" if device.type == "cpu" else "float16"
    try:
        with encoder_alone(folder) if encoder_only else nullcontext(folder) as place:
            return ctranslate2.models.Whisper(
                str(place),
                device=device.type,
                device_index=device.index or 0,
                compute_type=compute_type,
                intra_threads=threads,
                inter_threads=at_once,
            )
    except (RuntimeError, ValueError, OSError, ModelFileError) as error:
        raise ProvisionError(
            f"{folder / 'model.bin'}: CTranslate2 cannot load it on {device} with compute_type {compute_type} ({error})"
        ) from error


def whispers_of_uploads(
    options: SimulStreamingOptions, folder: Path, device: torch.device, threads: int
) -> list[Callable[[], ctranslate2.models.Whisper]]:
    """Each loads CTranslate2's whole model: on `device`, and on the CPU for where that, which has the live streams'
    already, has no room for it."""
    loads = [lambda: _whisper(options, folder, device, threads, 1)]
    if device.type != "cpu":
        on_cpu = options.model_copy(update={"compute_type": "auto"})
        loads.append(lambda: _whisper(on_cpu, folder, torch.device("cpu"), threads, 1))
    return loads


def _torch_encoder(
    options: SimulStreamingOptions, checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype
) -> Encoder:
    kinds = {"auto": True, "int8": True, "float32": False} if device.type == "cpu" else {"auto": False}
    if options.compute_type not in kinds:
        raise ProvisionError(
            f"compute_type {options.compute_type}: with `encoder: torch` on {device} it is one of {', '.join(kinds)}"
        )
    make_linear = Int8Linear if kinds[options.compute_type] else FloatLinear
    return TorchEncoder(checkpoint.dims, checkpoint.weights, device, dtype, make_linear)


def _padded(options: SimulStreamingOptions, checkpoint: Checkpoint, mel: LogMel, crew: Crew) -> PaddedEncoder | None:
    """For models that leave a CPU time to spare; None where nothing is encoded at length."""
    if options.encode == "full" or not options.min_encoded_seconds:
        return None
    make_linear = Int8Linear if options.compute_type.startswith(("auto", "int8")) else FloatLinear
    encoder = TorchEncoder(checkpoint.dims, checkpoint.weights, torch.device("cpu"), torch.float32, make_linear)
    return PaddedEncoder(encoder, mel, crew)
