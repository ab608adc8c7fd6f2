"""What the simulation counts beside what `wlkd bench` does."""

import json

import pytest

pytest.importorskip("whisper_normalizer")

from wlkd_simulstreaming.simulate import rare_words_heard

from wlkd.bench.clips import read_manifest
from wlkd.bench.score import ClipScore


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
