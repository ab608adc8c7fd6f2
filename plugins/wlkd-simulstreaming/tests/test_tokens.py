"""Tokens to words: whole characters, spaces where the language has them."""

import pytest
from wlkd_simulstreaming.tokens import Vocabulary, split_words


def texts(vocabulary, tokens, language):
    return [word.text for word in split_words(tokens, vocabulary, language)]


def test_every_byte_comes_back(vocabulary):
    text = "".join(chr(code) for code in range(1, 0x180)) + "語🙂"
    assert vocabulary.text(vocabulary.encode(text)) == text


def test_special_tokens_in_a_prompt_are_plain_text(vocabulary):
    tokens = vocabulary.encode(" say <|endoftext|>")
    assert max(tokens) < vocabulary.eot


def test_the_languages_are_the_tokens_between_start_and_task(vocabulary):
    assert list(vocabulary.languages) == ["en", "zh", "de"]


def test_marks_belong_to_the_word_before(vocabulary):
    marks = {vocabulary.text([token]) for token in vocabulary.marks}
    assert {",", ".", "?", "'", "-"} <= marks
    assert not marks & {" ", "a", "(", " ("}


def test_letters_are_counted_by_the_tokens_that_begin_them(vocabulary):
    begun = [token for token in vocabulary.encode("მმ, ok 語🙂") if token not in vocabulary.inside]
    assert len(begun) == len("მმ, ok 語🙂")


def test_a_missing_special_token_is_named(vocabulary):
    class Bare:
        def token_to_id(self, name):
            return None

    with pytest.raises(KeyError, match="endoftext"):
        Vocabulary(Bare())


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        (" the thing's end.", "en", [" the", " thing's", " end."]),
        ("no leading space", "en", ["no", " leading", " space"]),
        (' he said "yes"', "en", [" he", " said", ' "yes"']),
        (" déjà vu", "fr", [" déjà", " vu"]),
        ("你好。再见", "zh", ["你", "好。", "再", "见"]),
        ("他说「好」了", "zh", ["他", "说", "「好」", "了"]),
        ("用GPS导航", "zh", ["用", "GPS", "导", "航"]),
        ("กำลัง", "th", ["ก", "ำ", "ลั", "ง"]),
    ],
)
def test_words(vocabulary, text, language, words):
    assert texts(vocabulary, vocabulary.encode(text), language) == words


def test_an_unfinished_character_is_held_back(vocabulary):
    tokens = vocabulary.encode("你好")
    assert len(tokens) == 6
    for count in (3, 4, 5):
        words = split_words(tokens[:count], vocabulary, "zh")
        assert [word.text for word in words] == ["你"]
        assert words[-1].stop == 3


def test_bytes_that_never_become_a_character_do_not_stop_the_text(vocabulary):
    lone = vocabulary.encode("好")[1]
    assert texts(vocabulary, [lone, *vocabulary.encode(" on")], "en") == ["\ufffd", " on"]
