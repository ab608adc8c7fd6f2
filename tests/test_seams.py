"""Words that have not gone out yet are behind the seam, and the client does not count as knowing them."""

from __future__ import annotations

from wlkd import Commit, Word
from wlkd.sessions.seams import InOrder, Seams

SECOND = 16_000
ONE, TWO = Word(" one", 0, SECOND), Word(" two", SECOND, 2 * SECOND)


def test_the_client_knows_a_word_as_soon_as_it_has_gone_out() -> None:
    seams = Seams(can_tell=True)
    seams.committed(Commit((ONE, TWO), until=2 * SECOND), waits_from=TWO.start)
    assert seams.known(TWO.start) == (ONE,)
    assert seams.known() == (ONE, TWO), "its speaker was told meanwhile, and the recognizer has made no step"


def test_at_a_pause_the_seam_stays_before_what_waits() -> None:
    seams = Seams(can_tell=True)
    seams.committed(Commit((ONE, TWO), until=3 * SECOND, segment_end=True), waits_from=TWO.start)
    assert (seams.at, seams.context, seams.known()) == (TWO.start, " one", (TWO,))
    seams.silent(5 * SECOND)
    assert (seams.context, seams.known()) == (" one two", ())


def test_at_a_pause_the_seam_goes_behind_it() -> None:
    seams = Seams(can_tell=True)
    seams.committed(Commit((ONE, TWO), until=3 * SECOND, segment_end=True))
    assert (seams.at, seams.context, seams.known()) == (3 * SECOND, " one two", ())


def test_at_a_pause_a_word_that_reaches_over_the_seam_stays_told() -> None:
    seams = Seams(can_tell=True)
    long = Word(" one", 0, 3 * SECOND // 2)
    seams.committed(Commit((long, TWO), until=3 * SECOND, segment_end=True), waits_from=TWO.start)
    assert (seams.context, seams.known(TWO.start)) == ("", (long,)), "it would be heard again, and come twice"


def test_a_word_without_length_that_waits_has_not_gone_out() -> None:
    seams = Seams(can_tell=True)
    waits = Word(" two", SECOND, SECOND)
    seams.committed(Commit((ONE, waits), until=20 * SECOND), waits_from=waits.start)
    assert (seams.context, seams.known()) == (" one", (waits,))


def test_words_that_begin_together_are_told_apart_by_where_they_begin() -> None:
    in_order = InOrder([Word(" zero", 5, 5)])
    words = (Word(" one", 5, 100), Word(" two", 5, 5), Word(" three", 2, 300), Word(" four", 200, 300))
    commit = in_order.follow(Commit(words[:2], until=100))
    assert [(word.start, word.end) for word in commit.words] == [(6, 100), (7, 7)] and commit.until == 100
    assert in_order.follow(Commit(words[2:])).words == (Word(" three", 8, 300), words[3])


def test_in_silence_a_word_that_ends_behind_the_seam_stays_told() -> None:
    seams = Seams(can_tell=True, at=0, told=(ONE, TWO))
    seams.silent(SECOND // 2)
    assert (seams.at, seams.context, seams.known()) == (0, "", (ONE, TWO)), "they are still to be heard again"
    seams.silent(5 * SECOND // 2)
    assert (seams.at, seams.context, seams.known()) == (SECOND, " one", (TWO,))
    seams.silent(3 * SECOND)
    assert (seams.at, seams.context, seams.known()) == (2 * SECOND, " one two", ())
