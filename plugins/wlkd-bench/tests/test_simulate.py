"""What the simulation counts beside what `wlkd bench` does."""

import json

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

pytest.importorskip("whisper_normalizer")

import soundfile
from wlkd_bench.clips import Clip, read_manifest
from wlkd_bench.score import ClipScore
from wlkd_bench.simulate import Simulation, component, rare_words_heard
from wlkd_bench.simulstream import write
from wlkd_bench.stream import Event, Recording

from wlkd import Context


def test_rare_words_count_once_for_each_that_the_manifest_lists(tmp_path):
    row = {"set": "mine", "path": "a.flac", "seconds": 2, "language": "en", "text": "x"}
    rows = [
        row | {"id": "a", "rare_words": ["Gilchrist", "don't", "fathoms"]},
        row | {"id": "b"},
        row | {"id": "c", "rare_words": None},
    ]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    said = [" GILCHRIST, I do not fathom it: Gilchrist!", " Gilchrist", ""]
    scores = [ClipScore(clip, 0.0, "word", text) for clip, text in zip(read_manifest(manifest), said, strict=True)]
    assert rare_words_heard(scores) == (2, 3)


async def test_a_tail_is_shown_once_behind_what_is_committed(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(32_000), 16_000)
    ctx = Context(tmp_path, CollectorRegistry(), print)
    backend, vad = await component("backend", "scripted", {}, ctx), await component("vad", "none", {}, ctx)
    simulation = Simulation(backend, vad, streams=1, chunk_seconds=0.5, language="en", hotwords=False)
    ((speaker, _),) = simulation.run([Clip("mine", "a", tmp_path / "a.wav", 2.0, "en", "one two three four")])
    assert [(event.at, event.committed, event.shown) for event in speaker.recording.events] == [
        (0.5, "", " one"),
        (1.0, " one", " one two"),
        (1.5, " one two", " one two three"),
        (2.0, " one two three four", " one two three four"),
    ]


def test_a_log_for_simulstream_has_the_words_as_they_came_and_a_word_that_grew_anew(tmp_path):
    clip = Clip("mine", "a", tmp_path / "a.wav", 2.0, "en", "one two three")
    texts = [(0.5, ""), (1.0, " one tw"), (1.2, " one tw"), (1.5, " one two three")]
    recording = Recording(clip, 0.0, events=[Event(at, text, "", 0.0) for at, text in texts])
    write([recording], tmp_path / "log")
    first, *rest = map(json.loads, (tmp_path / "log" / "metrics.jsonl").read_text().splitlines())
    assert first == {"id": "a", "metadata": {"wav_name": "a.wav"}}
    told = [(line["total_audio_processed"], line["deleted_tokens"], line["generated_tokens"]) for line in rest]
    assert told == [(1.0, [], ["one", "tw"]), (1.5, ["tw"], ["two", "three"])]
    assert (tmp_path / "log" / "reference.txt").read_text() == "one two three\n"
    assert json.loads((tmp_path / "log" / "audio.yaml").read_text()) == [
        {"wav": "a.wav", "offset": 0.0, "duration": 2.0}
    ]
