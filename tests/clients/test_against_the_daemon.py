"""The bench and the client against the real daemon, on the scripted backend."""

import json

import pytest
import soundfile
from wlkd_bench.clips import read_manifest
from wlkd_bench.pieces import cut, read_samples
from wlkd_bench.runner import run
from wlkd_bench.score import score
from wlkd_bench.stream import Target
from wlkd_bench.summary import summarize

from wlkd.cli.transcribe import remotely
from wlkd.testing import running_daemon, speech_like

VALUES = {
    "decoders": {"pcm": {}, "av": {}},
    "vad": {"name": "none"},
    "transports": {"websocket": {}},
    "worker": {"min_chunk_seconds": 0.2},
    "backend": {"name": "scripted", "options": {"script": [" red", " green", " blue"]}},
}


@pytest.fixture
def clips(tmp_path):
    soundfile.write(tmp_path / "a.flac", speech_like(1.4), 16_000)
    row = {"set": "s", "id": "a", "path": "a.flac", "seconds": 1.4, "language": "en"}
    row |= {"text": "Red green blue.", "word_ends": [0.5, 1.0, 1.4]}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row))
    return read_manifest(tmp_path / "manifest.jsonl")


@pytest.mark.parametrize("encoding", ["pcm", "webm"])
async def test_every_word_arrives_in_both_encodings(clips, encoding):
    pieces = {clip: cut(read_samples(clip), encoding) for clip in clips}
    async with running_daemon(VALUES) as daemon:
        recordings = await run(Target(f"{daemon.ws}//asr", encoding=encoding, patience=10.0), clips, pieces)
    summary = summarize([score(recording) for recording in recordings])
    assert [recording.failure for recording in recordings] == [None]
    assert summary.wer is not None
    assert (summary.wer.percent, summary.wer.units, summary.revisions) == (0.0, 3, 0)
    assert summary.committed is not None
    assert summary.committed.count == 3
    # The scripted backend stretches words over what Opus adds at the end; it never speaks before it has heard.
    assert -0.3 < summary.committed.p50 < 3.0


async def test_those_above_the_limit_are_counted_as_refused(clips):
    pieces = {clip: cut(read_samples(clip), "pcm") for clip in clips}
    async with running_daemon({**VALUES, "sessions": {"max_sessions": 1}}) as daemon:
        recordings = await run(Target(f"{daemon.ws}/asr", patience=10.0), clips, pieces, streams=2, duration=1.0)
    assert [recording.refused for recording in recordings] == [False, True]
    assert recordings[0].failure is None


async def test_a_file_through_the_server_has_the_times_of_its_words(clips):
    async with running_daemon(VALUES) as daemon:
        with clips[0].path.open("rb") as file:
            result = await remotely(f"{daemon.ws}/asr", {}, file, lambda done, total: None)
    assert result.failure is None
    assert "".join(line.text for line in result.lines) == " red green blue"
    words = [word for line in result.lines for word in line.words]
    assert [word.text for word in words] == [" red", " green", " blue"]
    assert words[0].end <= words[1].start < words[1].end
