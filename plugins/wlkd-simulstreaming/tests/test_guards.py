"""The guards against running wild."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from wlkd_simulstreaming.guards import (
    Guard,
    crowded_start,
    echoes,
    is_no_speech,
    loop_start,
    loops,
    retelling_start,
    told_again,
)
from wlkd_simulstreaming.metrics import Metrics


@pytest.mark.parametrize(
    ("tokens", "start"),
    [
        ([1, 2, 3, 4, 5, 6], None),
        ([7, 7, 7, 7, 7], None),
        ([9, 7, 7, 7, 7, 7, 7], 2),
        ([1, 2, 1, 2, 1, 2], None),
        ([9, 1, 2, 1, 2, 1, 2, 1, 2], 3),
        ([9, 1, 2, 3, 1, 2, 3, 1, 2, 3], 4),
        ([1, 2, 3, 1, 2, 3, 1, 2], None),
    ],
)
def test_loops(tokens, start):
    assert loop_start(tokens) == start


def test_a_long_clause_is_found_and_kept_once():
    clause = list(range(20))
    assert loop_start([99, *clause * 3]) == 21


def test_who_repeats_himself_is_not_cut_and_a_loop_without_audio_is():
    said = [9, *[1, 2, 3] * 3]
    assert loop_start(said, [5, 20, 35, 50, 68, 83, 98, 116, 131, 146]) is None
    # What base said of music, of Chinese taken for Bengali, and of somebody who had repeated himself until then.
    assert loop_start(said, [5, 80, 84, 88, 170, 172, 173, 170, 171, 173]) == 4
    assert loop_start(said, [5, 15, 18, 21, 30, 35, 40, 30, 33, 37]) == 4
    assert loop_start([9, *[1, 2, 3] * 5], [5, *range(20, 200, 15), 155, 170, 185]) == 4
    assert loop_start([7] * 6, [10, 22, 31, 44, 52, 64]) is None
    assert loop_start([7] * 6, [10, 22, 31, 44, 52, 52]) == 1


def test_a_loop_in_the_middle_of_a_text_is_one():
    assert loops([9, 8, *[1, 2, 3, 4] * 3, 7, 6, 5])
    assert not loops([9, 8, *[1, 2, 3, 4] * 2, 7, 6, 5])
    assert not loops([])


def test_a_word_told_again_from_settled_audio_is_found():
    assert told_again([" and", " then", " he"], [" Then", " he", " went"], [100, 150, 400], until=200) == 2


def test_a_speakers_own_repetition_is_not():
    assert told_again([" very"], [" very", " good"], [300, 400], until=200) == 0
    assert told_again([" the"], [" end"], [150], until=200) == 0
    assert told_again([], [" end"], [150], until=200) == 0


def test_doubtful_words_are_no_speech_the_sooner_the_less_speech_there_is():
    assert is_no_speech(0.9, [-2.0, -0.8], -1.7)
    assert not is_no_speech(0.3, [-2.0, -0.8], -1.7)
    assert is_no_speech(0.3, [-2.0, -1.8], -1.7)
    assert not is_no_speech(0.9, [-1.0, -0.5], -1.7)
    assert not is_no_speech(None, [-5.0], -1.7)
    assert not is_no_speech(0.9, [], -1.7)


def test_a_clause_told_again_from_the_same_audio_is_cut_where_attention_went_back():
    told, floor = [1, 2, 3, 4, 5, 6], 300
    assert retelling_start(told, floor, [7, 90, 2, 3, 4, 5], [310, 40, 60, 90, 120, 150]) == 1
    assert retelling_start((), 0, [1, 2, 3, 4, 9, 1, 2, 3, 4], [10, 20, 30, 90, 100, 12, 20, 30, 40]) == 5


def test_the_same_words_from_new_audio_stay():
    told, floor = [1, 2, 3, 4, 5, 6], 300
    assert retelling_start(told, floor, [1, 2, 3, 4], [310, 330, 350, 370]) is None


def test_attention_that_wavers_over_new_words_is_no_retelling():
    assert retelling_start([1, 2, 3, 4], 300, [5, 6, 7, 8], [200, 210, 220, 230]) is None
    assert retelling_start([1, 2, 3], 300, [1, 2, 3], [10, 20, 30]) is None


def test_a_text_that_begins_with_the_end_of_its_prompt_is_an_echo():
    assert echoes([9, 1, 2, 3], [1, 2, 3])
    assert echoes([9, 1, 2, 3], [1, 2, 3, 7, 8])
    assert not echoes([9, 1, 2, 3], [2, 3, 7])
    assert not echoes([9, 1, 2, 3], [9, 1, 2])
    assert not echoes([], [1, 2, 3])


def test_every_guard_is_documented_by_its_name():
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if "wlkd_simulstreaming_guards_total" in line)
    assert [guard for guard in Guard if f"`{guard}`" not in row] == []


def test_every_guard_is_counted_from_0():
    registry = CollectorRegistry()
    Metrics(registry)
    name = "wlkd_simulstreaming_guards_total"
    assert [registry.get_sample_value(name, {"guard": guard}) for guard in Guard] == [0.0] * len(Guard)


def test_a_sentence_told_twice_needs_audio_for_both() -> None:
    sentence = [11, 12, 13, 14]
    assert crowded_start(sentence * 2, [5, 12, 20, 25, 25, 26, 27, 28]) == 4
    assert crowded_start([9, *sentence * 2], [1, 5, 12, 20, 25, 5, 12, 20, 25]) == 5
    assert crowded_start(sentence * 2, [5, 12, 20, 25, 40, 47, 55, 60]) is None
    assert crowded_start([7, 8, 7, 8], [5, 6, 7, 8]) is None


def test_tokens_that_begin_inside_a_character_take_no_time_of_their_own() -> None:
    """The doubled letter of "მმართველი" (government), of three tokens each; and a word of five letters said twice."""
    letter, frames = [1, 8, 9], [10, 11, 12, 14, 15, 15]
    assert crowded_start(letter * 2, frames) == 3
    assert crowded_start(letter * 2, frames, {8, 9}) is None
    word, fast = [1, 8, 9, 2, 8, 9, 3, 8, 9, 4, 8, 9, 5, 8, 9], [*range(10, 25), *range(27, 42)]
    assert crowded_start(word * 2, fast) == 15
    assert crowded_start(word * 2, fast, {8, 9}) is None
    assert crowded_start(word * 2, [*range(10, 25), *[25] * 15], {8, 9}) == 15
    moving = [*fast, *range(44, 59)]
    assert loop_start(word * 3, moving) == 15
    assert loop_start(word * 3, moving, {8, 9}) is None
    # A loop inside a character has none of its own.
    assert loop_start([8] * 6, [20] * 6, {8, 9}) == 1
