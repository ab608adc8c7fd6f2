"""Whose words are whose, and when that is told."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wlkd.contract.types import UNKNOWN_SPEAKER, Commit, Diarization, Turn, Word
from wlkd.sessions.attribution import Attribution
from wlkd.sessions.progress import Progress
from wlkd.sessions.transcript import Transcript

SECOND = 16_000


def word(start: float, end: float) -> Word:
    return Word(f" {start:g}", int(start * SECOND), int(end * SECOND))


def turn(start: float, end: float, speaker: int) -> Turn:
    return Turn(int(start * SECOND), int(end * SECOND), speaker, 0.9)


def told(until: float, *turns: Turn) -> Diarization:
    return Diarization(turns, int(until * SECOND))


def taken(attribution: Attribution, now: float = 0.0) -> list[tuple[str, int | None]]:
    return [(one.text, one.speaker) for commit in attribution.take(now) for one in commit.words]


def test_a_word_waits_until_it_is_settled_who_spoke() -> None:
    attribution = Attribution(3.0)
    attribution.add(Commit((word(0, 1), word(1, 2)), segment_end=True), now=10.0)
    assert taken(attribution, 10.0) == [] and len(attribution.waiting) == 2 and attribution.due == 13.0
    attribution.told(told(1.5, turn(0, 1.5, 7)))
    [commit] = attribution.take(10.5)
    assert [one.speaker for one in commit.words] == [1] and not commit.segment_end
    assert commit.words[0].speaker_confidence == 0.9
    attribution.told(told(2.5, turn(1.5, 2.5, 7)))
    [commit] = attribution.take(11.0)
    assert [one.text for one in commit.words] == [" 1"] and commit.segment_end
    assert attribution.waiting == () and attribution.due is None and attribution.guessed == 0


def test_a_turn_that_changes_inside_a_commit_splits_it_at_the_word() -> None:
    attribution = Attribution(3.0)
    attribution.add(Commit((word(0, 1), word(1, 2), word(2, 3))), now=0.0)
    attribution.told(told(4, turn(0, 1.6, 5), turn(1.6, 4, 3)))
    # Numbers are given in the order of words: the diarizer's own do not show.
    assert taken(attribution) == [(" 0", 1), (" 1", 1), (" 2", 2)]


def test_the_last_word_before_a_pause_does_not_wait_because_it_fades_away_behind_it() -> None:
    attribution = Attribution(3.0)
    attribution.add(Commit((word(0, 0.5), word(0.6, 1.1))), now=0.0)
    attribution.told(told(1.0, turn(0, 1.0, 5)))
    assert taken(attribution) == [(" 0", 1)], "somebody else may speak there"
    attribution.add(Commit(segment_end=True), now=0.5)
    assert taken(attribution, 0.5) == [(" 0.6", 1)] and attribution.guessed == 0


def test_a_turn_that_comes_in_pieces_counts_as_a_whole() -> None:
    attribution = Attribution(3.0)
    attribution.add(Commit((word(0, 0.5), word(0.6, 1.5))), now=0.0)
    attribution.told(told(1, turn(0, 1.0, 5)))
    # A live diarizer tells each half second as it is decided.
    attribution.told(told(1.1, turn(1.0, 1.2, 3)))
    attribution.told(told(1.6, turn(1.2, 1.7, 3)))
    assert taken(attribution) == [(" 0", 1), (" 0.6", 2)]


def test_a_word_that_is_spoken_over_somebody_says_over_whom() -> None:
    attribution = Attribution(3.0)
    attribution.add(Commit(tuple(word(at, at + 1) for at in range(5))), now=0.0)
    beside = [
        replace(turn(start, end, speaker), beside=True) for start, end, speaker in ((1.5, 2, 7), (2, 3.4, 4), (4, 5, 9))
    ]
    attribution.told(told(5, turn(0, 2, 4), turn(2, 5, 7), *beside))
    [commit] = attribution.take(0.0)
    # The last one is heard by nobody else, and may have been a noise.
    assert [(one.speaker, one.also_speaker) for one in commit.words] == [
        (1, None),
        (1, None),
        (2, 1),
        (2, None),
        (2, None),
    ]
    attribution.add(Commit((word(5, 6),)), now=0.0)
    attribution.told(told(6, turn(5, 6, 4), replace(turn(5.1, 5.6, 7), beside=True)))
    [commit] = attribution.take(0.0)
    assert [(one.speaker, one.also_speaker) for one in commit.words] == [(1, 2)]


def test_a_long_meeting_that_is_told_at_its_end_takes_no_time() -> None:
    attribution = Attribution(None)
    attribution.add(Commit(tuple(word(at, at + 0.4) for at in range(10_000))), now=0.0)
    turns = [turn(at, at + 5, at % 2 + 1) for at in range(0, 10_000, 5)]
    beside = [replace(one, start=one.end - SECOND, speaker=3 - one.speaker, beside=True) for one in turns]
    attribution.told(told(10_000, *turns, *beside))
    began = time.process_time()
    assert len(taken(attribution)) == 10_000
    # A third of a second; everybody else waits meanwhile.
    assert time.process_time() - began < 3.0


def test_a_word_beside_every_turn_goes_to_the_nearest_or_to_who_spoke_last() -> None:
    attribution = Attribution(3.0)
    attribution.add(Commit((word(0, 1), word(1.2, 1.4), word(5, 5.2))), now=0.0)
    attribution.told(told(9, turn(0, 1, 1), turn(1.5, 2, 2)))
    assert taken(attribution) == [(" 0", 1), (" 1.2", 2), (" 5", 2)]


def test_what_waits_too_long_is_told_with_the_best_guess_for_good() -> None:
    attribution = Attribution(3.0)
    attribution.add(Commit((word(0, 1),)), now=0.0)
    assert taken(attribution, 2.9) == []
    assert taken(attribution, 3.0) == [(" 0", 1)], "whoever will be known first"
    attribution.add(Commit((word(1, 2),)), now=3.0)
    attribution.told(told(2, turn(0, 2, 7)))
    assert taken(attribution, 3.0) == [(" 1", 1)]
    attribution.add(Commit((word(2, 3),)), now=4.0)
    assert taken(attribution, 8.0) == [(" 2", 1)]
    assert attribution.guessed == 2


def test_nobody_waits_while_the_diarizer_gets_no_time() -> None:
    attribution = Attribution(3.0)
    attribution.told(told(1, turn(0, 1, 7)))
    attribution.late = True
    attribution.add(Commit((word(0, 1), word(1, 2))), now=10.0)
    assert taken(attribution, 10.0) == [(" 0", 1), (" 1", 1)] and attribution.guessed == 1
    attribution.late = False
    attribution.add(Commit((word(2, 3),)), now=10.0)
    assert taken(attribution, 10.0) == []


def test_without_a_bound_words_wait_for_the_end_and_a_failure_releases_them() -> None:
    attribution = Attribution(None)
    attribution.add(Commit((word(0, 1),)), now=0.0)
    assert taken(attribution, 1e9) == [] and attribution.due is None
    attribution.fail()
    assert taken(attribution) == [(" 0", UNKNOWN_SPEAKER)]
    attribution.add(Commit((word(1, 2),), segment_end=True), now=0.0)
    assert taken(attribution) == [(" 1", UNKNOWN_SPEAKER)]


def test_words_that_wait_keep_their_language_while_the_next_segment_has_another() -> None:
    transcript = Transcript(line_pause=2 * SECOND, silence_line=5 * SECOND, max_line=30 * SECOND, translated=True)
    progress = Progress(transcript, attribution=Attribution(3.0), clock=lambda: 0.0)
    progress.committed(Commit((word(0, 1),), language="en", segment_end=True))
    assert transcript.language == "en", "of a session with one language nothing else is due"
    progress.committed(Commit((word(1, 2),), language="de", segment_end=True))
    progress.committed(Commit(language="fr"))
    progress.committed(Commit((word(2, 3),)))
    progress.speakers_told(told(3, turn(0, 3, 1)))
    progress.release()
    due = [("en", " 0"), ("de", " 1"), ("fr", " 2")]
    assert [(line.language, line.text) for line in transcript.lines] == due
    assert [one.language for one in transcript.take_sentences()] == ["en", "de"], "it says what to translate from"


def test_who_is_not_known_yet_is_nobody_whom_the_client_knows() -> None:
    attribution = Attribution(3.0, known=2)
    attribution.add(Commit((word(0, 1),)), now=0.0)
    assert taken(attribution, 3.0) == [(" 0", UNKNOWN_SPEAKER)]


def test_numbers_go_on_where_the_session_goes_on() -> None:
    first = Attribution(3.0)
    first.add(Commit((word(0, 1), word(1, 2))), now=0.0)
    first.told(told(2, turn(0, 1, 5), turn(1, 2, 3)))
    assert taken(first) == [(" 0", 1), (" 1", 2)]
    second = Attribution(3.0, json.loads(json.dumps(first.memory)))
    second.add(Commit((word(2, 3),)), now=0.0)
    second.told(told(3, turn(2, 3, 5)))
    assert taken(second) == [(" 2", 1)]


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    settled=st.lists(st.integers(0, 70), max_size=12),
    waits=st.lists(st.integers(0, 5), min_size=12, max_size=12),
)
def test_every_word_comes_once_in_order_whatever_is_told_when(
    lengths: list[int], settled: list[int], waits: list[int]
) -> None:
    attribution, now, place, out, handed = Attribution(2.0), 0.0, 0, [], []
    for step, length in enumerate(lengths):
        words = tuple(word(place + one, place + one + 1) for one in range(length))
        place += length
        handed += [one.text for one in words]
        attribution.add(Commit(words), now)
        if step < len(settled):
            attribution.told(told(settled[step], turn(max(settled[step] - 1, 0), settled[step], step % 3 + 1)))
        out += taken(attribution, now)
        now += waits[step]
    out += taken(attribution, now + 2.0)
    assert [text for text, _ in out] == handed and attribution.waiting == ()
    assert all(one is not None for _, one in out)
    firsts = list(dict.fromkeys(speaker for _, speaker in out if speaker != UNKNOWN_SPEAKER))
    assert all(one < other for one, other in pairwise([0, *map(int, filter(None, firsts))]))
