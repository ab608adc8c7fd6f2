"""Filters on the way from the model to the transcript: what waits, what is let go, what a failing one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from wlkd.contract.components import Filter, FilterOptions, TextFilter
from wlkd.contract.errors import SessionError
from wlkd.contract.text import Edit, edited, text_of, whole_words
from wlkd.contract.types import Commit, Word
from wlkd.sessions.filters import Filters
from wlkd.sessions.rendering import MAX_HELD_WORDS, Rendering


class Pairs(Filter):
    """Joins " a" and " b" that follow each other; " boom" raises."""

    def open(self, wish: str) -> TextFilter:
        return _Joining(wish or "ab")


class _Joining(TextFilter):
    def __init__(self, joined: str) -> None:
        self._joined = joined

    def rewrite(self, words: Sequence[Word], language: str | None) -> Sequence[Word]:
        text = text_of(words)
        if "boom" in text:
            raise RuntimeError("boom")
        return edited(words, [Edit(at + 1, at + 4, self._joined) for at in range(len(text)) if text[at:][:4] == " a b"])

    def settled(self, words: Sequence[Word], language: str | None) -> int:
        held = 0
        while held < len(words) and words[-1 - held].text == " a":
            held += 1
        return len(words) - held


def rendering(query: dict[str, str] | None = None, *, active: bool = True) -> Rendering:
    filters = Filters({"pairs": Pairs(FilterOptions(active=active)), "shout": Shout(FilterOptions())})
    return Rendering("simplified", filters, query or {})


class Shout(Filter):
    """Capitals."""

    def open(self, wish: str) -> TextFilter:
        if wish:
            raise SessionError("bad_request", "shout takes no value")
        return _Shouting()


class _Shouting(TextFilter):
    def rewrite(self, words: Sequence[Word], language: str | None) -> Sequence[Word]:
        return [Word(word.text.upper(), word.start, word.end) for word in words]


class Ums(Filter):
    """Leaves out " um", and writes the word behind it in capitals."""

    def open(self, wish: str) -> TextFilter:
        return _LeavingOut()


class _LeavingOut(TextFilter):
    def rewrite(self, words: Sequence[Word], language: str | None) -> Sequence[Word]:
        before = ("", *(word.text for word in words))
        told = [
            replace(word, text=word.text.upper()) if one == " um" else word
            for one, word in zip(before, words, strict=False)
        ]
        return [word for word, was in zip(told, words, strict=True) if was.text != " um"]

    def settled(self, words: Sequence[Word], language: str | None) -> int:
        return len(words) - (words[-1].text == " um")


def commit(text: str = "", tail: str = "", *, language: str = "en", end: bool = False) -> Commit:
    return Commit(said(text), said(tail), language, segment_end=end)


def said(text: str) -> tuple[Word, ...]:
    return tuple(Word(f" {word}", place, place + 1, 1.0) for place, word in enumerate(text.split()))


def shown(commits: Sequence[Commit]) -> list[str]:
    return [f"{text_of(one.words)}|{text_of(one.tentative)}" for one in commits]


def test_a_word_that_waits_is_shown_as_tentative() -> None:
    way = rendering()
    assert shown(way.render(commit("x a", "b c"))) == [" x| ab c"]
    assert shown(way.render(commit("b", "a b"))) == [" ab| ab"]
    assert shown(way.render(commit("a"))) == ["| a"]
    assert shown(way.render(commit(end=True))) == [" a|"]


def test_a_filter_s_words_go_through_the_next_one() -> None:
    way = rendering({"filters": "shout"})
    assert shown(way.render(commit("x a", "b"))) == [" X| AB"]
    assert shown(way.render(commit("b", end=True))) == [" AB|"]


def test_what_waits_is_let_go_when_the_language_changes() -> None:
    way = rendering()
    way.render(commit("x a"))
    first, second = way.render(commit("b", language="de", end=True))
    assert (text_of(first.words), first.language) == (" a", "en")
    assert (text_of(second.words), second.language) == (" b", "de")


def test_what_is_left_out_before_a_pause_changes_the_word_behind_it() -> None:
    way = Rendering("simplified", Filters({"ums": Ums(FilterOptions(active=True))}), {})
    assert shown(way.render(commit("x um"))) == [" x|"]
    assert way.waits_from == 1
    assert shown(way.render(commit(end=True))) == ["|"]
    assert way.waits_from is None  # or a client would keep all of the pause
    assert shown(way.render(commit("y z", end=True))) == [" Y z|"]
    way.render(commit("um", end=True))
    assert way.release() == [] and way.waits_from is None
    way.render(commit("um", end=True))
    assert shown(way.render(commit("y", language="de", end=True))) == [" y|"]


def test_no_filter_can_hold_a_stream_up() -> None:
    way = rendering()
    given = [one for _ in range(MAX_HELD_WORDS + 1) for one in way.render(commit("a", "x"))]
    assert len([word for one in given for word in one.words]) == MAX_HELD_WORDS + 1


def test_a_session_changes_its_filters_and_no_word_is_lost() -> None:
    way = rendering()
    way.render(commit("x a"))
    assert shown(way.change({"filters": "-pairs,shout"})) == [" a|"]
    assert shown(way.render(commit("a b", end=True))) == [" A B|"]
    assert way.change({"pairs": "both"}) == []
    assert shown(way.render(commit("a b", end=True))) == [" BOTH|"]
    with pytest.raises(SessionError, match="unknown filter 'shut'; known: pairs, shout"):
        way.change({"filters": "shut"})
    with pytest.raises(SessionError, match="shout takes no value"):
        way.change({"filters": "-pairs", "shout": "LOUD"})
    assert shown(way.render(commit("a b", end=True))) == [" BOTH|"], "a refused change changes nothing"


def test_filters_are_off_until_the_options_or_the_client_say_otherwise() -> None:
    assert shown(rendering(active=False).render(commit("a b", end=True))) == [" a b|"]
    assert shown(rendering({"filters": "pairs"}, active=False).render(commit("a b", end=True))) == [" ab|"]
    assert shown(rendering({"pairs": "c"}, active=False).render(commit("a b", end=True))) == [" c|"]
    assert shown(rendering({"filters": "-pairs"}).render(commit("a b", end=True))) == [" a b|"]


def test_english_words_in_chinese_stay_apart_over_a_change_and_elsewhere() -> None:
    way = Rendering("simplified", Filters({}), {}, "我用")
    assert shown(way.render(commit("Python", language="zh", end=True))) == ["Python|"]
    assert way.change({}) == []
    assert shown(way.render(commit("Django", language="zh", end=True))) == [" Django|"]
    elsewhere = Rendering("simplified", Filters({}), {}, "我用Python Django")
    assert shown(elsewhere.render(commit("Flask", language="zh", end=True))) == [" Flask|"]


def test_the_words_of_a_failing_filter_do_not_go_out_unfiltered() -> None:
    way = rendering()
    way.render(commit("x a"))
    with pytest.raises(SessionError, match="the filter pairs failed: RuntimeError"):
        way.render(commit("boom", end=True))
    assert way.release() == []


def test_edits_join_the_words_that_they_touch() -> None:
    words = said("one two three four")
    assert [word.text for word in edited(words, [Edit(1, 8, "12"), Edit(9, 10, "T")])] == [" 12", " Three", " four"]
    [joined] = [word for word in edited(words, [Edit(5, 12, "23")]) if "23" in word.text]
    assert (joined.text, joined.start, joined.end, joined.confidence) == (" 23ee", 1, 3, 1.0)
    assert [word.text for word in edited(words, [Edit(4, 8, "")])] == [" one", " three", " four"]
    assert edited(words, []) == list(words)


def test_characters_are_counted_in_whole_words() -> None:
    assert [whole_words(said("one two"), length) for length in (0, 3, 4, 7, 8, 99)] == [0, 0, 1, 1, 2, 2]
