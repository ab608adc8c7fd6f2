"""Diff against full: a client that follows the three rules of diff mode always holds the full transcript."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from wlkd_websocket.messages import DiffMessages, FullMessages, clock

from wlkd import Line, Seam, Translation, Update, Word

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
# What may happen to a transcript between two updates: its last line grows, lines follow, one gets a translation,
# or only the tail moves.
kinds = st.sampled_from(["grow", "line", "tell"])
steps = st.lists(st.one_of(st.none(), st.tuples(kinds, texts)))
histories = st.lists(steps, min_size=1, max_size=12)


def transcripts(history: list[list[tuple[str, str] | None]]) -> list[tuple[Line, ...]]:
    """The state of the lines after each batch of steps."""
    lines: list[Line] = []
    states = []
    for batch in history:
        for step in batch:
            at = lines[-1].end if lines else 0
            if step is None:
                continue
            kind, text = step
            word = Word(text, at, at + 800, 0.5)
            if kind == "tell":
                if lines:
                    place = len(text) % len(lines)
                    told = (*lines[place].translations, Translation(at, at, text))
                    lines[place] = replace(lines[place], translations=told)
            elif kind == "grow" and lines and lines[-1].words:
                lines[-1] = replace(lines[-1], end=at + 800, words=(*lines[-1].words, word))
            else:
                lines.append(Line(at, at + 800, (word,) if len(text) % 3 else ()))
        states.append(tuple(lines))
    return states


def test_words_say_who_speaks_and_over_whom():
    line = Line(0, 16_000, (Word(" Hello", 0, 16_000, 0.9, 2, 0.75, also_speaker=1),))
    [told] = json.loads(FullMessages(True).write(Update(lines=(line,))))["lines"][0]["words"]
    assert (told["speaker"], told["speaker_confidence"], told["also_speaker"]) == (2, 0.75, 1)


@given(histories, st.booleans())
def test_diffs_rebuild_the_full_transcript(history, with_words):
    full, diff = FullMessages(with_words), DiffMessages(with_words)
    held: list[dict] = []
    for seq, lines in enumerate(transcripts(history), start=1):
        update = Update(lines=lines, speech_start=0)
        expected, message = json.loads(full.write(update)), json.loads(diff.write(update))
        assert message["seq"] == seq
        if message["type"] == "snapshot":
            assert seq == 1
            held = message["lines"]
        else:
            held = held[message.get("lines_pruned", 0) :] + message.get("new_lines", [])
            assert len(held) == message["n_lines"]
        assert held == expected["lines"]
        lines_apart = {"type", "seq", "lines", "n_lines", "lines_pruned", "new_lines"}
        assert {k: v for k, v in message.items() if k not in lines_apart} == {
            k: v for k, v in expected.items() if k not in lines_apart
        }


@given(histories)
def test_a_diff_is_never_dearer_than_it_must_be(history):
    """Lines are sent again only when one of them changed; then no order-keeping message is shorter."""
    diff = DiffMessages()
    previous: tuple[Line, ...] | None = None
    for lines in transcripts(history):
        message = json.loads(diff.write(Update(lines=lines)))
        if previous is not None:
            unchanged = lines[: len(previous)] == previous
            assert message.get("lines_pruned", 0) == (0 if unchanged else len(previous))
            assert len(message.get("new_lines", [])) == len(lines) - (len(previous) if unchanged else 0)
        previous = lines


@given(histories, st.integers(0, 3))
def test_a_client_that_can_resume_holds_the_full_transcript(history, elsewhere):
    """`elsewhere`: lines that it has from another server."""
    full, short = FullMessages(), FullMessages()
    held: list[dict] = []
    for lines in transcripts(history):
        seam = Seam(0, 0, 0, elsewhere, "continuation")
        message = json.loads(short.write(Update(lines=lines, seam=seam)))
        first = message["first_line"] - elsewhere
        held = held[:first] + message["lines"]
        assert held == json.loads(full.write(Update(lines=lines)))["lines"]


def test_an_update_of_a_long_meeting_is_short_for_a_client_that_can_resume():
    messages = FullMessages()
    lines = tuple(Line(n, n + 1, (Word(f" {n}", n, n + 1),)) for n in range(1000))
    seam = Seam(0, 0, 0, 0, "continuation")
    messages.write(Update(lines=lines, seam=seam))
    grown = (*lines[:-1], replace(lines[-1], words=(*lines[-1].words, Word(" more", 1000, 1001))))
    message = json.loads(messages.write(Update(lines=grown, seam=seam)))
    assert (message["first_line"], [line["text"] for line in message["lines"]]) == (999, [" 999 more"])
    message = json.loads(messages.write(Update(lines=grown, seam=seam)))
    assert (message["first_line"], message["lines"]) == (1000, [])


@given(histories)
def test_cached_lines_are_the_lines(history):
    """What was serialised once and kept equals what a fresh writer says."""
    kept = FullMessages()
    for lines in transcripts(history):
        update = Update(lines=lines)
        assert kept.write(update) == FullMessages().write(update)


def test_closed_lines_are_serialised_once(monkeypatch):
    dumped: list[dict] = []
    real = json.dumps
    monkeypatch.setattr(json, "dumps", lambda value, **kwargs: dumped.append(value) or real(value, **kwargs))
    full = FullMessages()
    lines = tuple(Line(n, n + 1, (Word("x", n, n + 1),)) for n in range(100))
    for count in range(1, 101):
        full.write(Update(lines=lines[:count]))
    lines_dumped = [value for value in dumped if "speaker" in value]
    assert len(lines_dumped) == 100 + 99  # each once while it is the last, once when it is closed


def test_clock_rounds_down():
    assert [clock(16_000 * s) for s in (0, 59.99, 60, 3_600, 36_000)] == [
        "0:00:00",
        "0:00:59",
        "0:01:00",
        "1:00:00",
        "10:00:00",
    ]
