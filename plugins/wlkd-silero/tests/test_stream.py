"""Streams over a network made up for the purpose: loud is speech."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from wlkd_silero.everything import Everything
from wlkd_silero.gate import Gate, GateSettings
from wlkd_silero.model import FRAME_SAMPLES, Memory
from wlkd_silero.stream import SileroStream

from wlkd import Frame, Options, Pause, Samples, SpeechEvent, VadStream
from wlkd.testing import check_vad

PAD = 700
SETTINGS = GateSettings(onset=0.5, release=0.35, min_speech=2, min_silence=3)


class LoudIsSpeech:
    """Takes the mean magnitude of a frame for its probability."""

    def probabilities(self, samples: Samples, memory: Memory) -> NDArray[np.float32]:
        magnitudes: NDArray[np.float32] = np.abs(samples.reshape(-1, FRAME_SAMPLES)).mean(axis=1)
        return magnitudes


def open_stream() -> VadStream:
    return SileroStream(LoudIsSpeech(), Gate(SETTINGS), pad=PAD, min_power=1e-7)


def audio(*runs: tuple[int, float]) -> Samples:
    """Runs of model frames at a level; the level of each sample also tells its place."""
    levels = np.concatenate([np.full(count * FRAME_SAMPLES, level, np.float32) for count, level in runs])
    return (levels + np.arange(len(levels)) * 1e-7).astype(np.float32)


def events_of(
    factory: Callable[[], VadStream], samples: Samples, cuts: list[int], origin: int = 0
) -> list[SpeechEvent]:
    """Everything a fresh stream says about `samples` cut at `cuts`."""
    stream = factory()
    edges = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    events: list[SpeechEvent] = []
    for a, b in itertools.pairwise(edges):
        events.extend(stream.feed(Frame(origin + a, samples[a:b])))
    return events + stream.finish()


def spans(events: list[SpeechEvent]) -> list[tuple[int, int] | int]:
    """Frames that touch as one (start, end), pauses as their place."""
    merged: list[tuple[int, int] | int] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, Pause):
            merged.append(event.at)
        elif isinstance(last, tuple) and last[1] == event.start:
            merged[-1] = (last[0], event.end)
        else:
            merged.append((event.start, event.end))
    return merged


def check_contract(samples: Samples, events: list[SpeechEvent], origin: int = 0) -> None:
    """What holds for every VAD: its frames are the session's audio, in order, never twice."""
    given_until = origin
    for event in events:
        if isinstance(event, Frame):
            assert len(event.samples) > 0
            assert event.start >= given_until
            assert event.end <= origin + len(samples)
            assert np.array_equal(event.samples, samples[event.start - origin : event.end - origin])
            given_until = event.end
        else:
            assert origin <= event.at <= given_until
    if events:
        assert isinstance(events[-1], Pause)


F = FRAME_SAMPLES


def test_speech_keeps_its_pre_roll_and_its_pause() -> None:
    samples = audio((10, 0.0), (5, 0.9), (10, 0.0))
    assert spans(events_of(open_stream, samples, [])) == [(10 * F - PAD, 18 * F), 15 * F]


def test_pre_roll_never_repeats_what_was_passed_on() -> None:
    samples = audio((4, 0.9), (4, 0.0), (4, 0.9))
    assert spans(events_of(open_stream, samples, [])) == [(0, 7 * F), 4 * F, (8 * F - F, 12 * F), 12 * F]


def test_speech_is_passed_on_as_it_is_judged() -> None:
    stream = open_stream()
    samples = audio((20, 0.9))
    for i in range(20):
        events = stream.feed(Frame(i * F, samples[i * F : (i + 1) * F]))
        expected = [] if i == 0 else [(0, 2 * F)] if i == 1 else [(i * F, (i + 1) * F)]
        assert spans(events) == expected


def test_the_end_passes_on_what_was_held() -> None:
    samples = audio((3, 0.9))[: 2 * F + 100]
    assert spans(events_of(open_stream, samples, [])) == [(0, len(samples)), len(samples)]
    burst = audio((3, 0.0), (1, 0.9))
    assert spans(events_of(open_stream, burst, [])) == [(3 * F - PAD, 4 * F), 4 * F]


def test_the_end_in_silence_says_nothing() -> None:
    assert events_of(open_stream, audio((30, 0.0)), []) == []


def test_the_pause_at_the_end_lies_where_speech_ended() -> None:
    assert spans(events_of(open_stream, audio((4, 0.9), (2, 0.0)), [])) == [(0, 6 * F), 4 * F]


def flushed(samples: Samples, at: int) -> tuple[list[SpeechEvent], list[SpeechEvent]]:
    """What a stream says up to a flush at sample index `at`, and behind it."""
    stream = open_stream()
    before = [*stream.feed(Frame(0, samples[:at])), *stream.flush()]
    return before, [*stream.feed(Frame(at, samples[at:])), *stream.finish()]


