"""The network on real speech, and what it sees."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from wlkd_turns.catalogue import NAME, network_file
from wlkd_turns.detector import SmartTurn, SmartTurnOptions
from wlkd_turns.features import features, mel_filters

from wlkd import Context, ProvisionError
from wlkd.config import make_config
from wlkd.plugins import load_plugins
from wlkd.testing import check_turn_detector, provisioned

MODELS = Path(os.environ.get("WLKD_MODELS_DIR", Path(__file__).parents[3] / "models"))


def test_features_have_the_shape_and_scale_of_whisper_s() -> None:
    tone = (0.1 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)).astype(np.float32)
    seen = features(tone)
    assert (seen.shape, seen.dtype) == ((1, 80, 800), np.float32)
    assert seen.max() - seen.min() == pytest.approx(2.0, abs=1e-5), "the top 8 decades, in quarters"
    # A second of tone at the end, in the bin that 1 kHz falls into; silence before it.
    assert seen[0, :, 750].argmax() == mel_filters()[25].argmax()
    assert seen[0, :, 100].max() == seen.min()
    assert (features(np.tile(tone, 20))[0, :, :10].max() > seen.min()).all()


async def test_a_missing_file_is_told_with_the_command_that_brings_it(tmp_path: Path) -> None:
    from prometheus_client import CollectorRegistry

    detector = SmartTurn(SmartTurnOptions())
    with pytest.raises(ProvisionError, match=f"wlkd models get {NAME}"):
        await detector.provision(Context(tmp_path, CollectorRegistry(), lambda text: None))


def test_check_tells_of_a_missing_file(tmp_path: Path) -> None:
    plugins = load_plugins()
    values = {"models_dir": str(tmp_path), "backend": {"name": "scripted"}, "turn_detector": {"name": "smart-turn"}}
    [problem] = plugins.check_host(make_config(values, plugins))
    assert problem.path == "turn_detector.name" and f"`wlkd models get {NAME}`" in problem.message


@pytest.mark.model
async def test_a_sentence_that_ends_and_one_that_does_not(speech_dir: Path) -> None:
    if not network_file(MODELS).is_file():
        pytest.skip(f"no {NAME} in {MODELS}: wlkd models get {NAME}")
    spoken = soundfile.read(speech_dir / "en_librispeech_test_clean/1089-134686-0005.flac", dtype="float32")[0]
    async with provisioned(SmartTurn(SmartTurnOptions()), models_dir=MODELS) as detector:
        whole = detector.judge(np.concatenate([spoken, np.zeros(3_200, np.float32)]))
        cut = detector.judge(np.concatenate([spoken[:64_000], np.zeros(3_200, np.float32)]))
        check_turn_detector(detector, spoken)
    assert whole > 0.5 > cut
