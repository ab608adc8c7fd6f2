"""Marks and endings that come later belong to the word before; what waits for them, and what does not."""

from __future__ import annotations

from wlkd.contract.text import text_of
from wlkd.contract.types import Word
from wlkd.sessions.whole_words import WholeWords


class Said:
    """Pieces of text through one stream's `WholeWords`; a tail is as sure as it says."""

    def __init__(self, language: str | None = "en") -> None:
        self.whole_words = WholeWords()
        self._language = language
        self._at = 0

    def __call__(self, *pieces: str, tail: str = "", sure: float | None = None, over: bool | None = None) -> list[str]:
        words, rest = self.whole_words.pass_on(
            [self._word(piece, 0.8) for piece in pieces],
            [self._word(tail, sure)] if tail else [],
            self._language,
            over=over,
        )
        return [*(word.text for word in words), f"|{text_of(rest)}"]

    def _word(self, text: str, sure: float | None) -> Word:
        self._at += 10
        return Word(text, self._at, self._at + 9, sure)


def test_a_mark_that_comes_later_belongs_to_the_word_before() -> None:
    said = Said()
    assert said(" ever", " pale", tail=" from", sure=0.4) == [" ever", "| pale from"]
    assert said(",", " for", " weariness", tail=" of") == [" pale,", " for", "| weariness of"]
    assert said(tail=" of", sure=0.5) == ["| weariness of"]
    assert said(".", over=True) == [" weariness.", "|"]
    assert said.whole_words.waits_from is None


def test_a_word_is_over_when_the_next_one_certainly_follows() -> None:
    said = Said()
    assert said(" ever", tail=" pale", sure=0.97) == [" ever", "| pale"]
    assert said(" pale", tail="ness", sure=0.99) == ["| paleness"]
    assert said("ness", tail=" is", sure=None) == ["| paleness is"]
    assert said(" is", tail=" not", sure=0.99) == [" paleness", " is", "| not"]


def test_a_backend_knows_better_than_the_next_word_tells() -> None:
    said = Said()
    assert said(" ever", " pale", tail=" from", sure=0.4, over=True) == [" ever", " pale", "| from"]
    assert said(" from", tail=" weariness", sure=0.99, over=False) == ["| from weariness"]
    assert said(tail=" weariness", sure=0.4, over=False) == ["| from weariness"]
    assert said(tail=" weariness", sure=0.4, over=True) == [" from", "| weariness"]


def test_a_mark_changes_neither_the_time_of_a_word_nor_its_confidence_and_an_ending_does() -> None:
    whole_words = WholeWords()
    (first, second), _ = whole_words.pass_on(
        [Word(" pale", 0, 5, 0.9), Word(",", 7, 8, 0.1), Word(" weari", 8, 9, 0.9), Word("ness", 9, 12, 0.3)],
        [],
        "en",
        over=True,
    )
    assert first == Word(" pale,", 0, 5, 0.9)
    assert second == Word(" weariness", 8, 12, 0.3)


def test_where_words_have_no_spaces_marks_belong_to_the_character_before() -> None:
    said = Said("zh")
    assert said("你", "好", tail="世", sure=0.4) == ["你", "|好世"]
    assert said("，", "世", tail="界", sure=0.95) == ["好，", "世", "|界"]
    assert said("界", tail="。", sure=0.99) == ["|界。"]
    assert said("。", "（", tail="a", sure=0.99) == ["界。", "|（a"]
    assert said("a", "b", "）", "吗", over=True) == ["（ab）", "吗", "|"]


def test_where_the_word_began_that_waits() -> None:
    said = Said()
    said(" ever", " pale")
    assert said.whole_words.waits_from == 20


def test_empty_pieces_do_no_harm() -> None:
    assert Said("zh")("你", "", "", "好", over=True) == ["你", "好", "|"]
    assert Said()(" ", "a", "", over=True) == [" a", "|"]
