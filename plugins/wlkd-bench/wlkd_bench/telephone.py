"""What do voices have in common over a telephone? Makes the constant `TELEPHONE` of `wlkd_speakers.telephone`.

  python -m wlkd_bench.telephone speech/manifest.jsonl --set en_librispeech_test_other --set zh_aishell

Clips of one speaker count as one voice, however many they are. Take people who are not in what you measure with it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from wlkd_speakers.catalogue import voices_file
from wlkd_speakers.embedder import Embedder
from wlkd_speakers.fbank import fbank
from wlkd_speakers.telephone import packed
from wlkd_speakers.voices import Vector, mean

from wlkd import SAMPLE_RATE
from wlkd_bench.clips import read_manifest, select
from wlkd_bench.conversations import over_the_telephone
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import read_audio

PIECE = SAMPLE_RATE * 3 // 2
"""Samples that the diarizer hears at a time."""
PIECES = 12
"""Of each speaker."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="clips whose speakers are named, a JSON object a line")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the models folder")
    parser.add_argument("--set", action="append", required=True, dest="sets", help="a set of clips; repeatable")
    arguments = parser.parse_args()
    voices: dict[str, list[Vector]] = defaultdict(list)
    with told_plainly():
        clips = select(read_manifest(arguments.manifest), arguments.sets)
        embedder = Embedder(voices_file(arguments.models))
        for clip in clips:
            sound = over_the_telephone(read_audio(clip))
            for start in range(0, len(sound) - PIECE + 1, PIECE):
                if len(voices[clip.speaker]) < PIECES:
                    voices[clip.speaker].append(embedder.vector(fbank(sound[start : start + PIECE])))
    print(f"{len(voices)} speakers")
    print(packed(mean([np.mean(pieces, axis=0) for pieces in voices.values() if pieces])))


if __name__ == "__main__":
    main()
