"""The backend with the real model, on real speech."""

import ctypes
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from prometheus_client import CollectorRegistry
from wlkd_localagreement.backend import LocalAgreement
from wlkd_localagreement.options import LocalAgreementOptions
from wlkd_whisper.cuda import CUBLAS

from wlkd import Context, ProvisionError, RecognitionParams, SessionError
from wlkd.testing import check_backend, recognized


def context(models_dir: Path) -> Context:
    return Context(models_dir, CollectorRegistry(), lambda _: None)


@pytest.mark.model
async def test_real_speech_becomes_the_right_words(models_dir: Path, speech_dir: Path) -> None:
    clips = [json.loads(line) for line in (speech_dir / "manifest.jsonl").read_text().splitlines()]
    clip = next(clip for clip in clips if clip["id"] == "1089-134686-0015")
    speech, _ = soundfile.read(speech_dir / clip["path"], dtype="float32")
    backend = LocalAgreement(LocalAgreementOptions())
    await backend.provision(context(models_dir))
    try:
        backend.warm_up()
        beginning = speech[: 3 * 16_000]
        said = "".join(word.text for word in check_backend(backend, [beginning])).lower()
        assert "dusk" in said and "deepening" in said
        commits = recognized(backend, [beginning], chunk_seconds=3, params=RecognitionParams())
        assert commits[-1].language == "en"
        assert recognized(backend, [np.zeros(16_000, dtype=np.float32)])[0].words == ()
        many = RecognitionParams(static_prompt="one two three", hotwords=("Wlkd",) * 60)
        with pytest.raises(SessionError, match=r"static_prompt and hotwords take .* at most 160 fit"):
            backend.open(many)
    finally:
        await backend.close()


async def test_a_missing_model_names_the_folder(tmp_path: Path) -> None:
    backend = LocalAgreement(LocalAgreementOptions(model="small"))
    with pytest.raises(ProvisionError, match="faster-whisper-small"):
        await backend.provision(context(tmp_path))


@pytest.mark.model
@pytest.mark.parametrize("library", CUBLAS)
async def test_a_missing_cuda_library_is_named_with_its_extra(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    real = ctypes.CDLL

    def load(path: str, **more: Any) -> ctypes.CDLL:
        if Path(path).name == library:
            raise OSError(f"{library}: cannot open shared object file: No such file or directory")
        return real(None, **more)

    monkeypatch.setattr(ctypes, "CDLL", load)
    backend = LocalAgreement(LocalAgreementOptions(device="cuda"))
    with pytest.raises(ProvisionError, match=rf"{library} cannot be loaded.*wlkd-localagreement\[cuda\]"):
        await backend.provision(context(models_dir))
