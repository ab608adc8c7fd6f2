"""Stereo calls: who speaks on the left, and who on the right, told apart by every transport that can say it."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment

from wlkd.config import make_config
from wlkd.contract.errors import SessionError
from wlkd.contract.mixing import Mono
from wlkd.contract.types import Priority, StreamOffer, Update, Word
from wlkd.daemon.pipeline import running_core
from wlkd.plugins import load_plugins
from wlkd.testing import MadeUpSessions, RunningDaemon, running_daemon
from wlkd.transports.channels import Channels, open_channels
from wlkd.transports.subtitles import as_vtt

CLIP = "en_librispeech_test_clean/1089-134686-0005.flac"


@pytest.fixture
def call(speech_dir: Path) -> np.ndarray[Any, Any]:
    """Six seconds, 16-bit stereo: somebody speaks on the left, then somebody on the right."""
    spoken = soundfile.read(speech_dir / CLIP, dtype="int16")[0][:48_000]
    silence = np.zeros_like(spoken)
    return np.stack([np.concatenate([spoken, silence]), np.concatenate([silence, spoken])], axis=1)


@asynccontextmanager
async def serving(vad: str = "silero") -> AsyncIterator[RunningDaemon]:
    transports: dict[str, Any] = {"deepgram": {}, "openai": {}, "websocket": {}}
    async with running_daemon({"vad": {"name": vad}, "transports": transports}) as daemon:
        yield daemon


def wav(samples: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16_000, format="WAV")
    return buffer.getvalue()


def deepgram(daemon: RunningDaemon) -> AsyncDeepgramClient:
    here = DeepgramClientEnvironment(base=daemon.http, production=daemon.ws, agent=daemon.ws, agent_rest=daemon.http)
    return AsyncDeepgramClient(api_key="unused", environment=here)


async def test_deepgram_live(call: np.ndarray[Any, Any]) -> None:
    listening = {"encoding": "linear16", "sample_rate": 16_000, "channels": 2, "multichannel": "true"}
    async with serving() as daemon, deepgram(daemon).listen.v1.connect(model="nova-3", **listening) as socket:
        for piece in np.array_split(call, 24):
            await socket.send_media(piece.tobytes())
        await socket.send_close_stream()
        async with asyncio.timeout(20):
            messages = [message async for message in socket]
    said: dict[tuple[int, ...], list[float]] = {}
    for message in messages:
        if message.type == "Results" and message.is_final:
            starts = [word.start for word in message.channel.alternatives[0].words]
            said.setdefault(tuple(map(int, message.channel_index)), []).extend(starts)
    assert set(said) == {(0, 2), (1, 2)}
    assert said[0, 2] and said[1, 2]
    assert max(said[0, 2]) < 3.2 and min(said[1, 2]) > 2.5
    assert (messages[-1].type, messages[-1].channels) == ("Metadata", 2)


async def test_deepgram_recorded(call: np.ndarray[Any, Any]) -> None:
    async with serving() as daemon:
        listening = deepgram(daemon).listen.v1.media
        answer = await listening.transcribe_file(
            request=wav(call), multichannel=True, utterances=True, smart_format=True
        )
        mono = await listening.transcribe_file(request=wav(call[:, 0]), multichannel=True)
    left, right = answer.results.channels
    assert left.alternatives[0].words[0].start < 1 and right.alternatives[0].words[0].start > 2.5
    assert {one.channel for one in answer.results.utterances} == {0, 1}
    [paragraph] = left.alternatives[0].paragraphs.paragraphs
    assert paragraph.num_words == len(left.alternatives[0].words)
    assert " ".join(one.text for one in paragraph.sentences) == left.alternatives[0].transcript
    assert answer.metadata.channels == 2
    assert (len(mono.results.channels), mono.metadata.channels) == (1, 1)


async def test_the_websocket_tells_channels_as_speakers(call: np.ndarray[Any, Any]) -> None:
    async with serving() as daemon, aiohttp.ClientSession() as http:
        query = "format=pcm&channels=2&multichannel=1&words=1"
        async with http.ws_connect(f"{daemon.ws}/asr?{query}") as socket:
            assert (await socket.receive_json(timeout=30))["diarization"] is True
            await socket.send_bytes(call.tobytes())
            await socket.send_bytes(b"")
            last: dict[str, Any] = {}
            while (message := json.loads(await socket.receive_str(timeout=10)))["type"] != "ready_to_stop":
                last = message
        async with http.ws_connect(f"{daemon.ws}/asr?{query}&resume=1") as socket:
            assert "cannot resume" in (await socket.receive_json(timeout=30))["message"]
    left, right = ([line for line in last["lines"] if line["speaker"] == speaker] for speaker in (1, 2))
    assert left and right and len(left) + len(right) == len(last["lines"])
    assert left[-1]["end_seconds"] < 3.8 and right[0]["start_seconds"] > 2.5


async def test_openai_tells_channels_as_speakers(call: np.ndarray[Any, Any]) -> None:
    async with serving() as daemon, aiohttp.ClientSession() as http:
        form = aiohttp.FormData({"multichannel": "true", "response_format": "diarized_json"})
        form.add_field("file", wav(call), filename="call.wav")
        async with http.post(f"{daemon.http}/v1/audio/transcriptions", data=form) as answer:
            fields = await answer.json()
            assert answer.status == 200, fields
    assert [segment["speaker"] for segment in fields["segments"]] == ["A", "B"]


async def test_a_recording_has_as_many_channels_as_it_has() -> None:
    async def heard(recording: np.ndarray[Any, Any], **more: str) -> tuple[set[str], list[str]]:
        form = aiohttp.FormData({"multichannel": "true", "response_format": "diarized_json", **more})
        form.add_field("file", wav(recording), filename="call.wav")
        async with http.post(f"{daemon.http}/v1/audio/transcriptions", data=form) as answer:
            fields = await answer.json()
            assert answer.status == 200, fields
        assert fields["duration"] == len(recording) / 16_000
        return {one["speaker"] for one in fields["segments"]}, [one["message"] for one in fields.get("notes", ())]

    three = np.zeros((32_000, 3), np.int16)
    async with serving("none") as daemon, aiohttp.ClientSession() as http:
        assert await heard(three[:, 0]) == ({"A"}, [])
        assert await heard(three) == ({"A", "B"}, ["the first 2 of 3 channels are heard; channels=3 has all of them"])
        assert await heard(three, channels="3") == ({"A", "B", "C"}, [])
        answer = await deepgram(daemon).listen.v1.media.transcribe_file(request=wav(three), multichannel=True)
    assert [note["message"] for note in answer.metadata.model_dump()["notes"]] == [
        "the first 2 of 3 channels are heard; channels=3 has all of them"
    ]


@pytest.mark.parametrize("speaking", ["left", "right"])
async def test_a_channel_without_speech_is_not_idle_while_another_is_slow(
    call: np.ndarray[Any, Any], speaking: str
) -> None:
    plugins = load_plugins()
    values = {
        "decoders": {"pcm": {}},
        "vad": {"name": "silero"},
        "backend": {"name": "scripted", "options": {"step_seconds": 0.5}},
        "sessions": {"idle_timeout_seconds": 0.3, "max_backlog_seconds": 1},
        "warmup": False,
    }
    stereo = StreamOffer(encoding="s16le", sample_rate=16_000, channels=2)
    asked: dict[str, Any] = {"transport": "test", "peer": "here", "priority": "upload"}
    async with (
        running_core(make_config(values, plugins), plugins) as core,
        open_channels(core.admission, stereo, 2, **asked) as channels,
    ):
        audio = np.concatenate([call[:48_000], call[:48_000]])
        await channels.feed((audio if speaking == "left" else audio[:, ::-1]).tobytes())
        await channels.finish()
        updates = [update async for update in channels.updates()]
    assert updates[-1].final and updates[-1].lines


SECOND = 16_000


def word(text: str, start: float, end: float) -> Word:
    return Word(f" {text}", round(start * SECOND), round(end * SECOND))


def said(*words: Word, received: float, **fields: Any) -> Update:
    """A stretch of speech that is over, with all its words."""
    stretch = {"speech_start": words[0].start, "speech_end": words[-1].end, "segment_end": True}
    return Update(committed=words, received=round(received * SECOND), **stretch, **fields)


def speaks(start: float, received: float, *words: Word, **fields: Any) -> Update:
    """Speech that goes on; nothing behind the `words` is settled."""
    lag = round((received - max([start, *(one.end / SECOND for one in words)])) * SECOND)
    onset, now = round(start * SECOND), round(received * SECOND)
    return Update(committed=words, speech_start=onset, received=now, lag=lag, **fields)


class Call:
    """Two channels that say what the test wants, and what is made of them."""

    def __init__(self, priority: Priority) -> None:
        self._sessions = MadeUpSessions()
        self._priority = priority
        self._words: list[Word] = []
        self.last = Update()
        self.now = 0.0

    async def __aenter__(self) -> Call:
        self._owner = AsyncExitStack()
        asked: dict[str, Any] = {"transport": "test", "peer": "test", "priority": self._priority}
        opening = [self._sessions.open(StreamOffer(), **asked) for _ in range(2)]
        opened = [await self._owner.enter_async_context(each) for each in opening]
        self._updates = Channels(opened, lambda: self.now).updates()
        return self

    async def __aexit__(self, *raised: object) -> None:
        for session in self._sessions.opened:
            session.says.put_nowait(None)
        async for _ in self._updates:
            pass
        await self._owner.aclose()

    async def hears(self, channel: int, *what: Update | SessionError) -> list[str]:
        """The words that this adds."""
        for item in what:
            self._sessions.opened[channel].says.put_nowait(item)
        added: list[str] = []
        for _ in what:
            self.last = await anext(self._updates)
            self._words += self.last.committed
            added += [one.text.strip() for one in self.last.committed]
        assert self.last.text == "".join(one.text for one in self._words), "updates and lines tell the same"
        return added

    @property
    def lines(self) -> list[tuple[int | None, str]]:
        return [(line.speaker, line.text.strip()) for line in self.last.lines]


async def test_a_recording_is_told_in_the_order_of_speech() -> None:
    async with Call("upload") as call:
        assert await call.hears(1, said(word("Yes.", 2.2, 2.6), received=20)) == []
        assert (call.last.tentative_text, call.last.segment_end) == (" Yes.", False)
        assert await call.hears(0, speaks(0, 20, word("Ready?", 0, 2))) == ["Ready?"]
        rest = (word("Good.", 4, 5), word("Bye.", 25, 26))
        assert await call.hears(0, said(*rest, received=30, final=True)) == ["Yes.", "Good."]
        bye = said(word("Bye", 24, 25), received=30, final=True)
        assert await call.hears(1, bye) == ["Bye", "Bye."]
        assert call.last.final and call.last.segment_end
        assert call.lines == [(1, "Ready?"), (2, "Yes."), (1, "Good."), (2, "Bye"), (1, "Bye.")]


async def test_who_talks_into_a_phrase_is_told_behind_it() -> None:
    async with Call("upload") as call:
        long = [word(f"w{at}", at, at + 0.9) for at in range(6)]
        await call.hears(0, said(*long, received=10, final=True))
        await call.hears(1, said(word("yes", 0.5, 1), word("yes", 1, 1.5), received=10, final=True))
        assert call.lines == [(1, "w0 w1 w2 w3"), (2, "yes yes"), (1, "w4 w5")], "after three seconds at most"
        times = re.findall("(.*) -->", as_vtt(call.last.lines, "test"))
        assert times == sorted(times) and len(times) == 3


async def test_a_phrase_goes_on_behind_an_abbreviation() -> None:
    async with Call("upload") as call:
        name = [word("Ask", 0, 0.4), word("Dr.", 0.4, 0.8), word("Li", 1.1, 1.4)]
        await call.hears(0, said(*name, received=10, final=True))
        await call.hears(1, said(word("mhm", 0.9, 1), received=10, final=True))
        assert call.lines == [(1, "Ask Dr. Li"), (2, "mhm")]


async def test_a_long_line_does_not_end_at_an_abbreviation() -> None:
    async with Call("upload") as call:
        long = [word(f"w{at}", at, at + 1) for at in range(30)]
        name = [word("Dr.", 30, 30.5), word("Li.", 30.6, 31), word("So", 31.2, 31.5)]
        await call.hears(1, said(word("yes", 40, 41), received=50, final=True))
        await call.hears(0, said(*long, *name, received=50, final=True))
        assert [text[-7:] for _, text in call.lines] == ["Dr. Li.", "So", "yes"]


async def test_live_words_wait_for_those_who_speak_and_not_for_long() -> None:
    async with Call("live") as call:
        assert await call.hears(0, speaks(0, 1, word("one", 0, 0.5))) == ["one"], "the other is silent"
        await call.hears(1, speaks(2, 3))
        assert await call.hears(0, speaks(0, 4, word("two", 3, 3.5))) == []
        assert await call.hears(1, speaks(2, 4.2, word("so", 2, 2.5))) == ["so"]
        assert await call.hears(1, speaks(2, 4.4, word("there.", 2.5, 3.6))) == ["there.", "two"]
        assert await call.hears(0, speaks(0, 5, word("three", 4.5, 4.9))) == []
        call.now = 2.9
        assert await call.hears(1, speaks(2, 20)) == []
        call.now = 3.0
        assert await call.hears(1, speaks(2, 20)) == ["three"]


async def test_words_that_wait_for_their_speaker_stay_in_sight() -> None:
    async with Call("live") as call:
        waiting, tail = (word("one", 0, 0.5),), (word("two", 0.5, 1),)
        assert await call.hears(0, speaks(0, 1, waiting=waiting, tentative=tail)) == []
        assert call.last.tentative_text == " one two"


async def test_a_channel_that_fails_holds_no_words_back() -> None:
    async with Call("live") as call:
        await call.hears(1, speaks(0, 3))
        assert await call.hears(0, said(word("one", 1, 2), received=3)) == []
        assert await call.hears(1, SessionError("internal", "broken")) == ["one"]
        with pytest.raises(SessionError, match="broken"):
            await anext(call._updates)


def test_one_channel_of_many_is_heard_alone() -> None:
    samples = np.stack([np.full(4000, 0.5), np.full(4000, -0.25)], axis=1).astype(np.float32)
    assert set(Mono(2, only=1).mix(samples)) == {np.float32(-0.25)}
    assert Mono(2, only=1).take_notes() == []
    with pytest.raises(SessionError, match="there is no channel 2: the audio has 2"):
        Mono(2, only=2)
