"""What every component of a kind must keep, and what it is tried with. Transports have a module of their own."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from wlkd.contract.audio import SAMPLE_RATE, samples, silence
from wlkd.contract.components import (
    Backend,
    Component,
    DecoderStream,
    DiarizerStream,
    StepPlan,
    TextFilter,
    Translator,
    TurnDetector,
    VadStream,
)
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.host import Context
from wlkd.contract.languages import read_language
from wlkd.contract.returned import decoded_items as made_by
from wlkd.contract.returned import diarization, likelihood, speech_events
from wlkd.contract.text import text_of
from wlkd.contract.types import (
    Commit,
    Decoded,
    Diarization,
    Frame,
    Gap,
    Note,
    Passage,
    Pause,
    RecognitionParams,
    Samples,
    SpeechEvent,
    Word,
)

C = TypeVar("C", bound=Component[Any])


@asynccontextmanager
async def provisioned(component: C, models_dir: Path = Path("models")) -> AsyncIterator[C]:
    """`component`, provisioned as the daemon does it, and closed at the end: twice, because a second call must do
    nothing."""
    try:
        await component.provision(Context(models_dir, CollectorRegistry(), print))
        yield component
    finally:
        await component.close()
        await component.close()


def speech_like(seconds: float, *, rate: int = SAMPLE_RATE, seed: int = 0) -> Samples:
    """Made-up audio, shape (seconds * rate,), that a VAD may take for anything: noise in syllables."""
    count = round(seconds * rate)
    noise = np.random.default_rng(seed).standard_normal(count).astype(np.float32)
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(count, dtype=np.float32) / rate)
    return np.asarray(0.2 * noise * syllables, dtype=np.float32)


def pieces(data: bytes, *, seed: int = 0, longest: int = 5000) -> Iterable[bytes]:
    """`data` cut anywhere, empty pieces among them."""
    lengths = random.Random(seed)
    offset = 0
    while offset < len(data):
        size = lengths.randint(0, longest)
        yield data[offset : offset + size]
        offset += size


def decoded(stream: DecoderStream, data: Iterable[bytes]) -> Samples:
    """All samples that `stream` makes of `data`, gaps as silence; closes it."""
    return as_samples(decoded_items(stream, data))


def as_samples(made: Samples | Iterable[Decoded]) -> Samples:
    """What a call of a decoder made, gaps as silence and without notes."""
    heard = [np.zeros(0, np.float32)]
    for item in [made] if isinstance(made, np.ndarray) else made:
        if isinstance(item, Gap):
            heard.append(silence(item.length))
        elif not isinstance(item, Note):
            heard.append(item)
    return np.concatenate(heard)


def decoded_items(stream: DecoderStream, data: Iterable[bytes]) -> list[Decoded]:
    """All samples, gaps and notes that `stream` makes of `data`, in order; closes it."""
    items: list[Decoded] = []
    try:
        for piece in data:
            items += made_by(stream.feed, stream.feed(piece))
        items += made_by(stream.finish, stream.finish())
    finally:
        stream.close()
    return items


LOUDEST = 4.0
"""A resampler may go beyond 1, and a float format may hold more."""


def check_decoder(open_stream: Callable[[], DecoderStream], data: bytes, *, within_seconds: float = 30.0) -> Samples:
    """The contract of decoders: samples do not depend on where bytes are cut, and a stream may end at any point.

    `within_seconds`: what a part of `data` may take. Returns what `data` decodes to.
    """
    whole = decoded(open_stream(), [data])
    assert np.isfinite(whole).all(), "samples are numbers: there is a NaN, or an infinite one"
    assert np.abs(whole).max(initial=0.0) < LOUDEST, "samples lie between -1 and 1: divide 16-bit ones by 32768"
    for seed in range(3):
        cut = decoded(open_stream(), pieces(data, seed=seed))
        np.testing.assert_array_equal(cut, whole, err_msg=f"cut with seed {seed}")
    open_stream().close()
    abandoned = open_stream()
    next(made_by(abandoned.feed, abandoned.feed(data[: len(data) // 2])), None)
    abandoned.close()
    told = True
    for part in range(1, 4):
        # One byte more: in the middle of a sample, if samples have several.
        told = _check_cut_short(open_stream, data[: len(data) * part // 4 + 1], within_seconds)
    # The first quarter may be no more than a header.
    assert told or not len(whole), "of three quarters of the bytes nothing is heard, and no error says why"
    return whole


def _check_cut_short(open_stream: Callable[[], DecoderStream], data: bytes, within_seconds: float) -> bool:
    """`data`, the beginning of a recording, is decoded, or said to be undecodable, and that in time. Returns whether
    anything came of it."""
    heard: list[Samples] = []
    errors: list[Exception] = []

    def decode() -> None:
        try:
            heard.append(decoded(open_stream(), [data]))
        except Exception as error:
            errors.append(error)

    # A daemon: one that hangs must not keep the test from ending.
    thread = threading.Thread(target=decode, daemon=True)
    thread.start()
    thread.join(within_seconds)
    where = f"where the audio breaks off after {len(data)} bytes"
    assert not thread.is_alive(), f"{where}, the stream has not ended after {within_seconds:g} s"
    for error in errors:
        if not isinstance(error, SessionError) or error.code is not Code.UNDECODABLE_AUDIO:
            due = "return what there is, or raise SessionError('undecodable_audio', …)"
            raise AssertionError(f"{where}, it raises {error!r}; {due}") from error
    return bool(errors) or len(heard[0]) > 0


def vad_events(stream: VadStream, audio: Samples, sizes: Iterable[int], position: int = 0) -> list[SpeechEvent]:
    """Everything that `stream` says of `audio` from `position` on, fed in frames of `sizes` samples, the last size
    repeated."""
    events: list[SpeechEvent] = []
    size = 0
    remaining = iter(sizes)
    while position < len(audio):
        size = next(remaining, size)
        events += speech_events(stream.feed, Frame(position, audio[position : position + size]))
        position += size
    return events + speech_events(stream.finish)


def check_vad(open_stream: Callable[[], VadStream], audio: Samples) -> None:
    """The contract of VADs: frames in order and apart, their samples those of the audio, a pause after the last; the
    same when words are waited for in the middle of the audio.

    The same speech is found however the audio is cut.
    """
    found = []
    for sizes in ([len(audio)], [512], [160], [4000, 1, 511, 3000]):
        events = vad_events(open_stream(), audio, sizes)
        covered = _covered(events, audio)
        found.append((covered.tobytes(), tuple(event for event in events if isinstance(event, Pause))))
    assert len(set(found)) == 1, "the speech found depends on how the audio was cut"
    for part in range(1, 8):
        stream, at = open_stream(), len(audio) * part // 8
        before = [*speech_events(stream.feed, Frame(0, audio[:at])), *speech_events(stream.flush)]
        _covered(before, audio)
        assert not speech_events(stream.flush), "a flush left something for the next one"
        _covered([*before, *vad_events(stream, audio, [160], at)], audio)


def _covered(events: Sequence[SpeechEvent], audio: Samples) -> NDArray[np.bool_]:
    """Which samples of `audio` are speech by `events`."""
    position = 0
    covered = np.zeros(len(audio), dtype=bool)
    for event in events:
        if isinstance(event, Frame):
            assert event.start >= position, "frames overlap or go back"
            position = event.end
            np.testing.assert_array_equal(event.samples, audio[event.start : event.end])
            covered[event.start : event.end] = True
    if covered.any():
        assert isinstance(events[-1], Pause), "speech that goes on at the end is not closed by a pause"
    return covered


def spoken_words(text: str, language: str) -> list[Word]:
    """`text` as a model would commit it, half a second a word; in Chinese and Japanese each character is one."""
    pieces = re.findall(r"(?:[a-zA-Z\d]+|.)[，。？！、]*" if language in ("zh", "ja") else r"\s*\S+", text)
    half = SAMPLE_RATE // 2
    return [Word(piece, place * half, (place + 1) * half, 1.0) for place, piece in enumerate(pieces)]


def check_filter(text_filter: TextFilter, words: Sequence[Word], language: str) -> str:
    """What `text_filter` makes of `words`. The contract of filters: it is the same when they come one by one, and times
    stay in order and inside those of `words`."""
    whole = list(text_filter.rewrite(words, language))
    held: list[Word] = []
    given: list[Word] = []
    for word in words:
        held.append(word)
        count = text_filter.settled(held, language)
        given += text_filter.rewrite(held[:count], language)
        held = held[count:]
    given += text_filter.rewrite(held, language)
    assert given == whole, "the text depends on how its words came"
    times = [time for word in whole for time in (word.start, word.end)]
    assert times == sorted(times) and all(words[0].start <= time <= words[-1].end for time in times)
    return text_of(whole)


def check_diarizer(open_stream: Callable[[], DiarizerStream], audio: Samples) -> None:
    """The contract of diarizers: turns in order and never before what was settled, everything settled at the end, and
    the same turns however the audio is cut."""
    found = []
    for size in (len(audio), 512, 8000):
        stream, settled, place = open_stream(), 0, 0
        parts = [
            Diarization(),
            *(diarization(stream.feed, [Frame(at, audio[at : at + size])]) for at in range(0, len(audio), size)),
            diarization(stream.feed, [Pause(len(audio))]),
            diarization(stream.finish),
        ]
        speakers, others = np.zeros((2, len(audio)), dtype=int)
        for part in parts:
            assert part.settled >= settled, "what was settled is open again"
            settled = part.settled
            for turn in (turn for turn in part.turns if not turn.beside):
                assert turn.start >= place and turn.end > turn.start and turn.speaker >= 1, f"{turn} is out of order"
                place = turn.end
                speakers[turn.start : turn.end] = turn.speaker
            for turn in (turn for turn in part.turns if turn.beside):
                louder = speakers[turn.start : turn.end]
                assert turn.start < turn.end <= place and louder.all(), f"{turn} is beside nobody"
                assert (louder != turn.speaker).all(), f"{turn} is beside its own speaker"
                others[turn.start : turn.end] = turn.speaker
        assert settled >= len(audio), "not everything is settled at the end"
        found.append(speakers.tobytes() + others.tobytes())
    assert len(set(found)) == 1, "the turns depend on how the audio was cut"


def check_turn_detector(detector: TurnDetector[Any], speech: Samples) -> list[float]:
    """The contract of turn detectors: a likelihood for audio of any length, the same whatever was asked before, and
    when several sessions ask at once.

    `detector` is provisioned. Returns what it says of the first tenth of a second of `speech`, and of one, two, three
    and four quarters of it.
    """
    assert isinstance(detector.samples, int) and detector.samples > 0, "samples: a whole number, how much it wants"
    lengths = (samples(0.1), *(len(speech) * part // 4 for part in range(1, 5)))
    asked = [np.concatenate([speech[:length], silence(samples(0.2))])[-detector.samples :] for length in lengths]
    alone = [likelihood(detector.judge, audio) for audio in asked]
    again = [*reversed(asked), *asked]
    with ThreadPoolExecutor(len(again)) as pool:
        together = list(pool.map(partial(likelihood, detector.judge), again))
    # Networks on several threads add up in another order each time.
    np.testing.assert_allclose(
        together, [*reversed(alone), *alone], atol=1e-3, err_msg="a judgement depends on others, before or beside it"
    )
    return alone


def check_translator(translator: Translator[Any], passages: Sequence[Passage]) -> list[str]:
    """The contract of translators: one text for each passage, the same in a batch, alone, and after others.

    `translator` is provisioned. Returns the texts.
    """
    targets = translator.targets()
    assert all(read_language(target).language == target for target in targets), "a target is not an ISO 639 code"
    assert all(passage.source in targets[passage.target] for passage in passages), "passages must be its languages'"
    translator.warm_up()
    size = translator.max_batch
    batches = [passages[at : at + size] for at in range(0, len(passages), size)]
    texts = [text for batch in batches for text in translator.translate(batch)]
    assert len(texts) == len(passages) and all(text.strip() for text in texts)
    alone = [text for passage in reversed(passages) for text in translator.translate([passage])]
    assert alone[::-1] == texts, "a translation depends on what is beside it"
    return texts


def recognized(
    backend: Backend[Any],
    speech: Sequence[Samples],
    *,
    chunk_seconds: float = 1.0,
    params: RecognitionParams | None = None,
) -> list[Commit]:
    """What `backend` commits for stretches of speech, a step for each chunk, a pause after each stretch."""
    recognizer = backend.open(params or RecognitionParams(language="en"))
    chunk = samples(chunk_seconds)
    commits: list[Commit] = []
    position = 0
    for stretch in speech:
        for offset in range(0, len(stretch), chunk):
            recognizer.accept(Frame(position + offset, stretch[offset : offset + chunk]))
            if offset + chunk >= len(stretch):
                recognizer.end_segment(position + len(stretch))
            commits += backend.run([StepPlan(recognizer)])
        position += len(stretch) + SAMPLE_RATE
    return commits


def check_backend(backend: Backend[Any], speech: Sequence[Samples], language: str = "en") -> list[Word]:
    """The contract of backends: words in order, each inside the stretch in which it was spoken and behind what was
    settled before, every stretch closed and settled, streams independent.

    `speech`: stretches, each at least a second, a second of silence behind each. Returns the words.
    """
    params = RecognitionParams(language=language)
    commits = recognized(backend, speech, params=params)
    words = [word for commit in commits for word in commit.words]
    times = [*(commit.until for commit in commits), *(time for word in words for time in (word.start, word.end))]
    assert all(isinstance(time, int) for time in times), (
        "times are sample indexes, whole numbers: seconds become them by wlkd.contract.audio.samples, "
        "and NumPy's numbers by int(…)"
    )
    for word in (*words, *(word for commit in commits for word in commit.tentative)):
        sure = word.confidence
        assert sure is None or (isinstance(sure, (float, int)) and 0 <= sure <= 1), (
            f"confidence {sure!r} is not a Python number from 0 to 1, nor None: NumPy's become one by float(…)"
        )
    assert all(word.start <= word.end for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)
    ends = sum(commit.segment_end for commit in commits)
    assert ends == len(speech), f"{len(speech)} stretches, and {ends} commits with segment_end"
    for commit in commits:
        assert not (commit.segment_end and commit.tentative), "a closed segment has no tentative words"
    untils = [commit.until for commit in commits]
    assert untils == sorted(untils), "settled audio became unsettled"
    _check_times(commits, speech)
    said = next((commit.language for commit in reversed(commits) if commit.language is not None), None)
    assert said == language, f"the client asked for the language {language}, and the commits say {said}"

    first, second = (backend.open(params) for _ in range(2))
    for recognizer in (first, second):
        recognizer.accept(Frame(0, speech[0]))
        recognizer.end_segment(len(speech[0]))
    pair = backend.run([StepPlan(first), StepPlan(second)])
    assert [word.text for word in pair[0].words] == [word.text for word in pair[1].words], "batch members differ"
    return words


def _check_times(commits: Sequence[Commit], speech: Sequence[Samples]) -> None:
    """Of the words, and of what is settled, for `recognized`."""
    begin, settled = 0, 0
    stretches = iter(speech)
    end = len(next(stretches))
    for commit in commits:
        for word in commit.words:
            assert (begin <= word.start or begin < word.end) and word.start <= end, (
                f"{word} lies outside its stretch, from sample {begin} to {end}: times count from the session's first "
                "sample, silence included; wlkd.contract.clock.SpeechClock helps an engine that does not hear silence"
            )
            assert word.end >= settled, f"{word} comes after a commit with until={settled}: all before is settled"
        settled = commit.until
        if commit.segment_end:
            assert settled >= end, f"a closed segment ends at {end}, and its commit says until={settled}"
            begin, end = end + SAMPLE_RATE, end + SAMPLE_RATE + len(next(stretches, ()))
