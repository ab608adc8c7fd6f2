"""A run as a log of simulstream, whose scorers the IWSLT evaluations use: an outside judge of latency.

`python -m wlkd_bench.simulate … --simulstream FOLDER` writes it; then, where `simulstream[eval]` is installed:

    cd FOLDER
    simulstream_score_latency --scorer stream_laal --eval-config eval.yaml --log-file metrics.jsonl \\
        --reference reference.txt --audio-definition audio.yaml

The times are those of the audio. Time for computing is not in the log, so that the computation-aware score is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from wlkd_bench.stream import Recording

EVALUATION = "detokenizer_type: simuleval\nlatency_unit: word\n"


def write(recordings: Sequence[Recording], folder: Path) -> None:
    """The log, and what its scorers ask for beside it; `folder` is made. A clip is one sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for recording in recordings for line in log(recording)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    (folder / "reference.txt").write_text("".join(f"{recording.clip.text}\n" for recording in recordings))
    # JSON is YAML.
    sentences = [
        {"wav": f"{recording.clip.id}.wav", "offset": 0.0, "duration": recording.clip.seconds}
        for recording in recordings
    ]
    (folder / "audio.yaml").write_text(json.dumps(sentences, indent=1))
    (folder / "eval.yaml").write_text(EVALUATION)


def log(recording: Recording) -> Iterator[dict[str, Any]]:
    """The committed words of one clip, as they came."""
    yield {"id": recording.clip.id, "metadata": {"wav_name": f"{recording.clip.id}.wav"}}
    told: list[str] = []
    for event in recording.events:
        words = event.committed.split()
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(told, words, strict=False)))
        if words != told:
            yield {
                "id": recording.clip.id,
                "total_audio_processed": event.at,
                "computation_time": 0.0,
                "generated_tokens": words[same:],
                "deleted_tokens": told[same:],
            }
        told = words
