"""LocalAgreement-2 (Liu et al. 2020, arXiv 2005.11185; for Whisper: Macháček et al. 2023, arXiv 2307.14743).

What two decodes in a row say alike, from the first word on, is committed.
"""

from __future__ import annotations

from collections.abc import Sequence

from wlkd_whisper.alike import alike

from wlkd import SAMPLE_RATE, Word

REPEATED_WORDS = 5
"""Longest run of committed words looked for at the start of a new hypothesis."""
SLACK = SAMPLE_RATE // 10
"""Word times wander by this much, in samples, between two decodes of the same audio."""


def unsaid(hypothesis: Sequence[Word], committed: Sequence[Word]) -> list[Word]:
    """What `hypothesis` adds to the `committed` words of the same audio."""
    if not committed:
        return list(hypothesis)
    end = committed[-1].end
    fresh = [word for word in hypothesis if word.end > end and word.start > end - SLACK]
    # The decode may put the last committed words a little later than before: then they come again.
    for count in range(min(REPEATED_WORDS, len(fresh), len(committed)), 0, -1):
        again = agreed(committed[-count:], fresh[:count]) == count
        if again and fresh[0].start < end + SLACK:
            return fresh[count:]
    return fresh


def agreed(before: Sequence[Word], now: Sequence[Word]) -> int:
    """How many of the first words of two hypotheses are alike."""
    return alike([word.text for word in before], [word.text for word in now])
