"""A translator behind the recognition, through a whole session: it comes later than words, and costs none."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile
import yaml
from prometheus_client import CollectorRegistry

from tests.in_other_words import Shouting, Waiting
from tests.waiting import until as eventually
from tests.whole_core import PCM, pcm, rest
from wlkd.cli.transcribe import add_arguments, main
from wlkd.config import make_config
from wlkd.contract.components import TranslatorOptions
from wlkd.contract.errors import SessionError
from wlkd.contract.host import Session
from wlkd.contract.types import Passage, Update
from wlkd.daemon.pipeline import Core, running_core
from wlkd.inference.left_time import LOOK_SECONDS
from wlkd.inference.translation import STUCK_SECONDS, Rank, Request, TranslationService
from wlkd.metrics import Metrics
from wlkd.plugins import load_plugins
from wlkd.testing import speech_like

Translating = Callable[..., AbstractAsyncContextManager[Core]]
SCRIPT = [" One", " two.", " Three", " four", " five.", " Six", " seven."]


@pytest.fixture
def translating(tmp_path: Path, plug_in: Callable[[str], None]) -> Translating:
    """A core with one of the translators of `tests.in_other_words`."""
    plug_in("in_other_words")
    key = tmp_path / "key"
    key.write_text("a secret of at least thirty-two characters\n")

    @asynccontextmanager
    async def running(name: str, max_wait: float = 20.0, **values: Any) -> AsyncIterator[Core]:
        plugins = load_plugins()
        complete = {
            "decoders": {"pcm": {}},
            "vad": {"name": "none"},
            "backend": {"name": "scripted", "options": {"script": SCRIPT}},
            "worker": {"min_chunk_seconds": 0.2},
            "warmup": False,
            "translator": {"name": name, "options": {"max_wait_seconds": max_wait}},
            "auth": {"continuation_key": str(key)},
            **values,
        }
        Waiting.gate.clear()
        async with running_core(make_config(complete, plugins), plugins) as core:
            try:
                yield core
            finally:
                Waiting.gate.set()

    return running


def opened(core: Core, query: dict[str, str] | None = None, **arguments: Any) -> Any:
    wishes = {"target_language": "de", **(query or {})}
    return core.admission.open(PCM, **{"transport": "test", "peer": "here", "query": wishes, **arguments})


async def said(session: Session, seconds: float) -> Update:
    await session.feed(pcm(seconds))
    await session.finish()
    return (await rest(session))[-1]


def value(core: Core, name: str) -> float:
    registry: CollectorRegistry = core.metrics.registry
    found = registry.get_sample_value(name)
    assert found is not None, name
    return found


async def until(session: Session, wanted: Callable[[Update], bool]) -> Update:
    async for update in session.updates():
        if wanted(update):
            return update
    raise AssertionError("the session ended first")


@pytest.mark.parametrize("priority", ["live", "upload"])
async def test_sentences_are_translated_on_their_lines_and_all_of_them_before_the_end(
    translating: Translating, priority: str
) -> None:
    async with translating("shouting") as core, opened(core, priority=priority) as session:
        last = await said(session, 3.0)
    assert last.final and last.text == " One two. Three four five. Six"
    assert [line.translation for line in last.lines] == ["ONE TWO. THREE FOUR FIVE. SIX"]
    half = 8_000
    assert [(one.start, one.end, one.text) for one in last.lines[0].translations] == [
        (0, 2 * half, "ONE TWO."),
        (2 * half, 5 * half, " THREE FOUR FIVE."),
        (5 * half, 6 * half, " SIX"),
    ]
    assert last.tentative_translation == "" and last.translation_lag == 0
    assert value(core, "wlkd_translation_delay_seconds_count") == 3
    assert value(core, "wlkd_translation_waiting_sentences") == 0


async def test_the_sentence_that_goes_on_is_shown_as_a_draft(translating: Translating) -> None:
    async with translating("shouting") as core, opened(core) as session:
        await session.feed(pcm(1.9))
        draft = await until(session, lambda update: bool(update.tentative_translation))
        assert draft.tentative_translation in "ONE TWO. THREE FOUR FIVE."
        await session.finish()
        assert (await rest(session))[-1].tentative_translation == ""


async def test_translation_holds_no_word_up_and_tells_how_far_it_is_behind(translating: Translating) -> None:
    async with translating("waiting") as core, opened(core) as session:
        await session.feed(pcm(3.0))
        late = await until(session, lambda update: update.text.startswith(" One two. Three four"))
        assert late.translation_lag in (16_000, 40_000) and late.lines[0].translation == ""
        Waiting.gate.set()
        await session.finish()
        assert (await rest(session))[-1].lines[0].translation == "ONE TWO. THREE FOUR FIVE. SIX"


@pytest.mark.parametrize("name", ["choking", "miscounting"])
async def test_a_translator_that_fails_costs_translations_and_no_words(translating: Translating, name: str) -> None:
    async with translating(name) as core, opened(core) as session:
        last = await said(session, 3.5)
    assert last.text == " One two. Three four five. Six seven."
    made = {"choking": "ONE TWO. SIX SEVEN.", "miscounting": ""}[name]
    assert "".join(line.translation for line in last.lines) == made
    assert value(core, "wlkd_translation_failures_total") == {"choking": 1, "miscounting": 3}[name]


async def test_a_translator_without_return_is_named(translating: Translating, caplog: pytest.LogCaptureFixture) -> None:
    async with translating("speechless") as core, opened(core) as session:
        last = await said(session, 3.5)
    assert last.text == " One two. Three four five. Six seven."
    assert "Speechless.translate gave 1 x NoneType; due is a list of 1 x str" in caplog.text


async def test_a_translator_that_hangs_delays_the_end_no_longer_than_allowed(translating: Translating) -> None:
    async with translating("waiting", 0.1) as core, opened(core) as session:
        last = await said(session, 3.5)
        assert last.final and last.text == " One two. Three four five. Six seven."
        assert [note.code for note in last.notes] == ["untranslated"]
        assert value(core, "wlkd_translation_skipped_total") == 3


async def test_a_translator_that_recognition_leaves_no_time_is_not_stuck() -> None:
    now, left = 0.0, 0.02
    Waiting.gate.clear()
    service = TranslationService(Waiting(TranslatorOptions()), Metrics(), lambda: now)
    service.give_way_to(lambda: left)
    await service.start(warm_up=False)
    done = asyncio.Event()
    service.ask(Request(Passage("One.", "en", "de"), Rank.UPLOAD, lambda text: done.set()))
    try:
        await asyncio.sleep(0.1)
        now += 10 * STUCK_SECONDS
        assert not service.stuck
        await asyncio.sleep(2 * LOOK_SECONDS)
        left = 1.0
        now += 2 * STUCK_SECONDS
        assert service.stuck
    finally:
        Waiting.gate.set()
    await asyncio.wait_for(done.wait(), 5)
    assert not service.stuck
    await service.close()


@pytest.mark.parametrize("rank", Rank)
async def test_a_session_that_cannot_take_its_translation_costs_others_none(rank: Rank) -> None:
    def fail(text: str | None) -> None:
        raise ValueError("a defect of the session")

    service = TranslationService(Shouting(TranslatorOptions()), Metrics())
    service.give_way_to(lambda: 0.0)
    await service.start(warm_up=False)
    translated = asyncio.get_running_loop().create_future()
    service.ask(Request(Passage("One.", "en", "de"), rank, fail))
    await asyncio.sleep(0)
    service.ask(Request(Passage("Two.", "en", "de"), Rank.UPLOAD, translated.set_result))
    assert await asyncio.wait_for(translated, 5) == "TWO."
    await service.close()


@pytest.mark.parametrize("warm_up", [True, False])
async def test_a_translator_at_work_is_waited_for_before_it_is_closed(warm_up: bool) -> None:
    Waiting.gate.clear()
    translator = Waiting(TranslatorOptions())
    service = TranslationService(translator, Metrics())
    starting = asyncio.create_task(service.start(warm_up=warm_up))
    service.ask(Request(Passage("One.", "en", "de"), Rank.LIVE, lambda text: None))
    await eventually(lambda: translator.at_work)
    starting.cancel()
    closing = asyncio.create_task(service.close())
    done, _ = await asyncio.wait({closing}, timeout=0.1)
    Waiting.gate.set()
    await closing
    assert not done and not translator.at_work


async def test_what_the_listener_understands_is_passed_on_as_it_is(translating: Translating) -> None:
    async with translating("shouting") as core, opened(core, {"language": "de"}) as session:
        assert (await said(session, 1.0)).lines[0].translation == "One two."


async def test_a_language_that_turns_up_without_a_translation_is_told_once(translating: Translating) -> None:
    # The scripted backend takes the first of the languages for what it hears.
    async with translating("shouting") as core, opened(core, {"languages": "fr,en"}) as session:
        last = await said(session, 2.5)
    assert last.lines[0].translation == "" and last.text
    assert [(note.code, note.message) for note in last.notes] == [
        ("untranslated", "there is no translation from fr to de; from: en")
    ]


async def test_chinese_is_written_as_the_listener_asks(translating: Translating) -> None:
    async with translating("shouting") as core:
        for asked, written in (("zh", "发现"), ("zh-TW", "發現")):
            async with opened(core, {"target_language": asked}) as session:
                assert (await said(session, 1.0)).lines[0].translation == written


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"target_language": "fr"}, "does not translate into it; known: de, zh"),
        ({"target_language": "nonsense"}, "known: de, zh"),
        ({"target_language": "zh", "language": "es"}, "no translation into it from es; known: from en"),
    ],
)
async def test_what_cannot_be_had_is_refused_with_what_can(
    translating: Translating, query: dict[str, str], reason: str
) -> None:
    async with translating("shouting") as core:
        with pytest.raises(SessionError, match=reason) as refused:
            async with opened(core, query):
                pass
        assert refused.value.code == "bad_request"
        assert core.admission.capabilities().target_languages == ("de", "zh")


async def test_a_stream_that_goes_on_elsewhere_goes_on_translating(translating: Translating) -> None:
    lines: list[tuple[str, str]] = []

    def take(update: Update) -> str:
        assert update.seam is not None
        lines[update.seam.first_line :] = [(line.text, line.translation) for line in update.lines]
        return update.seam.continuation

    # Long silences close lines before their translations are there.
    sessions = {"line_pause_seconds": 0.1, "max_line_seconds": 0.1}
    async with translating("waiting", sessions=sessions) as core, opened(core, resume="") as session:
        await session.feed(pcm(3.0))
        continuation = take(await until(session, lambda update: update.text.startswith(" One two. Three four")))
    assert len(lines) >= 2 and not any(translation for _, translation in lines)
    async with translating("shouting", sessions=sessions) as core, opened(core, resume=continuation) as session:
        assert session.taken_up is not None
        await session.feed(pcm(3.5)[session.taken_up.from_bytes :])
        await session.finish()
        async for update in session.updates():
            take(update)
    assert "".join(text for text, _ in lines) == " One two. Three four five. Six seven."
    assert [text for _, text in lines if text] == ["ONE TWO.", "THREE FOUR FIVE.", "SIX SEVEN."]
    # Each word was translated once, by the second node.
    assert value(core, "wlkd_translation_delay_seconds_count") == 3


async def test_what_waits_for_its_translation_gets_it_elsewhere_though_nobody_speaks(translating: Translating) -> None:
    async with translating("waiting") as core, opened(core, resume="") as session:
        await session.feed(pcm(3.0))
        late = await until(session, lambda update: update.text.startswith(" One two. Three four"))
        assert late.seam is not None and late.lines[0].translation == ""
    async with translating("shouting") as core, opened(core, resume=late.seam.continuation) as session:
        async with asyncio.timeout(10):
            await until(session, lambda update: update.lines[0].translation.startswith("ONE TWO."))


async def test_an_abandoned_session_leaves_nothing_behind(translating: Translating) -> None:
    async with translating("waiting") as core:
        async with opened(core) as session:
            await session.feed(pcm(3.0))
            await until(session, lambda update: update.translation_lag > 0)
        Waiting.gate.set()
        async with opened(core) as session:
            assert (await said(session, 1.0)).lines[0].translation == "ONE TWO."
        await asyncio.sleep(0)
        assert value(core, "wlkd_translation_waiting_sentences") == 0


@pytest.fixture
def transcribe(translating: Translating, tmp_path: Path) -> Callable[..., int]:
    """Runs `wlkd transcribe --target-language de` with the scripted backend; returns its exit status."""

    def call(*arguments: object) -> int:
        config = tmp_path / "wlkd.yaml"
        backend = {"name": "scripted", "options": {"script": SCRIPT}}
        values = {"vad": {"name": "none"}, "backend": backend, "translator": {"name": "shouting"}}
        config.write_text(yaml.safe_dump(values))
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        asked = [*map(str, arguments), "--target-language", "de", "--config", str(config)]
        return main(parser.parse_args(asked))

    return call


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    soundfile.write(path, speech_like(2.5), 16_000)
    return path


def test_a_file_is_printed_in_the_listener_s_language(
    transcribe: Callable[..., int], talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert transcribe(talk, "--format", "srt") == 0
    assert capsys.readouterr().out == "1\n00:00:00,000 --> 00:00:02,500\nONE TWO. THREE FOUR FIVE.\n"


def test_a_folder_gets_subtitles_in_both_languages(transcribe: Callable[..., int], talk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert transcribe(talk, "--format", "txt,json", "--output-dir", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["talk.de.txt", "talk.json", "talk.txt"]
    assert (out / "talk.txt").read_text() == "One two. Three four five.\n"
    assert (out / "talk.de.txt").read_text() == "ONE TWO. THREE FOUR FIVE.\n"
    [line] = json.loads((out / "talk.json").read_text())["lines"]
    assert (line["text"], line["translation"]) == (" One two. Three four five.", "ONE TWO. THREE FOUR FIVE.")
