"""The features are Kaldi's."""

from __future__ import annotations

import kaldi_native_fbank
import numpy as np
from wlkd_speakers.fbank import MEL_BINS, fbank

from wlkd.testing import speech_like


def test_features_are_those_of_kaldi() -> None:
    audio = speech_like(2.0) + np.random.default_rng(1).normal(0, 0.01, 32_000).astype(np.float32)
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = MEL_BINS
    reference = kaldi_native_fbank.OnlineFbank(options)
    reference.accept_waveform(16_000, audio.tolist())
    reference.input_finished()
    expected = np.array([reference.get_frame(place) for place in range(reference.num_frames_ready)])
    np.testing.assert_allclose(fbank(audio), expected, atol=2e-3)


def test_too_little_sound_has_no_features() -> None:
    assert fbank(np.zeros(399, np.float32)).shape == (0, MEL_BINS)
    assert fbank(np.zeros(400, np.float32)).shape == (1, MEL_BINS)