@pytest.mark.parametrize("at", [9 * F, 10 * F - 1, 10 * F, 10 * F + 5])
def test_speech_that_begins_at_a_flush_keeps_its_pre_roll(at: int) -> None:
    before, after = flushed(audio((10, 0.0), (5, 0.9)), at)
    assert before == []
    assert spans(after) == [(10 * F - PAD, 15 * F), 15 * F]


def test_a_flush_passes_on_what_was_held_and_nothing_twice() -> None:
    before, after = flushed(audio((10, 0.0), (5, 0.9)), 11 * F + 400)
    assert spans(before) == [(10 * F - PAD, 11 * F + 400), 11 * F + 400]
    assert spans(after) == [(11 * F + 400, 15 * F), 15 * F]


def test_a_second_flush_says_nothing_more() -> None:
    stream = open_stream()
    stream.feed(Frame(0, audio((6, 0.9))[: 5 * F + 400]))
    assert spans(stream.flush()) == [(5 * F, 5 * F + 400), 5 * F + 400]
    assert stream.flush() == stream.finish() == []


def test_near_silence_is_silence_whatever_the_network_says() -> None:
    class Hallucinating:
        def probabilities(self, samples: Samples, memory: Memory) -> NDArray[np.float32]:
            return np.ones(len(samples) // F, np.float32)

    def loose() -> VadStream:
        return SileroStream(Hallucinating(), Gate(SETTINGS), pad=PAD, min_power=1e-7)

    assert events_of(loose, np.full(20 * F, 1e-4, np.float32), []) == []
    assert spans(events_of(loose, np.full(20 * F, 1e-3, np.float32), [])) == [(0, 20 * F), 20 * F]


def test_a_gap_is_refused() -> None:
    stream = open_stream()
    stream.feed(Frame(0, np.zeros(100, np.float32)))
    with pytest.raises(ValueError, match="does not follow"):
        stream.feed(Frame(200, np.zeros(100, np.float32)))


def test_long_silence_takes_bounded_room() -> None:
    stream = SileroStream(LoudIsSpeech(), Gate(SETTINGS), pad=PAD, min_power=1e-7)
    for i in range(500):
        stream.feed(Frame(i * F, np.zeros(F, np.float32)))
    assert len(stream._audio) <= PAD + F


@pytest.mark.parametrize("factory", [open_stream, Everything(Options()).open])
def test_a_stream_never_fed_says_nothing(factory: Callable[[], VadStream]) -> None:
    assert factory().finish() == []
    stream = factory()
    assert stream.feed(Frame(0, np.zeros(0, np.float32))) == []
    assert stream.finish() == []


@pytest.mark.parametrize("factory", [open_stream, Everything(Options()).open])
@settings(max_examples=150, deadline=None)
@given(
    runs=st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0.0, 0.4, 0.9])), min_size=1, max_size=8),
    tail=st.integers(0, F - 1),
    cuts=st.lists(st.integers(0, 30 * F), max_size=20),
    origin=st.sampled_from([0, 12345]),
)
def test_cuts_change_nothing(
    factory: Callable[[], VadStream],
    runs: list[tuple[int, float]],
    tail: int,
    cuts: list[int],
    origin: int,
) -> None:
    samples = audio(*runs)
    samples = samples[: len(samples) - tail]
    whole = events_of(factory, samples, [], origin)
    cut = events_of(factory, samples, cuts, origin)
    check_contract(samples, whole, origin)
    check_contract(samples, cut, origin)
    assert spans(whole) == spans(cut)


@settings(max_examples=150, deadline=None)
@given(
    runs=st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0.0, 0.4, 0.9])), min_size=1, max_size=8),
    at=st.integers(0, 30 * F),
)
def test_a_flush_keeps_the_contract(runs: list[tuple[int, float]], at: int) -> None:
    samples = audio(*runs)
    before, after = flushed(samples, min(at, len(samples)))
    check_contract(samples, before)
    check_contract(samples, [*before, *after])


@pytest.mark.parametrize("factory", [open_stream, Everything(Options()).open])
def test_the_contract_of_vads(factory: Callable[[], VadStream]) -> None:
    check_vad(factory, audio((5, 0.0), (9, 0.9), (4, 0.0), (3, 0.9)))


def test_an_hour_in_one_piece() -> None:
    samples = np.tile(audio((40, 0.9), (60, 0.0)), 1125)
    events = open_stream().feed(Frame(0, samples))
    assert sum(isinstance(event, Pause) for event in events) == 1125


def test_everything_is_speech_to_none() -> None:
    samples = audio((3, 0.0), (2, 0.9))
    assert spans(events_of(Everything(Options()).open, samples, [100, 900])) == [(0, 5 * F), 5 * F]
