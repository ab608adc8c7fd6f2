"""When words begin and end, in the session. No model."""

import numpy as np
import pytest
from wlkd_simulstreaming.sound import FADING, Sound
from wlkd_simulstreaming.timing import FRAME_SAMPLES, LEAD_FRAMES
from wlkd_whisper.window import SLOPE

from wlkd import Frame

from .talk import SECOND, hypothesis


def test_times_never_run_backwards(talk):
    first = talk.step(3, (" one", 20), (" two", 90), (" three", 140))
    second = talk.step(1, (" three", 60), (" four", 120), (" five", 190))
    ends = [(word.start, word.end) for word in (*first.words, *second.words)]
    flat = [time for pair in ends for time in pair]
    assert flat == sorted(flat)


def test_times_are_the_sessions_across_a_gap(talk):
    talk.step(3, (" one", 20), end=True)
    commit = talk.step(3, (" two", 50), (" three", 100), (" four", 145), at=100 * SECOND)
    assert commit.words[0].start == 100 * SECOND + (50 - LEAD_FRAMES) * FRAME_SAMPLES


def test_a_word_begins_before_it_is_attended_and_ends_where_the_next_begins(talk):
    commit = talk.step(3, (" one", 20), (" two", 30), (" three", 80), (" four", 145))
    times = [(word.start // FRAME_SAMPLES, word.end // FRAME_SAMPLES) for word in commit.words[:2]]
    assert times == [(20 - LEAD_FRAMES, 30 - LEAD_FRAMES), (30 - LEAD_FRAMES, 80 - LEAD_FRAMES)]


def test_no_word_lasts_over_a_pause(talk):
    talk.step(2, (" one", 20), (" two", 90), pause=True)
    commit = talk.step(3, (" one", 20), (" two", 95), (" three", 152), (" four", 280), at=3 * SECOND)
    two, three = [*commit.words, *commit.tentative][:2]
    assert (two.text, two.end, three.text, three.start) == (" two", 2 * SECOND, " three", 3 * SECOND)


def test_a_word_before_a_pause_ends_where_the_speech_does(talk, vocabulary):
    talk.hear(3)
    talk.stream.pause(int(2.4 * SECOND))
    commit = talk.conclude(talk.stream.plan(), hypothesis(vocabulary, (" one", 20), (" two", 110)))
    assert commit.words[-1].end == 2.4 * SECOND + SLOPE


def tones(*places, noise=0.0):
    """Three seconds of noise, with a tone between these pairs of seconds."""
    audio = np.random.default_rng(1).normal(0, 1, 3 * SECOND) * noise
    for begin, end in places:
        place = slice(int(begin * SECOND), int(end * SECOND))
        audio[place] += 0.1 * np.sin(np.arange(place.stop - place.start) * 0.1)
    return audio.astype(np.float32)


NOISES = pytest.mark.parametrize("noise", [0.0, 0.001, 0.01])


@NOISES
def test_a_short_pause_belongs_to_no_word(talk, vocabulary, noise):
    """One word of a second, 0.4 s of nothing but noise, another word: the VAD tells no pause."""
    talk.stream.accept(Frame(0, tones((0.0, 1.0), (1.4, 3.0), noise=noise)))
    heard = hypothesis(vocabulary, (" one", 45), (",", 62), (" two", 75), (" three", 130))
    commit = talk.conclude(talk.stream.plan(), heard)
    one = [*commit.words, *commit.tentative][0]
    assert one.text == " one,"
    assert SECOND <= one.end <= SECOND + 2 * FADING


@NOISES
def test_a_word_lasts_as_long_as_its_sound_and_no_longer(talk, vocabulary, noise):
    """The model attends to the beginning of a word that lasts 0.9 s."""
    talk.stream.accept(Frame(0, tones((0.2, 1.1), (1.5, 3.0), noise=noise)))
    heard = hypothesis(vocabulary, (" one", 15), (" two", 80), (" three", 130))
    commit = talk.conclude(talk.stream.plan(), heard)
    one = [*commit.words, *commit.tentative][0]
    assert 1.1 * SECOND <= one.end <= 1.1 * SECOND + 2 * FADING


@NOISES
def test_the_sound_of_a_word_is_what_is_audible_where_it_is(noise):
    sound = Sound(tones((1.0, 1.5), noise=noise))
    begin, end = sound.of_word(int(0.7 * SECOND), int(1.9 * SECOND), int(1.9 * SECOND))
    assert SECOND - 2 * FADING <= begin <= SECOND
    assert 1.5 * SECOND <= end <= 1.5 * SECOND + 2 * FADING


def test_a_short_silence_is_inside_of_a_word():
    sound = Sound(tones((0.5, 0.8), (0.88, 1.2), (1.5, 3.0)))
    _, end = sound.of_word(int(0.5 * SECOND), int(0.7 * SECOND), 2 * SECOND)
    assert 1.2 * SECOND <= end <= 1.2 * SECOND + 2 * FADING


@pytest.mark.parametrize(("begin", "stop"), [(0, 0), (0, 3 * SECOND), (SECOND, SECOND + 1), (3 * SECOND, 3 * SECOND)])
def test_a_word_of_silence_stays_in_its_place(begin, stop):
    assert Sound(np.zeros(3 * SECOND, np.float32)).of_word(begin, stop, stop) == (begin, stop)
