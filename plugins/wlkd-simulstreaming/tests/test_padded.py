"""Windows with silence behind them that is not computed."""

from __future__ import annotations

import pytest
import torch
from wlkd_simulstreaming import padded
from wlkd_simulstreaming.crew import Crew
from wlkd_simulstreaming.encoder import STRIDE, TorchEncoder
from wlkd_simulstreaming.layers import FloatLinear
from wlkd_simulstreaming.mel import MAX_MEL_FRAMES, LogMel
from wlkd_simulstreaming.padded import BEHIND, KEPT, THINNED, VOICED, PaddedEncoder, Silence, made_up_voice

from wlkd.testing import speech_like

FRAMES = MAX_MEL_FRAMES // STRIDE


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def encoder(dims, weights):
    return TorchEncoder(dims, weights, torch.device("cpu"), torch.float32, FloatLinear)


@pytest.fixture
def mel(dims):
    return LogMel(dims.n_mels)


def test_with_all_of_the_silence_the_voice_is_encoded_as_on_30_seconds(encoder, mel, monkeypatch):
    monkeypatch.setattr(padded, "KEPT", FRAMES)
    voice = made_up_voice(VOICED * 320)
    states = PaddedEncoder(encoder, mel, Crew(1))(mel(voice, STRIDE * (VOICED + BEHIND))[None])
    torch.testing.assert_close(states, encoder(mel(voice, MAX_MEL_FRAMES)[None])[:, : VOICED + BEHIND])


def test_thirty_seconds_leave_no_room_for_silence(encoder, mel):
    window = mel(speech_like(30), MAX_MEL_FRAMES)[None]
    states = PaddedEncoder(encoder, mel, Crew(1))(window)
    # But for the last frame, behind which there is silence now.
    torch.testing.assert_close(states[:, :-2], encoder(window)[:, :-2], atol=2e-2, rtol=2e-2)


def test_a_batch_is_encoded_as_its_rows_are(encoder, mel):
    encode = PaddedEncoder(encoder, mel, Crew(1))
    windows = torch.stack([mel(speech_like(2, seed=seed), 250) for seed in (1, 2, 3)])
    alone = torch.cat([encode(window[None]) for window in windows])
    torch.testing.assert_close(encode(windows), alone)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_that_share_a_window_encode_what_one_does(encoder, mel, threads):
    windows = torch.stack([mel(speech_like(2, seed=seed), 250) for seed in (1, 2)])
    shared = PaddedEncoder(encoder, mel, Crew(threads))(windows)
    torch.testing.assert_close(shared, PaddedEncoder(encoder, mel, Crew(1))(windows))


def test_what_is_kept_of_the_silence_counts_for_all_of_it():
    torch.manual_seed(0)
    attention = torch.rand(2, VOICED, FRAMES)
    attention[1, :, 700:710] = 9
    keys = torch.arange(FRAMES)[:, None].float()
    silence = Silence.chosen(keys, -keys, attention)
    assert silence.frames[0] >= VOICED
    assert torch.equal(silence.keys[:, 0], silence.frames.float())
    assert torch.equal(silence.values, -silence.keys)
    assert set(range(700, 710)) <= set(silence.frames[silence.weight == 0].tolist())
    assert (silence.weight == 0).sum() == KEPT
    assert abs(silence.weight.exp().sum() - (FRAMES - VOICED)) <= THINNED
    behind = silence.behind(1000)
    assert behind.frames[0] >= 1000 > silence.frames[len(silence.frames) - len(behind.frames) - 1]
    assert torch.equal(behind.keys[:, 0], behind.frames.float())
    assert len(silence.behind(FRAMES).weight) == 0
