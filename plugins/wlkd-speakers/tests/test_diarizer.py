"""The component: files, streams, the contract, and real speech."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from prometheus_client import CollectorRegistry
from wlkd_speakers.catalogue import CAMPPLUS, VOICES, overlap_file, voices_file
from wlkd_speakers.cells import CELL
from wlkd_speakers.cutter import Cutter
from wlkd_speakers.diarizer import LATE, CampPlus, CampPlusOptions, LiveStream, RecordingStream
from wlkd_speakers.segmentation import HEARD, SETS, STEP
from wlkd_speakers.telephone import TELEPHONE, without_telephone
from wlkd_speakers.weights import read_weights

from wlkd import Context, DiarizationParams, Frame, Pause, ProvisionError, Samples, SessionError, Turn
from wlkd.config import make_config
from wlkd.plugins import load_plugins
from wlkd.testing import check_diarizer, speech_like


class Pitch:
    """Takes the mean of the features for the voice: enough to tell two tones apart."""

    def voice(self, features: Samples) -> Samples:
        mean = features.mean(axis=0) - features.mean()
        return np.asarray(mean / np.linalg.norm(mean), np.float32)


def tone(hertz: float, seconds: float) -> Samples:
    return np.asarray(0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16_000)) / 16_000), np.float32)


class Loud:
    """Hears a low voice and a high one, and both where it is loud."""

    def speakers(self, sound: Samples) -> Samples:
        answers = (len(sound) - HEARD) // STEP + 1
        told = np.zeros((answers, len(SETS)), np.float32)
        for place in range(answers):
            around = sound[place * STEP + HEARD // 2 - 160 :][:320]
            high = np.count_nonzero(np.diff(np.sign(around))) > 20
            speakers = (0, 1) if np.abs(around).max() > 0.5 else (int(high),) if around.any() else ()
            told[place, SETS.index(speakers)] = 1
        return told


def talk(*parts: tuple[float, float, float]) -> Samples:
    """Tones one after the other, each of so many hertz and seconds, so loud."""
    return np.concatenate([loudness * tone(hertz, seconds) for hertz, seconds, loudness in parts])


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("audio", [speech_like(12), talk((200, 5.6, 1), (200, 0.7, 2), (2500, 6, 1))])
def test_the_contract(audio: Samples, whole: bool) -> None:
    kind = RecordingStream if whole else LiveStream
    check_diarizer(lambda: kind(Pitch(), 8), audio)
    check_diarizer(lambda: kind(Pitch(), 8, second=Loud()), audio)


# Live, only what is not yet told can be told otherwise.
@pytest.mark.parametrize(("whole", "changes"), [(False, (11, 11.4, 11.5, 11.9)), (True, np.arange(11.2, 12, 0.1))])
def test_a_change_is_told_when_it_is(whole: bool, changes: Iterable[float]) -> None:
    for change in changes:
        stream = (RecordingStream if whole else LiveStream)(Pitch(), 8, second=Loud())
        audio = talk((200, 6, 1), (2500, change - 6, 1), (200, 5, 1))
        told = [stream.feed([Frame(at, audio[at : at + 1600])]) for at in range(0, len(audio), 1600)]
        turns = [turn for one in (*told, stream.feed([Pause(len(audio))]), stream.finish()) for turn in one.turns]
        found = [(one.speaker, other.start / 16_000) for one, other in pairwise(turns) if one.speaker != other.speaker]
        assert [before for before, _ in found] == [1, 2] and abs(found[1][1] - change) < 0.05, found


@pytest.mark.parametrize("whole", [False, True])
def test_two_at_once_are_told_where_the_speaker_changes(whole: bool) -> None:
    stream = (RecordingStream if whole else LiveStream)(Pitch(), 8, second=Loud())
    audio = talk(
        (200, 6, 1), (2500, 5.3, 1), (2500, 0.7, 2.5), (200, 0.8, 2.5), (200, 3, 1), (200, 1, 2.5), (200, 5, 1)
    )
    told = [stream.feed([Frame(at, audio[at : at + 1600])]) for at in range(0, len(audio), 1600)]
    turns = [turn for one in (*told, stream.feed([Pause(len(audio))]), stream.finish()) for turn in one.turns]
    change = next(turn.start for turn in turns if turn.start > 160_000 and turn.speaker == 1 and not turn.beside)
    beside = [turn for turn in turns if turn.beside]
    assert all(turn.speaker == (1 if turn.start < change else 2) for turn in beside)
    # Live, who comes next may be known only when he is louder.
    assert abs(beside[0].start - (11.3 if whole else 11.85) * 16_000) < 1600
    assert abs(beside[-1].end - 12.8 * 16_000) < 1600
    assert sum(turn.end - turn.start for turn in beside) == beside[-1].end - beside[0].start, "without holes, each once"


def test_turns_have_their_place_on_the_session_s_clock() -> None:
    stream = LiveStream(Pitch(), 8)
    audio = np.concatenate([tone(200, 6), tone(2500, 6)])
    first = stream.feed([Frame(160_000, audio)])
    last = stream.feed([Pause(160_000 + len(audio))])
    turns = [*first.turns, *last.turns]
    assert turns[0].speaker == 1 and turns[-1].speaker == 2
    change = next(turn.start for turn in turns if turn.speaker == 2)
    assert turns[0].start == 160_000 and abs(change - 256_000) <= 16_000 and change % CELL == CELL - LATE
    assert first.settled <= 160_000 + len(audio) - 16_000 and last.settled >= 160_000 + len(audio)


def test_a_turn_ends_where_speech_pauses() -> None:
    stream = LiveStream(Pitch(), 8)
    stream.feed([Frame(0, tone(200, 6))])
    told = stream.feed([Pause(85_000)])
    assert told.turns[-1].end == 85_000, "the last second may be the next speaker's"


def test_a_pause_that_is_told_very_late_makes_no_turn_that_ends_before_it_begins() -> None:
    stream = LiveStream(Pitch(), 8)
    told = [stream.feed([Frame(0, tone(200, 3))]), stream.feed([Frame(48_000, tone(200, 3)), Pause(40_000)])]
    turns = [turn for one in told for turn in one.turns]
    assert turns and all(turn.start < turn.end for turn in turns)
    told = [stream.feed([Frame(160_000, tone(200, 3)), Pause(208_000)])]
    assert told[0].turns[-1].end == 208_000


@pytest.mark.parametrize("whole", [False, True])
def test_the_first_sound_behind_a_pause_is_the_next_speaker_s(whole: bool) -> None:
    stream = RecordingStream(Pitch(), 8) if whole else LiveStream(Pitch(), 8)
    pause, resumed = 3 * CELL * 2 + 1600, 7 * CELL + 3200
    heard = np.concatenate([tone(200, pause / 16_000), np.zeros(resumed - pause, np.float32)])
    events = [Frame(0, heard), Pause(pause), Frame(resumed, tone(2500, 4))]
    turns = [*stream.feed(events).turns, *stream.finish().turns]
    first = min(turn.start for turn in turns if turn.speaker == 2)
    assert first <= resumed, "the silence before it lies in the same half second"
    assert all(turn.end <= resumed for turn in turns if turn.speaker == 1)


def test_speech_after_a_gap_of_an_hour_costs_no_hour() -> None:
    stream = LiveStream(Pitch(), 8)
    stream.feed([Frame(0, tone(200, 4))])
    told = stream.feed([Frame(3600 * 16_000, tone(200, 4)), Pause(3604 * 16_000)])
    assert {turn.speaker for turn in told.turns} == {1} and told.turns[-1].end >= 3604 * 16_000


def test_silence_around_a_word_does_not_count_as_heard() -> None:
    word = np.concatenate([np.zeros(8000, np.float32), tone(200, 0.5), np.zeros(8000, np.float32)])
    cutter = Cutter(Pitch())
    cells = [*cutter.feed(Frame(0, word)), *cutter.flush()]
    assert cells and all(cell.voice is None and cell.seconds <= 0.6 for cell in cells)
    cutter = Cutter(Pitch())
    first, *_ = cutter.feed(Frame(0, np.tile(tone(200, 0.5), 4)))
    assert first.voice is not None and first.seconds > 0.9


def test_what_voices_have_in_common_over_a_telephone_is_left_out() -> None:
    one, other = (np.asarray(np.random.default_rng(seed).normal(size=192), np.float32) for seed in (1, 2))
    on_the_phone = [without_telephone(voice + 20 * TELEPHONE) for voice in (one, other)]
    assert abs(on_the_phone[0] @ on_the_phone[1]) < 0.2 < 0.99 < on_the_phone[0] @ without_telephone(one)


async def test_wishes_for_more_speakers_than_configured_are_refused() -> None:
    diarizer = CampPlus(CampPlusOptions(max_speakers=4))
    for count in (0, 5):
        with pytest.raises(SessionError, match=f"max_speakers {count}: at least 1, at most 4"):
            diarizer.open(DiarizationParams(max_speakers=count))


def test_missing_and_damaged_weights_name_the_file_and_the_remedy(tmp_path: Path) -> None:
    path = voices_file(tmp_path)
    with pytest.raises(ProvisionError, match=r"campplus_cn_en_common\.pt is missing: wlkd models get campplus"):
        read_weights(path, CAMPPLUS)
    path.parent.mkdir()
    path.write_bytes(b"half a file")
    with pytest.raises(ProvisionError, match=r"cannot be read .*: wlkd models get campplus --models"):
        read_weights(path, CAMPPLUS)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ProvisionError, match=r"refers to os\.system"):
        read_weights(path, CAMPPLUS)


def test_check_tells_of_missing_weights_and_of_a_second_network_that_is_half_there(tmp_path: Path) -> None:
    plugins = load_plugins()
    values = {"models_dir": str(tmp_path), "backend": {"name": "scripted"}, "diarizer": {"name": "campplus"}}
    config = make_config(values, plugins)
    [problem] = plugins.check_host(config)
    assert problem.path == "diarizer.name" and "`wlkd models get campplus`" in problem.message
    overlap_file(tmp_path).parent.mkdir()
    overlap_file(tmp_path).write_bytes(b"half a file")
    second = plugins.check_host(config)[1]
    assert "11 bytes instead of 5,905,440; `wlkd models get pyannote-segmentation`" in second.message


Segments = list[tuple[float, float, str]]


def conversation(speech_dir: Path, name: str, seconds: float) -> tuple[Samples, Segments]:
    rows = map(json.loads, (speech_dir / "conversations/conversations.jsonl").read_text().splitlines())
    row = next(row for row in rows if f"{row['set']}/{row['id']}" == name)
    audio, _ = soundfile.read(speech_dir / "conversations" / row["path"], dtype="float32", frames=int(seconds * 16_000))
    return audio, [(start, end, speaker) for start, end, speaker in row["segments"]]


@pytest.fixture
async def campplus(models_dir: Path) -> AsyncIterator[CampPlus]:
    """With the real voice network."""
    weights = voices_file(models_dir)
    if not weights.exists():
        pytest.skip(f"{weights} is missing: wlkd models get campplus")
    assert weights.stat().st_size == VOICES.nbytes
    diarizer = CampPlus(CampPlusOptions())
    await diarizer.provision(Context(models_dir, CollectorRegistry(), lambda _: None))
    yield diarizer
    await diarizer.close()


def whose(segments: Segments, turns: Iterable[Turn], until: float) -> set[tuple[str, int]]:
    """Who is told where, in the middle of each segment in which one person speaks for 2 s."""
    turns, pairs = list(turns), set()
    for start, end, speaker in segments:
        alone = all(other[2] == speaker or other[0] > end or other[1] < start for other in segments)
        if alone and end - start > 2 and end < until:
            middle = (start + end) / 2 * 16_000
            pairs |= {(speaker, turn.speaker) for turn in turns if turn.start <= middle < turn.end}
    return pairs


@pytest.mark.model
async def test_two_real_people_are_told_apart(campplus: CampPlus, speech_dir: Path) -> None:
    audio, segments = conversation(speech_dir, "conv_en/03_2", 30.0)
    stream = campplus.open(DiarizationParams())
    turns = [
        turn for at in range(0, len(audio), 8000) for turn in stream.feed([Frame(at, audio[at : at + 8000])]).turns
    ]
    pairs = whose(segments, [*turns, *stream.finish().turns], 30)
    assert len(pairs) == 2 and len({one for _, one in pairs}) == 2, pairs


@pytest.mark.model
@pytest.mark.parametrize("whole", [False, True])
async def test_real_people_who_are_known_have_their_numbers(campplus: CampPlus, speech_dir: Path, whole: bool) -> None:
    audio, segments = conversation(speech_dir, "conv_en/03_2", 30.0)
    other, _ = conversation(speech_dir, "conv_en/00_2", 28.0)
    stranger, friend = other[24 * 16_000 :], other[: int(3.5 * 16_000)]
    stream = campplus.open(DiarizationParams(whole=whole, known=(stranger, friend)))
    told = [stream.feed([Frame(0, audio)]), stream.feed([Pause(len(audio))]), stream.finish()]
    pairs = whose(segments, [turn for one in told for turn in one.turns], 30)
    assert pairs == {("ls-7127", 2), ("ls-3570", 3)}, "the friend's voice, from another recording, and one who is new"


@pytest.mark.parametrize("kind", [LiveStream, RecordingStream])
def test_who_is_hardly_heard_in_a_recording_is_known_all_the_same(kind: type[LiveStream | RecordingStream]) -> None:
    hardly = np.concatenate([tone(200, 0.25), np.zeros(12_000, np.float32), tone(200, 0.25)])
    stream = kind(Pitch(), 8, known=(hardly,))
    told = [stream.feed([Frame(0, tone(200, 6)), Pause(96_000)]), stream.finish()]
    assert {turn.speaker for one in told for turn in one.turns} == {1}
