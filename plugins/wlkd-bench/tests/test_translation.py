"""What `wlkd_bench.translation` makes of what a client sees."""

from __future__ import annotations

from wlkd_bench.translation import Watch

from wlkd.client import Transcript
from wlkd.contract.types import Line, Note, Translation, Word

SECOND = 16_000


def test_words_and_translations_are_timed_where_they_are_first_seen() -> None:
    words = (Word(" One", 0, SECOND), Word(" two.", SECOND, 2 * SECOND))
    line = Line(0, 2 * SECOND, words)
    told = Line(0, 2 * SECOND, words, translations=(Translation(0, 2 * SECOND, "Um dois."),))
    watch = Watch()
    watch.take(Transcript((Line(0, SECOND, words[:1]),), "", 0.0, new_words=words[:1]), 1.5)
    watch.take(Transcript((line,), "", 0.0, new_words=words[1:], tentative_translation="Um"), 3.0)
    watch.take(Transcript((line,), "", 0.0, tentative_translation="Um"), 3.1)
    watch.take(Transcript((told,), "", 0.0), 3.25)
    watch.take(Transcript((told,), "", 0.0, notes=(Note("untranslated", "too far behind"),)), 9.0)
    assert watch.words == [0.5, 1.0]
    assert watch.behind == [0.25]
    assert (watch.drafts, watch.untranslated) == (1, 1)
