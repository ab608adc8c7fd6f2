"""The token decoder on small random weights: a batch says what each of its rows says alone."""

import dataclasses
import os
import subprocess
import sys

import pytest
import torch
from prometheus_client import CollectorRegistry
from wlkd_simulstreaming.decoder import TextDecoder
from wlkd_simulstreaming.decoding import GreedyDecoding, Row
from wlkd_simulstreaming.encoder import TorchEncoder
from wlkd_simulstreaming.guards import Guard
from wlkd_simulstreaming.hypothesis import Choice, Request
from wlkd_simulstreaming.layers import FloatLinear, Int8Linear
from wlkd_simulstreaming.metrics import Metrics

from .talk import memory_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def decoder(dims, weights):
    made = TextDecoder(dims, weights, [(1, 0), (2, 1)], CPU, torch.float32, FloatLinear)
    generator = torch.Generator().manual_seed(1)
    made.remember_silence(torch.randn(1500, dims.n_text_state, generator=generator))
    return made


@pytest.fixture(scope="module")
def decoding(decoder, vocabulary):
    metrics = Metrics(CollectorRegistry())
    return GreedyDecoding(decoder, vocabulary, [5, 6, vocabulary.eot], [32, vocabulary.eot], 10_000, metrics)


def states(dims, *lengths):
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(length, dims.n_text_state, generator=generator) for length in lengths]


def request(vocabulary, prefix=(), draft=(), told=0, most=25):
    start = (vocabulary.sot, vocabulary.languages["en"], vocabulary.transcribe, vocabulary.no_timestamps)
    return Request((*start, *prefix), tuple(draft), told, 0, 0, None, most)


@pytest.mark.parametrize("slots", [5, 2, 0], ids=["as many as needed", "too few", "none"])
def test_one_pass_and_token_by_token_agree(decoder, dims, slots):
    memory = memory_of(decoder, states(dims, 50), [40])
    tokens = torch.tensor([[3, 1, 4, 1, 5]])
    real = tokens >= 0
    whole, attention = decoder.forward(memory, decoder.cache(memory, 5), tokens, real, 5)
    cache = decoder.cache(memory, slots)
    for place in range(5):
        hidden, attended = decoder.forward(memory, cache, tokens[:, place : place + 1], real[:, :1], 1)
        torch.testing.assert_close(hidden[:, 0], whole[:, place], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(attended[:, 0], attention[:, place], atol=1e-5, rtol=1e-4)


def test_a_batch_of_unequal_rows_says_what_each_says_alone(decoder, decoding, vocabulary, dims):
    lengths, prefixes, mosts = (50, 90, 30, 71), ((), (100, 101, 102), (9,), (40, 41)), (25, 3, 12, 25)
    requests = [
        request(vocabulary, prefix, told=len(prefix), most=most) for prefix, most in zip(prefixes, mosts, strict=True)
    ]
    rows, contents = states(dims, *lengths), [length - 10 for length in lengths]
    together = decoding.decode(memory_of(decoder, rows, contents), requests)
    alone = [
        decoding.decode(memory_of(decoder, [row], [content]), [one])[0]
        for row, content, one in zip(rows, contents, requests, strict=True)
    ]
    assert any(len(hypothesis.tokens) > 3 for hypothesis in alone)
    for ours, theirs in zip(together, alone, strict=True):
        assert (ours.tokens, ours.frames, ours.ended) == (theirs.tokens, theirs.frames, theirs.ended)
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)
        assert ours.no_speech == pytest.approx(theirs.no_speech, abs=1e-5)


def test_a_guess_changes_the_work_and_never_the_result(decoder, decoding, vocabulary, dims):
    many = states(dims, *[60] * 60)
    spoken = decoding.decode(memory_of(decoder, many, [50] * 60), [request(vocabulary) for _ in many])
    talkative = [index for index, hypothesis in enumerate(spoken) if len(hypothesis.tokens) >= 4][:5]
    rows, plain = [many[index] for index in talkative], [spoken[index] for index in talkative]
    said = [hypothesis.tokens for hypothesis in plain]
    wrong = (11, 12, 13)
    drafts: list[tuple[int, ...]] = [said[0], said[1][:2], (*said[2][:3], *wrong), wrong, ()]
    guessed = decoding.decode(
        memory_of(decoder, rows, [50] * 5), [request(vocabulary, draft=draft) for draft in drafts]
    )
    for ours, theirs in zip(guessed, plain, strict=True):
        assert (ours.tokens, ours.frames, ours.ended) == (theirs.tokens, theirs.frames, theirs.ended)


def test_what_a_text_begins_with_is_part_of_it(decoder, decoding, vocabulary, dims):
    many = states(dims, *[60] * 60)
    spoken = decoding.decode(memory_of(decoder, many, [50] * 60), [request(vocabulary) for _ in many])
    row, plain = next((row, one) for row, one in zip(many, spoken, strict=True) if len(one.tokens) >= 4)
    memory = memory_of(decoder, [row], [50])

    def begun(*choices, draft=()):
        asked = dataclasses.replace(request(vocabulary, draft=draft), begun=choices)
        return decoding.decode(memory, [asked])[0]

    for again in (begun(*plain.choices[:2]), begun(*plain.choices[:2], draft=plain.tokens[2:3])):
        assert again.choices[:2] == plain.choices[:2]
        assert (again.tokens, again.frames, again.ended) == (plain.tokens, plain.frames, plain.ended)
        assert again.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
        assert again.no_speech == pytest.approx(plain.no_speech, abs=1e-5)

    first = plain.choices[0]
    token, logprob = first.runner_up
    assert token != first.token
    assert logprob <= first.logprob
    other = begun(first._replace(token=token, logprob=logprob))
    [forced] = decoding.decode(memory, [request(vocabulary, prefix=(token,), told=1)])
    assert other.tokens == (token, *forced.tokens)


