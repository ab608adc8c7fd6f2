"""Which changes of a text are none."""

import pytest
from wlkd_whisper.alike import alike, plain


@pytest.mark.parametrize(
    ("text", "sounds"), [(" It's,", "its"), (" 4%", "4"), ("।", ""), ("好。", "好"), (" की।", "की"), (" น้ำ", "น้ำ")]
)
def test_capitals_and_marks_change_no_word(text, sounds):
    assert plain(text) == plain(sounds) == sounds


def test_vowels_that_are_written_as_signs_do():
    assert plain("की") != plain("का")


def test_texts_are_alike_up_to_the_first_other_word():
    assert alike([" And", " so,", " my"], [" and", " so", " your", " my"]) == 2
    assert alike([" And"], [" and", " so"]) == 1
    assert alike([], [" and"]) == 0
