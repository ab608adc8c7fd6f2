"""The gate alone: probabilities in, onsets and pauses out."""

from __future__ import annotations

from wlkd_silero.gate import Gate, GateSettings

SETTINGS = GateSettings(onset=0.5, release=0.35, min_speech=2, min_silence=3)


def turns(probabilities: list[float], settings: GateSettings = SETTINGS) -> list[tuple[int, str]]:
    gate = Gate(settings)
    said = [(index, gate.step(probability)) for index, probability in enumerate(probabilities)]
    return [(index, turn) for index, turn in said if turn is not None]


def test_speech_is_believed_after_its_shortest_length() -> None:
    assert turns([0, 0.9, 0.9, 0.9]) == [(2, "onset")]


def test_a_burst_is_no_speech() -> None:
    assert turns([0, 0.9, 0, 0.9, 0, 0.9, 0]) == []


def test_the_onset_survives_between_the_thresholds() -> None:
    assert turns([0.5, 0.36]) == [(1, "onset")]


def test_what_never_reaches_the_upper_threshold_is_no_speech() -> None:
    assert turns([0.49] * 20) == []


def test_a_pause_needs_its_whole_length() -> None:
    assert turns([0.9, 0.9, 0, 0, 0.9, 0, 0, 0, 0]) == [(1, "onset"), (7, "pause")]


def test_murmur_neither_ends_nor_prolongs_a_pause() -> None:
    assert turns([0.9, 0.9, 0.1, 0.4, 0.4]) == [(1, "onset"), (4, "pause")]


def test_it_says_where_they_began() -> None:
    gate = Gate(SETTINGS)
    for probability in [0, 0.9, 0.9, 0.9]:
        gate.step(probability)
    assert (gate.onset, gate.silence) == (1, None)
    for _ in range(3):
        gate.step(0)
    assert gate.silence == 4


def test_the_end_believes_a_burst() -> None:
    gate = Gate(SETTINGS)
    gate.step(0.9)
    assert gate.believe()
    assert not gate.believe()


def test_the_end_believes_nothing_without_one() -> None:
    gate = Gate(SETTINGS)
    gate.step(0.1)
    assert not gate.believe()
