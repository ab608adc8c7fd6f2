"""Scores of streams, against figures worked out by hand."""

from pathlib import Path

import pytest
from wlkd_bench.clips import Clip
from wlkd_bench.score import compare, revisions, score
from wlkd_bench.stream import Event, Recording
from wlkd_bench.summary import by_minute, by_set, rate, spread, summarize
from wlkd_bench.text import unaccented, units, units_piecewise


def clip(text: str, ends: tuple[float, ...] = (), language: str = "en", set_: str = "s", id_: str = "id") -> Clip:
    return Clip(set_, id_, Path("x.flac"), 3.0, language, text, ends)


def recorded(spoken: Clip, *events: tuple[float, str, str], began: float = 0.0) -> Recording:
    """`events`: seconds, committed text, tail."""
    return Recording(
        spoken,
        began,
        events=[Event(at, committed, tail, lag=0.5) for at, committed, tail in events],
        audio_end=3.0,
        stopped=4.5,
    )


def test_latencies_of_correct_words_only():
    spoken = clip("the cat sat", ends=(1.0, 1.5, 2.0))
    result = score(
        recorded(
            spoken,
            (1.2, "", " The"),
            (2.0, " The", " cap set"),
            (3.5, " The cat set.", ""),
            began=10.0,
        )
    )
    assert [latency.seconds for latency in result.committed] == pytest.approx([1.0, 2.0])
    assert [latency.seconds for latency in result.tentative] == pytest.approx([0.2, 2.0])
    assert [latency.spoken_at for latency in result.committed] == pytest.approx([11.0, 11.5])
    assert result.errors is not None
    assert (result.errors.units, result.errors.substitutions, result.errors.total) == (3, 1, 1)
    assert result.first_word == pytest.approx(2.0)
    assert result.last_word == pytest.approx(0.5)
    assert result.stop == pytest.approx(1.5)


def test_latency_counts_from_the_schedule_when_the_pace_is_not_one():
    recording = recorded(clip("cat", ends=(2.0,)), (1.4, " cat", ""))
    recording.pace = 2.0
    assert score(recording).committed[0].seconds == pytest.approx(0.4)


def test_no_latency_without_word_ends_that_fit():
    assert score(recorded(clip("the cat", ends=(1.0,)), (2.0, "the cat", ""))).committed == ()


def test_revisions_ignore_white_space_and_count_updates():
    texts = ["", " a", "a b", " a b c", " a x", " a x y", ""]
    assert revisions([Event(0.0, text, "", 0.0) for text in texts]) == 2


def test_words_where_nobody_speaks_are_spurious_and_no_error():
    result = score(recorded(clip("", language="none"), (1.0, " Thank you.", "")))
    assert (result.spurious_words, result.errors) == (2, None)
    assert summarize([result]).wer is None


def test_a_failed_stream_counts_as_failed_and_nowhere_else():
    bad = recorded(clip("the cat"), (1.0, " dog", ""))
    bad.failure = "gone"
    full = recorded(clip("the cat"))
    full.failure, full.refused = "full", True
    summary = summarize([score(bad), score(full), score(recorded(clip("the cat"), (1.0, "the cat", "")))])
    assert (summary.failed, summary.refused, summary.streams) == (1, 1, 3)
    assert summary.wer is not None
    assert (summary.wer.percent, summary.wer.units) == (0.0, 2)


def test_edits_of_every_kind():
    errors, agree = compare(["a", "b", "c", "d"], ["a", "x", "c", "d", "e"])
    assert (errors.substitutions, errors.deletions, errors.insertions) == (1, 0, 1)
    assert agree == [(0, 0), (2, 2), (3, 3)]
    errors, agree = compare(["a", "b"], [])
    assert (errors.deletions, agree) == (2, [])


@pytest.mark.parametrize(
    ("text", "language", "fold", "expected"),
    [
        ("Mr. Brown's colour!", "en", False, ["mister", "brown", "is", "color"]),
        ("Die Türkische Republik.", "de", False, ["die", "türkische", "republik"]),
        ("número", "es", True, ["numero"]),
        ("안녕, 하세요", "ko", False, ["안", "녕", "하", "세", "요"]),
        ("안녕, 하세요", "ko", True, ["안", "녕", "하", "세", "요"]),
        ("你好, 世界", "zh", False, ["你", "好", "世", "界"]),
    ],
)
def test_units(text, language, fold, expected):
    assert units(text, language, fold=fold) == expected


def test_pieces_of_a_long_text_are_its_words():
    text = " Mr. Brown's dog, the colour of sand, ran." * 20
    assert units_piecewise(text, "en") == units(text, "en")


def test_references_without_accents_are_compared_without():
    es, fr = clip("el numero", language="es"), clip("numéro", language="fr")
    assert unaccented([es, fr, clip("plain", language="fr"), clip("english")]) == {("s", "es")}


RIGHT = score(recorded(clip("a " * 10, id_="right"), (1.0, "a " * 10, "")))
WRONG = score(recorded(clip("a " * 2, id_="wrong"), (1.0, "b " * 2, "")))


def test_rate_pools_over_clips_and_its_interval_holds_it():
    result = rate([RIGHT, WRONG], "word")
    assert result is not None
    assert result.percent == pytest.approx(100 * 2 / 12)
    assert (result.low, result.high) == (0.0, 100.0)
    assert rate([], "word") is None


def test_clips_that_are_heard_again_and_again_make_no_rate_more_certain():
    once, often = rate([RIGHT, WRONG], "word"), rate([RIGHT, WRONG] * 40, "word")
    assert once is not None and often is not None
    assert (often.percent, often.low, often.high) == (once.percent, once.low, once.high)
    assert (often.errors, often.units) == (80, 480)


def test_percentiles():
    result = spread([None, *range(101)])
    assert result is not None
    assert (result.p50, result.p95, result.p99, result.count) == (50, 95, 99, 101)
    assert spread([None]) is None


def test_sets_and_minutes():
    first = score(recorded(clip("cat", ends=(1.0,)), (2.0, "cat", "")))
    later = score(recorded(clip("猫", language="zh", set_="z"), (2.0, "狗", ""), began=60.0))
    sets = by_set([first, later])
    assert list(sets) == ["s", "z"]
    assert sets["z"].wer is None
    assert sets["z"].cer is not None
    assert sets["z"].cer.percent == 100.0
    minutes = by_minute([first, later])
    assert [minute.number for minute in minutes] == [0, 1]
    assert minutes[0].committed is not None
    assert minutes[0].committed.p50 == pytest.approx(1.0)
    assert (minutes[1].committed, minutes[1].lag_max) == (None, 0.5)


def test_lag_growth_is_a_slope_per_minute():
    recording = recorded(clip("cat"))
    recording.events = [Event(at, "", "", lag=at / 10) for at in (0.0, 10.0, 60.0)]
    assert summarize([score(recording)]).lag_growth == pytest.approx(6.0)