def test_it_says_what_it_would_say_in_open_places(decoder, decoding, vocabulary, dims):
    many = states(dims, *[60] * 60)
    spoken = decoding.decode(memory_of(decoder, many, [50] * 60), [request(vocabulary) for _ in many])
    talkative = [index for index, one in enumerate(spoken) if len(one.tokens) >= 4][:3]
    rows, said = [many[index] for index in talkative], [spoken[index].tokens for index in talkative]
    wrong = 11
    # Wrong at the end, right, and not asked, behind prefixes of different lengths.
    requests = [
        dataclasses.replace(request(vocabulary, (*said[0][:2], wrong), told=3), open=(1, 2)),
        dataclasses.replace(request(vocabulary, said[1][:2], told=2, draft=(wrong, wrong)), open=(1,)),
        request(vocabulary, (wrong,), told=1),
    ]
    found = decoding.decode(memory_of(decoder, rows, [50] * 3), requests)
    assert [one.instead for one in found] == [{2: said[0][2]}, {}, {}]


def test_guards_see_what_a_text_begins_with(vocabulary):
    word = Choice(100, -0.1, 5, (9, -3.0), -9.0)
    row = Row(dataclasses.replace(request(vocabulary), begun=(word,) * 5), 10_000, vocabulary.eot)
    row.take(word)
    assert row.guards == {Guard.LOOP}
    assert len(row.said) == 1


def test_only_text_is_said(decoder, decoding, vocabulary, dims):
    rows = states(dims, *range(20, 100, 5))
    for hypothesis in decoding.decode(
        memory_of(decoder, rows, [len(row) - 5 for row in rows]),
        [request(vocabulary) for _ in rows],
    ):
        assert not {5, 6}.intersection(hypothesis.tokens)
        assert max(hypothesis.tokens, default=0) < vocabulary.eot
        assert hypothesis.tokens[:1] != (32,)


def test_a_stream_that_goes_on_stops_at_the_end_of_what_was_heard(decoder, decoding, vocabulary, dims):
    live = Request(request(vocabulary).prefix, (), 0, 0, 0, 2, 25)
    [hypothesis] = decoding.decode(memory_of(decoder, states(dims, 30), [6]), [live])
    *before, last = hypothesis.frames
    assert before and max(before) < 2 <= last


def test_languages_are_told_apart_among_the_allowed_ones(decoder, decoding, dims):
    rows = memory_of(decoder, states(dims, 40, 50), [40, 50])
    allowed = [["de", "en"], ["zh", "de"]]
    for probabilities, codes in zip(decoding.language_probabilities(rows, allowed), allowed, strict=True):
        assert list(probabilities) == codes
        assert sum(probabilities.values()) == pytest.approx(1)


@pytest.fixture(params=["x86", "onednn"])
def int8_engine(request, monkeypatch):
    """The library that PyTorch multiplies with: on x86, and on other processors."""
    if request.param not in torch.backends.quantized.supported_engines:
        pytest.skip(f"PyTorch has no {request.param} here")
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = request.param
    yield
    torch.backends.quantized.engine = before


def test_int8_is_close_to_float_and_rows_do_not_touch_each_other(int8_engine):
    # The bound holds for most numbers, not for all: two of a hundred draws have an output that is further off.
    generator = torch.Generator().manual_seed(3)
    weight, bias = torch.randn(48, 32, generator=generator), torch.randn(48, generator=generator)
    # Of different sizes, and one that is positive alone, so that it would use a range of its own.
    x = torch.randn(5, 32, generator=generator) * torch.tensor([0.01, 1.0, 30.0, 1.0, 1.0])[:, None]
    x[4] = x[4].abs()
    layer = Int8Linear(weight, bias)
    exact, near = FloatLinear(weight, bias)(x), layer(x)
    step = x.abs().amax(-1, keepdim=True) / 64
    assert ((near - exact).abs() < 8 * step).all()
    assert torch.equal(near, torch.cat([layer(row[None]) for row in x]))


OVERFLOW = """
import torch
from wlkd_simulstreaming.layers import Int8Linear, input_steps
print(input_steps(), Int8Linear(torch.ones(16, 512), None)(torch.ones(1, 512)).sub(512).abs().max().item() < 1)
"""


@pytest.mark.skipif(
    torch.backends.quantized.engine not in ("x86", "fbgemm"), reason="other processors' products are not made here"
)
@pytest.mark.parametrize("instructions", [{}, {"FBGEMM_ENABLE_INSTRUCTIONS": "AVX2"}], ids=["this CPU", "AVX2 alone"])
def test_the_greatest_products_of_int8_do_not_overflow(instructions):
    found = subprocess.run(
        [sys.executable, "-c", OVERFLOW], env={**os.environ, **instructions}, capture_output=True, text=True, check=True
    )
    steps, exact = found.stdout.split()
    assert exact == "True"
    if instructions:
        assert steps == "63"


def test_the_torch_encoder_halves_the_frames_and_keeps_rows_apart(dims, weights):
    encoder = TorchEncoder(dims, weights, CPU, torch.float32, FloatLinear)
    mel = torch.randn(2, dims.n_mels, 60)
    both = encoder(mel)
    assert both.shape == (2, 30, dims.n_audio_state)
    torch.testing.assert_close(both[1], encoder(mel[1:])[0], atol=1e-5, rtol=1e-4)
