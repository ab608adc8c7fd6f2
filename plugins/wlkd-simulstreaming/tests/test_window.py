"""The window: places in the session, and cuts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from wlkd_simulstreaming.packing import LONGEST
from wlkd_simulstreaming.state import State
from wlkd_simulstreaming.timing import Said
from wlkd_simulstreaming.window import best_cut
from wlkd_whisper.window import SLOPE, Window

from wlkd import Frame, Word


def ramp(start, count):
    """Samples that tell their own place."""
    return Frame(start, np.arange(start, start + count, dtype=np.float32))


def window(*stretches):
    return Window().extended([ramp(start, count) for start, count in stretches])


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 40)), min_size=1, max_size=6), st.data())
def test_every_sample_knows_its_place(gaps, data):
    frames, at = [], 0
    for gap, count in gaps:
        frames.append(ramp(at + gap, count))
        at = frames[-1].end
    heard = Window().extended(frames[:1]).extended(frames[1:])
    for offset, value in enumerate(heard.samples):
        assert heard.session_index(offset) == value
        assert heard.offset(int(value)) == offset
    assert heard.end == at
    cut = data.draw(st.integers(0, len(heard) - 1))
    later = heard.after(heard.session_index(cut))
    assert later.samples.tolist() == heard.samples[cut:].tolist()
    assert [later.session_index(n) for n in range(len(later))] == later.samples.tolist()


def test_frames_that_follow_each_other_are_one_stretch():
    assert window((100, 50), (150, 50), (300, 10)).marks == ((0, 100), (100, 300))


def test_silence_behind_speech_is_one_pause_however_it_came():
    quiet = window((100, 5000)).quiet_after(2100)
    assert quiet.pauses == quiet.quiet_after(2100).pauses == ((2000 + SLOPE, 5000),)
    longer = quiet.paused(1000).extended([ramp(7000, 500)])
    assert longer.pauses == ((2000 + SLOPE, 6000),) and longer.speech == 2000 + SLOPE + 500
    assert longer.part(5500, 6200).pauses == ((0, 500),)
    assert window((100, 5000)).quiet_after(5000).pauses == ()


def test_a_place_in_a_gap_is_the_end_of_what_was_before_it():
    heard = window((100, 50), (300, 10))
    assert heard.offset(200) == 50
    assert heard.offset(5) == 0


def test_an_empty_window_has_no_place_yet():
    assert len(Window()) == 0
    assert Window().after(10).marks == ()
    assert Window().extended([]).marks == ()


def words(*ends, stops=()):
    return [
        Word(f" w{n}." if n in stops else f" w{n}", int((end - 0.2) * 16000), int(end * 16000))
        for n, end in enumerate(ends)
    ]


def test_the_cut_leaves_about_what_is_wanted_and_never_the_last_word():
    said = words(1.0, 2.0, 4.0, 6.0, 8.0)
    assert best_cut(said, 10 * 16000, 4 * 16000, 11 * 16000) == 3
    assert best_cut(said[:1], 10 * 16000, 4 * 16000, 11 * 16000) is None


def test_a_sentence_end_near_by_is_preferred():
    said = words(1.0, 2.0, 5.0, 6.0, 8.0, stops=(2,))
    assert best_cut(said, 10 * 16000, 4 * 16000, 11 * 16000) == 2


def test_a_cut_that_leaves_too_much_is_none():
    assert best_cut(words(1.0, 2.0), 13 * 16000, 4 * 16000, 11 * 16000) is None


def seconds_from(start, length):
    return Frame(round(start * 16_000), np.ones(round(length * 16_000), np.float32))


def test_pauses_are_shorter_where_a_step_brings_too_much_speech_for_them():
    late = State().hearing([seconds_from(0, 8)]).hearing([seconds_from(9.4 + 2.9 * n, 1.5) for n in range(14)])
    assert 0.9 * LONGEST < len(late.window) <= LONGEST
    assert np.count_nonzero(late.window.samples) == 29 * 16_000, "no speech is lost for silence"


def test_what_the_model_cannot_hear_any_more_leaves_a_window_that_nothing_was_cut_from():
    said = tuple(Said(Word(text, at * 16_000, (at + 1) * 16_000), (at,)) for text, at in ((" one", 1), (" two", 5)))
    full = State(said=said).hearing([seconds_from(0, 29)]).hearing([seconds_from(29, 4)])
    assert (len(full.window), full.window.end) == (LONGEST, 33 * 16_000)
    assert (full.context, full.said) == ((1,), said[1:])
