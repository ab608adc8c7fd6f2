"""Stretches of speech become windows of up to 30 s, cut where people pause."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from wlkd_simulstreaming.packing import EARLIEST_CUT, LONGEST, LONGEST_SILENCE, pack, split
from wlkd_whisper.window import SLOPE, Window

from wlkd import Frame
from wlkd.contract.audio import SAMPLE_RATE, samples


def stretch(start: float, length: float) -> Window:
    return Window().extended([Frame(samples(start), np.ones(samples(length), dtype=np.float32))])


def talk(*lengths_and_pauses: float) -> list[Window]:
    """Stretches, each `length, pause behind it`."""
    at, stretches = 0.0, []
    for length, pause in zip(lengths_and_pauses[::2], lengths_and_pauses[1::2], strict=True):
        stretches.append(stretch(at, length))
        at += length + pause
    return stretches


def lengths(pieces: list[Window]) -> list[float]:
    return [len(piece) / SAMPLE_RATE for piece in pieces]


def test_few_windows_of_about_equal_length() -> None:
    assert lengths(pack(talk(*[8.0, 0.5] * 5))) == [25.0, 16.5]


def test_a_long_pause_is_the_place_to_cut() -> None:
    assert lengths(pack(talk(8, 0.5, 8, 3.0, 8, 0.5, 8, 0.5, 8, 0.5))) == [16.5, 25.0]


def test_pauses_are_heard_as_silence_but_long_ones_as_short_ones() -> None:
    [piece] = pack(talk(2, 1, 2, 10, 2, 0))
    assert len(piece) == samples(6 + 1) + LONGEST_SILENCE
    assert piece.pauses == ((samples(2), samples(3)), (samples(5), samples(7)))
    assert not piece.samples[samples(2) : samples(3)].any()
    assert piece.session_index(samples(3)) == samples(3)
    assert piece.session_index(samples(7)) == samples(15)


def test_words_end_where_the_pause_begins_and_begin_where_it_ends() -> None:
    [piece] = pack(talk(2, 1, 2, 0))
    assert piece.spoken(samples(1.5), samples(2.9)) == (samples(1.5), samples(2))
    assert piece.spoken(samples(2.2), samples(3.5)) == (samples(3), samples(3.5))
    assert piece.spoken(samples(1.9), samples(3.5)) == (samples(3), samples(3.5))
    assert piece.spoken(samples(1.2), samples(3.1)) == (samples(1.2), samples(2))
    assert piece.spoken(samples(3.2), samples(3.5)) == (samples(3.2), samples(3.5))


def test_what_is_left_of_a_window_keeps_its_pauses_and_places() -> None:
    [piece] = pack(talk(3, 1, 4, 0))
    rest = piece.after(samples(3.5))
    assert len(rest) == samples(4.5) and rest.speech == samples(4)
    assert rest.pauses == ((0, samples(0.5)),)
    assert rest.session_index(0) == samples(3.5)
    assert piece.after(samples(5)).speech == samples(3)


def test_speech_without_a_pause_is_cut_at_its_quietest() -> None:
    audio = np.ones(samples(50), dtype=np.float32)
    audio[samples(26.0) : samples(26.1)] = 0.1
    first, rest = split(Window().extended([Frame(16_000, audio)]))
    assert len(first) == samples(26.05)
    assert rest.session_index(0) == 16_000 + len(first)


def test_the_silence_behind_speech_is_part_of_the_pause() -> None:
    def spoken(start: float) -> Window:
        audio = np.ones(samples(2.5), dtype=np.float32)
        [whole] = split(Window().extended([Frame(samples(start), audio)]), samples(start + 2))
        return whole

    [piece] = pack([spoken(0), spoken(4)])
    assert piece.pauses == ((samples(2) + SLOPE, samples(4)), (samples(6) + SLOPE, samples(6.5)))
    assert piece.spoken(samples(1.5), samples(3.9)) == (samples(1.5), samples(2) + SLOPE)
    assert piece.spoken(samples(5.5), samples(6.5)) == (samples(5.5), samples(6) + SLOPE)


@given(st.lists(st.tuples(st.floats(0.1, 70.0), st.floats(0.5, 20.0)), max_size=12))
def test_nothing_is_lost_and_no_window_is_too_long(made: list[tuple[float, float]]) -> None:
    stretches = talk(*(number for pair in made for number in pair))
    pieces = pack([part for whole in stretches for part in split(whole)])
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert sum(int(np.count_nonzero(piece.samples)) for piece in pieces) == sum(map(len, stretches))
    starts = [index for piece in pieces for _, index in piece.marks]
    assert starts == sorted(starts)
    if len(stretches) == 1:
        assert all(len(piece) > EARLIEST_CUT for piece in pieces[:-1])
