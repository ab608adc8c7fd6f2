"""What a batch attends to: rows of their own lengths, as on a CPU, and rows of one length, as on a GPU."""

import pytest
import torch
from wlkd_simulstreaming.decoder import TextDecoder
from wlkd_simulstreaming.layers import FloatLinear
from wlkd_simulstreaming.memory import THINNED

from .talk import memory_of

CPU = torch.device("cpu")
LENGTHS, CONTENTS = (50, 90, 31), (40, 90, 1)


@pytest.fixture(scope="module")
def silence(dims):
    return torch.randn(1500, dims.n_text_state, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def rows(dims):
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(length, dims.n_text_state, generator=generator) for length in LENGTHS]


def make(dims, weights, silence, *, padded=False):
    made = TextDecoder(dims, weights, [(1, 0), (2, 1)], CPU, torch.float32, FloatLinear, padded=padded)
    if silence is not None:
        made.remember_silence(silence)
    return made


@pytest.fixture(scope="module")
def decoder(dims, weights, silence):
    return make(dims, weights, silence)


def read(decoder, memory):
    """Three tokens, two of them watched: hidden states, and attention over 1500 frames."""
    tokens = torch.arange(3 * len(memory)).view(-1, 3)
    hidden, attention = decoder.forward(memory, decoder.cache(memory, 3), tokens, tokens >= 0, 2)
    return hidden, torch.nn.functional.pad(attention, (0, 1500 - attention.shape[-1]))


def same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("silent", [True, False])
def test_rows_of_any_length_say_what_padded_ones_say(dims, weights, silence, rows, silent):
    decoder, padded = (make(dims, weights, silence if silent else None, padded=padded) for padded in (False, True))
    theirs = read(padded, memory_of(padded, rows, CONTENTS))
    same(read(decoder, memory_of(decoder, rows, CONTENTS)), theirs)


def test_half_precision_hears_the_same(decoder, dims, weights, silence, rows):
    halves = TextDecoder(dims, weights, [(1, 0), (2, 1)], CPU, torch.float32, FloatLinear, keep_as=torch.float16)
    halves.remember_silence(silence)
    hidden, attention = read(halves, memory_of(halves, rows, CONTENTS))
    exact, attended = read(decoder, memory_of(decoder, rows, CONTENTS))
    assert (hidden - exact).norm() / exact.norm() < 1e-3
    torch.testing.assert_close(attention, attended, atol=1e-4, rtol=1e-2)


@pytest.mark.parametrize("padded", [False, True])
def test_chosen_rows_are_those_rows(dims, weights, silence, rows, padded):
    decoder = make(dims, weights, silence, padded=padded)
    memory = memory_of(decoder, rows, CONTENTS)
    chosen = memory_of(decoder, [rows[2], rows[0], rows[2]], [CONTENTS[2], CONTENTS[0], CONTENTS[2]])
    assert (len(memory), len(chosen)) == (3, 3)
    same(read(decoder, memory.rows([2, 0, 2])), read(decoder, chosen))


def test_rows_share_the_silence_and_choosing_copies_nothing(decoder, rows):
    memory = memory_of(decoder, rows, CONTENTS)
    first, second, third = memory.layers[0]
    assert {part[1].untyped_storage().data_ptr() for part in (first[1], second[1], third[1])} == {
        first[1][1].untyped_storage().data_ptr()
    }
    assert memory.rows([1]).layers[0][0] is second


@pytest.mark.parametrize("padded", [False, True])
def test_attention_counts_over_real_audio_only(dims, weights, silence, rows, padded):
    decoder = make(dims, weights, silence, padded=padded)
    _, attention = read(decoder, memory_of(decoder, rows, CONTENTS))
    for row, content in zip(attention, CONTENTS, strict=True):
        torch.testing.assert_close(row[:, :content].sum(-1), torch.ones(2))
        assert not row[:, content:].any()


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("padded", [False, True])
def test_a_frame_of_silence_stands_for_those_beside_it(dims, weights, rows, others, padded):
    # In which they are alike, from where the encoding ends.
    own = len(rows[0])
    groups = -(-own // THINNED)
    alike = torch.randn(1500 // THINNED, dims.n_text_state, generator=torch.Generator().manual_seed(4))
    cached, plain = (make(dims, weights, one, padded=padded) for one in (alike.repeat_interleave(THINNED, 0), None))
    in_full = torch.cat([rows[0], alike[groups:].repeat_interleave(THINNED, 0)])
    more, contents = rows[1 : 1 + others], CONTENTS[1 : 1 + others]
    ours = read(cached, memory_of(cached, [rows[0], *more], [CONTENTS[0], *contents]))
    theirs = read(plain, memory_of(plain, [in_full, *more], [CONTENTS[0], *contents]))
    same([one[:1] for one in ours], [other[:1] for other in theirs])


@pytest.mark.parametrize("padded", [False, True])
def test_silence_goes_up_to_thirty_seconds(dims, weights, silence, padded):
    decoder = make(dims, weights, silence, padded=padded)
    whole = memory_of(decoder, [torch.zeros(1500, dims.n_text_state)], [1500])
    short = memory_of(decoder, [torch.zeros(1400, dims.n_text_state)], [1390])
    assert [list(memory.silent) for memory in (whole, short)] == [[0], [(1500 - 1400) // THINNED]]


@pytest.mark.parametrize("padded", [False, True])
def test_rows_hear_as_much_silence_as_is_asked_for(dims, weights, silence, rows, padded):
    decoder = make(dims, weights, silence, padded=padded)
    memory = decoder.memory(rows, CONTENTS, [1500, 300, 0])
    assert list(memory.silent) == [1500 // THINNED - -(-LENGTHS[0] // THINNED), 300 // THINNED, 0]
    for row, (own, content, asked) in enumerate(zip(rows, CONTENTS, [1500, 300, 0], strict=True)):
        same(read(decoder, memory.rows([row])), read(decoder, decoder.memory([own], [content], [asked])))
