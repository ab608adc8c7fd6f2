"""What people and programs write for a language, and what it means on every path."""

from __future__ import annotations

import logging
import re
from typing import Any

import aiohttp
import pytest

from wlkd.config.options import RecognitionOptions
from wlkd.contract.errors import BadParameter
from wlkd.contract.languages import LanguageTag, english_name, known_language, read_language
from wlkd.sessions.params import wishes
from wlkd.testing import free_port, running_daemon

WHISPER = frozenset(["en", "zh", "de", "es", "fr", "pt", "he", "nn", "no", "tl", "jw", "ar", "fa", "sw", "uk", "haw"])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en-US", "en"),
        ("EN", "en"),
        ("eng", "en"),
        ("English", "en"),
        ("zh_CN", "zh"),
        ("zho", "zh"),
        ("cmn", "zh"),
        ("Chinese", "zh"),
        ("yue", "zh"),
        ("pt-BR", "pt"),
        ("nb", "no"),
        ("nn", "nn"),
        ("fil", "tl"),
        ("tl", "tl"),
        ("iw", "he"),
        ("jv", "jw"),
        ("ger", "de"),
        ("deutsch", "de"),
        ("pes", "fa"),
    ],
)
def test_one_language_has_many_names(text: str, code: str) -> None:
    assert known_language(text, WHISPER).language == code


@pytest.mark.parametrize(
    ("text", "script", "region"),
    [
        ("zh", None, None),
        ("zh-TW", "Hant", "TW"),
        ("zh-HK", "Hant", "HK"),
        ("zh_CN", "Hans", "CN"),
        ("zh-Hant", "Hant", None),
        ("zh-Hans", "Hans", None),
        ("sr-Latn", "Latn", None),
    ],
)
def test_a_tag_may_choose_a_script(text: str, script: str | None, region: str | None) -> None:
    tag = read_language(text)
    assert tag == LanguageTag(tag.language, script, region)


@pytest.mark.parametrize(
    ("query", "script"),
    [
        ({"language": "zh-TW"}, "traditional"),
        ({"language": "zh-Hant"}, "traditional"),
        ({"language": "zh_HK"}, "traditional_hk"),
        ({"language": "zh-Hans"}, "simplified"),
        ({"language": "zh"}, "as_heard"),
        ({"language": "zh-TW", "chinese_script": "simplified"}, "simplified"),
        ({"language": "sr-Latn"}, "as_heard"),
    ],
)
def test_a_tag_for_chinese_chooses_its_characters(query: dict[str, str], script: str) -> None:
    defaults = RecognitionOptions(chinese_script="as_heard")
    assert wishes(query, defaults, WHISPER | {"sr"}, "live").chinese_script == script


def test_a_model_that_knows_cantonese_is_asked_for_it() -> None:
    assert known_language("yue", WHISPER | {"yue"}).language == "yue"


@pytest.mark.parametrize("text", ["xx", "q", "", "--", "klingonish", "123", "a" * 5000, "en-x" + "-abcdefgh" * 500])
def test_an_unknown_one_is_refused_in_a_short_sentence(text: str) -> None:
    with pytest.raises(BadParameter, match="is not known") as caught:
        known_language(text, WHISPER)
    assert caught.value.name == "language" and len(caught.value.message) < 100


def test_what_clients_ask_for_is_not_kept_for_good() -> None:
    from langcodes import Language

    for number in range(100):
        known_language(f"en-x-{number}", WHISPER)
        with pytest.raises(BadParameter):
            known_language(f"xx-x-{number}", WHISPER)
    assert len(Language._INSTANCES) + len(Language._PARSE_CACHE) < 10


@pytest.mark.parametrize(("text", "name"), [("lb", "luxembourgish"), ("da", "danish"), ("Thai", "thai")])
def test_a_near_relative_is_another_language(text: str, name: str) -> None:
    with pytest.raises(BadParameter, match=f"{name} is not known here"):
        known_language(text, WHISPER)


def test_a_model_of_few_languages_says_which():
    with pytest.raises(BadParameter, match=r"german is not known here; known: en, fr$"):
        known_language("de", {"fr", "en"})


def test_names_are_those_that_clients_compare() -> None:
    assert [english_name(code) for code in ("en", "zh", "de", "jw")] == ["english", "chinese", "german", "javanese"]


SPELLINGS = {"en-US": "en", "EN": "en", "English": "en", "zh_CN": "zh", "zh-Hant": "zh", "cmn": "zh", "fra": "fr"}


async def test_every_path_reads_them_alike(caplog: pytest.LogCaptureFixture) -> None:
    from wyoming.asr import Transcribe
    from wyoming.audio import AudioChunk, AudioStop
    from wyoming.client import AsyncTcpClient

    caplog.set_level(logging.INFO, "wlkd.sessions.admission")
    port = free_port()
    transports: dict[str, Any] = {
        "websocket": {},
        "openai": {},
        "deepgram": {},
        "wyoming": {"host": "127.0.0.1", "port": port, "close_timeout_seconds": 0.2},
    }
    silence = bytes(3200)
    async with (
        running_daemon({"vad": {"name": "none"}, "transports": transports}) as daemon,
        aiohttp.ClientSession() as http,
    ):
        for spelling in SPELLINGS:
            async with http.ws_connect(f"{daemon.ws}/asr", params={"format": "pcm", "language": spelling}) as socket:
                assert (await socket.receive_json())["type"] == "config"
            form = aiohttp.FormData({"language": spelling})
            form.add_field("file", silence, filename="a", content_type="audio/l16;rate=16000")
            async with http.post(f"{daemon.http}/v1/audio/transcriptions", data=form) as answer:
                assert answer.status == 200
            asked = {"encoding": "mulaw", "language": spelling}
            async with http.post(f"{daemon.http}/v1/listen", params=asked, data=silence) as answer:
                assert answer.status == 200
            async with AsyncTcpClient("127.0.0.1", port) as wyoming:
                await wyoming.write_event(Transcribe(language=spelling).event())
                await wyoming.write_event(AudioChunk(16_000, 2, 1, silence).event())
                await wyoming.write_event(AudioStop().event())
                assert await wyoming.read_event() is not None
    opened = [message for record in caplog.records if " opened: " in (message := record.getMessage())]
    found = [re.findall(r"transport=(\w+) .* language=(\w+)", message)[0] for message in opened]
    assert found == [(transport, code) for code in SPELLINGS.values() for transport in transports]
