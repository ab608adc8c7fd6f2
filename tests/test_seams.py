"""Words that have not gone out yet are behind the seam, and the client does not count as knowing them."""

from __future__ import annotations

from wlkd import Commit, Word
from wlkd.sessions.seams import Seams

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
