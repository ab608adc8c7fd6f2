"""Spectrograms are those that Whisper was trained on."""

import numpy as np
import pytest
import torch
from wlkd_simulstreaming.mel import LogMel, mel_filters


@pytest.mark.parametrize("bins", [80, 128])
def test_the_same_as_the_reference(bins):
    reference = pytest.importorskip("faster_whisper.feature_extractor").FeatureExtractor(bins)
    samples = np.random.default_rng(3).normal(0, 0.1, 16000).astype(np.float32)
    theirs = reference(np.pad(samples, (0, 16000)), padding=0)
    ours = LogMel(bins)(samples, 200)
    assert ours.shape == (bins, 200)
    # The frames at the very end differ by what the two put behind the audio.
    np.testing.assert_allclose(ours[:, :197], theirs[:, :197], atol=2e-3)


def test_filters_leave_no_band_out():
    filters = mel_filters(80)
    assert filters.shape == (80, 201)
    assert (filters.sum(1) > 0).all()


def test_silence_is_what_silence_gives():
    mel = LogMel(80)
    torch.testing.assert_close(mel(np.zeros(1600, np.float32), 50), mel.silence(50))


def test_longer_audio_than_asked_for_is_cut():
    assert LogMel(80)(np.ones(16000, np.float32), 20).shape == (80, 20)
