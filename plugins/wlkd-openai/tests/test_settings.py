"""Settings of the realtime API: what they follow from, and what becomes of the turn in which they change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from wlkd_openai.realtime.settings import Settings

from .realtime import COMPLETED, MANUAL, SECOND, append, connected, receive, transcript


async def test_clients_of_models_that_find_no_turns_end_them(serving, says):
    wish = {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-live-transcribe"}}}}
    async with serving() as daemon, connected(daemon) as connection:
        await connection.session.update(session=wish)
        [updated] = await receive(connection, "session.updated")
        await append(connection, SECOND["audio/pcm"] * 2)
        await connection.input_audio_buffer.commit()
        events = await receive(connection, COMPLETED)
    assert updated.session.audio.input.turn_detection is None
    assert "input_audio_buffer.speech_started" not in {event.type for event in events}
    assert transcript(events) == says(2)


def test_turns_follow_the_model_until_the_client_says_otherwise():
    def wish(model: str, **said: Any) -> dict[str, Any]:
        return {"audio": {"input": {"transcription": {"model": model}, **said}}}

    live = Settings().updated(wish("gpt-realtime-whisper"), ["en"])
    assert (live.finds_turns, live.updated(wish("gpt-transcribe"), ["en"]).finds_turns) == (False, True)
    said = Settings().updated(wish("gpt-transcribe", turn_detection={"type": "server_vad"}), ["en"])
    said = Settings.model_validate_json(said.model_dump_json(exclude_unset=True))
    assert said.updated(wish("gpt-live-transcribe"), ["en"]).finds_turns


def heard(**input: Any) -> dict[str, Any]:
    """A change of how audio is heard."""
    return {"type": "transcription", "audio": {"input": input}}


GERMAN = heard(transcription={"language": "de"})
ULAW = heard(format={"type": "audio/pcmu"})
FOUND = {"turn_detection": {"type": "server_vad"}}


async def test_settings_change_between_turns_and_lose_nothing(serving, says):
    async with serving() as daemon, connected(daemon) as connection:
        await append(connection, SECOND["audio/pcm"] * 2)
        await connection.session.update(session=ULAW)
        assert transcript(await receive(connection, COMPLETED)) == says(2)
        await receive(connection, "session.updated")
        await append(connection, SECOND["audio/pcmu"] * 2)
        await connection.input_audio_buffer.commit()
        events = await receive(connection, COMPLETED)
        assert events[0].audio_start_ms == 2000
        assert transcript(events) == says(2)


@pytest.mark.parametrize(("changed", "more"), [(GERMAN, "audio/pcm"), (ULAW, "audio/pcmu")])
async def test_a_turn_that_the_client_has_not_committed_outlives_new_settings(serving, says, changed, more):
    async with serving() as daemon, connected(daemon) as connection:
        await connection.session.update(session=MANUAL)
        await append(connection, SECOND["audio/pcm"] * 2)
        await connection.session.update(session=changed)
        await connection.input_audio_buffer.commit()
        first = await receive(connection, COMPLETED)
        assert (transcript(first), first[-1].usage.seconds) == (says(2), 2)
        await connection.input_audio_buffer.commit()
        [refused] = await receive(connection, "error")
        assert refused.error.code == "input_audio_buffer_commit_empty"
        await append(connection, SECOND[more] * 2)
        # The words before this change and those after it are one turn, for there is no commit between them.
        await connection.session.update(session=heard(transcription={"language": "fr"}))
        await append(connection, SECOND[more])
        await connection.input_audio_buffer.commit()
        second = await receive(connection, COMPLETED)
        assert (transcript(second), second[-1].usage.seconds) == (f"{says(2)} {says(1)}", 3)


@pytest.mark.parametrize("changes", [[heard(**FOUND, transcription={"language": "de"})], [GERMAN, heard(**FOUND)]])
async def test_turns_that_are_found_from_now_on_end_that_of_the_client(serving, says, changes):
    async with serving() as daemon, connected(daemon) as connection:
        await connection.session.update(session=MANUAL)
        await append(connection, SECOND["audio/pcm"] * 2)
        for change in changes:
            await connection.session.update(session=change)
        assert transcript(await receive(connection, COMPLETED)) == says(2)
        await append(connection, SECOND["audio/pcm"] * 2)
        await connection.session.update(session=ULAW)
        assert transcript(await receive(connection, COMPLETED)) == says(2)
        await receive(connection, "session.updated")
        await connection.input_audio_buffer.commit()
        [refused] = await receive(connection, "error")
        assert refused.error.code == "input_audio_buffer_commit_empty"


ENGINES = {"korean": {"name": "scripted", "options": {"languages": ["ko"], "script": [" hana"]}}}


async def test_the_model_may_be_named_in_the_address(serving, says):
    async with serving({"engines": ENGINES}) as daemon:
        for model, text in (("korean", "hana hana"), ("gpt-4o-transcribe", says(1))):
            async with connected(daemon, model=model) as connection:
                await connection.session.update(session=MANUAL)
                [updated] = await receive(connection, "session.updated")
                assert updated.session.audio.input.transcription.model == model
                await append(connection, SECOND["audio/pcm"])
                await connection.input_audio_buffer.commit()
                assert transcript(await receive(connection, COMPLETED)) == text


async def test_a_model_of_the_address_that_is_not_there_is_refused(serving):
    async with serving({"engines": ENGINES}) as daemon:
        with pytest.raises(InvalidStatus) as refused:
            async with connected(daemon, model="suomi"):
                raise AssertionError("connected")
    body = json.loads(refused.value.response.body)
    assert refused.value.response.status_code == 400
    assert "known: default, korean" in body["error"]["message"]
