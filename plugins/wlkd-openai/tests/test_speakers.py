"""Who speaks, in the API's own words."""

from __future__ import annotations

import base64
import json

import pytest
from wlkd_openai.form import Wishes, parse
from wlkd_openai.formats import Deltas, response
from wlkd_openai.speakers import who

from wlkd import BadParameter, KnownSpeaker, Line, Update, Word

LINES = (
    Line(0, 16_000, (Word(" Good morning.", 0, 16_000, 0.9, 1, 0.8),), "en"),
    Line(16_000, 32_000, (Word(" Morning.", 16_000, 32_000, 0.9, 27, 0.8),), "en"),
)
UPDATE = Update(lines=LINES, committed=LINES[0].words, language="en", received=32_000, final=True)
FORM = {"model": ["whisper-1"]}


def fields(**extra: str) -> dict[str, object]:
    wishes = parse(FORM | {name: [value] for name, value in extra.items()}, "transcribe")
    return json.loads(response(UPDATE, wishes).text or "")


def test_diarized_json_asks_for_speakers_and_names_them_by_letters() -> None:
    wishes = parse(FORM | {"response_format": ["diarized_json"]}, "transcribe")
    assert wishes.query["diarize"] == "true"
    body = fields(response_format="diarized_json")
    assert body["text"] == "Good morning. Morning." and body["duration"] == 2.0
    assert body["segments"] == [
        {
            "type": "transcript.text.segment",
            "id": "seg_000",
            "start": 0.0,
            "end": 1.0,
            "text": " Good morning.",
            "speaker": "A",
        },
        {
            "type": "transcript.text.segment",
            "id": "seg_001",
            "start": 1.0,
            "end": 2.0,
            "text": " Morning.",
            "speaker": "AA",
        },
    ]


def test_other_formats_say_it_where_they_can() -> None:
    wishes = parse(FORM | {"response_format": ["verbose_json"], "diarize": ["true"]}, "transcribe")
    assert wishes.query["diarize"] == "true"
    body = fields(response_format="verbose_json", diarize="true")
    assert [segment["speaker"] for segment in body["segments"]] == ["A", "AA"]  # type: ignore[attr-defined]


def test_words_say_over_whom_they_are_spoken() -> None:
    words = (Word(" Good", 0, 8_000, 0.9, 2, 0.8, also_speaker=1), Word(" morning.", 8_000, 16_000, 0.9, 2, 0.8))
    update = Update(lines=(Line(0, 16_000, words, "en"),), committed=words, language="en", received=16_000, final=True)
    extra = {"response_format": ["verbose_json"], "diarize": ["true"], "timestamp_granularities": ["word"]}
    body = json.loads(response(update, parse(FORM | extra, "transcribe")).text or "")
    assert [(word["speaker"], word.get("also_speaker")) for word in body["words"]] == [("B", "A"), ("B", None)]


def test_somebody_unknown_has_no_letter_that_is_a_name() -> None:
    known = [KnownSpeaker(name, b"") for name in ("A", "C")]
    assert [who(speaker, known)["speaker"] for speaker in (1, 2, 3, 4, 27, -1)] == ["A", "C", "B", "D", "AA", "unknown"]


def test_a_stream_ends_with_the_segments() -> None:
    wishes = parse(FORM | {"response_format": ["diarized_json"], "stream": ["true"]}, "transcribe")
    events = [json.loads(line[6:]) for line in Deltas(wishes).write(UPDATE).decode().split("\n\n") if line]
    assert [event["type"] for event in events] == [
        "transcript.text.delta",
        "transcript.text.segment",
        "transcript.text.segment",
        "transcript.text.done",
    ]


def test_nonsense_is_refused() -> None:
    with pytest.raises(BadParameter, match="diarize"):
        parse(FORM | {"diarize": ["perhaps"]}, "transcribe")


SOUND = "data:audio/wav;base64," + base64.b64encode(b"RIFF").decode()


def known(names: list[str], references: list[str], **extra: str) -> Wishes:
    fields = {"known_speaker_names": names, "known_speaker_references": references}
    form = {"response_format": "diarized_json", **extra}
    return parse(FORM | fields | {name: [value] for name, value in form.items()}, "transcribe")


def test_those_whom_the_client_knows_have_their_names() -> None:
    wishes = known(["agent"], [SOUND])
    assert wishes.known_speakers == (KnownSpeaker("agent", b"RIFF", "audio/wav"),)
    body = json.loads(response(UPDATE, wishes).text or "")
    assert [segment["speaker"] for segment in body["segments"]] == ["agent", "Z"], "the 26th who is not known"
    captions = response(UPDATE, known(["<A>"], [SOUND], response_format="vtt", diarize="true")).text or ""
    assert "<v &lt;A&gt;>Good morning." in captions and "<v Speaker 27>" in captions
    text = response(UPDATE, known(["agent"], [SOUND], response_format="text", diarize="true")).text
    assert text == "agent: Good morning.\nSpeaker 27: Morning.\n"
    assert (
        response(UPDATE, parse(FORM | {"response_format": ["text"]}, "transcribe")).text == "Good morning. Morning.\n"
    )


@pytest.mark.parametrize(
    ("names", "references", "complaint"),
    [
        (["a", "b"], [SOUND], "has 2 entries and known_speaker_references 1"),
        (list("abcde"), [SOUND] * 5, "5 entries; at most 4"),
        (["a", "a"], [SOUND] * 2, "the same name"),
        (["a\nb"], [SOUND], "one line of 1 to 100 characters"),
        (["a"], ["http://example.com/a.wav"], "must be a data URL"),
        (["a"], ["data:audio/wav;base64,%%%"], "base64 is damaged"),
    ],
)
def test_bad_references_are_refused(names: list[str], references: list[str], complaint: str) -> None:
    with pytest.raises(BadParameter, match=complaint):
        known(names, references)


def test_known_speakers_are_not_silently_ignored() -> None:
    with pytest.raises(BadParameter, match="response_format=diarized_json"):
        known(["a"], [SOUND], response_format="json")
    with pytest.raises(BadParameter, match="without multichannel"):
        known(["a"], [SOUND], multichannel="true")
