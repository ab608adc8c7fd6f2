"""The reference row of docs/benchmarks.md: what the same weights say to whole recordings, decoded greedily.

  .venv/bin/python -m wlkd_bench.offline models/faster-whisper-base --manifest speech/manifest.jsonl --set zh_aishell

Normalisation, counting and the table are those of `wlkd bench`. faster-whisper must be installed; it comes with
wlkd-localagreement.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from faster_whisper import WhisperModel
from tqdm import tqdm

from wlkd import ProvisionError
from wlkd_bench.clips import Clip, read_manifest, select
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import read_audio
from wlkd_bench.report import accuracy_table, document, new_file
from wlkd_bench.score import ClipScore, score
from wlkd_bench.stream import Recording, heard_whole
from wlkd_bench.text import unaccented


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root.add_argument("model", type=Path, help="folder of a CTranslate2 Whisper model")
    root.add_argument("--manifest", type=Path, required=True)
    root.add_argument("--set", action="append", default=[], dest="sets")
    root.add_argument("--limit", type=int, help="at most this many clips of each set")
    root.add_argument("--compute-type", default="int8", help="as the server that it is compared with (default: int8)")
    root.add_argument("--threads", type=int, default=0, help="0: as many as CTranslate2 likes")
    root.add_argument("--json", type=new_file)
    return root


def decode(model: WhisperModel, clips: Sequence[Clip]) -> Iterator[Recording]:
    """Each clip in one pass: greedy, no fallback to other temperatures, no VAD, no text of the window before."""
    for clip in tqdm(clips, unit="clip", disable=None):
        segments, _ = model.transcribe(
            read_audio(clip),
            language=clip.language if clip.is_speech else None,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
        )
        yield heard_whole(clip, "".join(segment.text for segment in segments))


def main() -> None:
    args = parser().parse_args()
    with told_plainly():
        clips = select(read_manifest(args.manifest), args.sets, args.limit)
        # faster-whisper takes what is not a folder for a name to download.
        if not args.model.is_dir():
            raise ProvisionError(f"{args.model}: there is no such folder")
    model = WhisperModel(str(args.model), device="cpu", compute_type=args.compute_type, cpu_threads=args.threads)
    folds = unaccented(clips)
    began = time.monotonic()
    scores: list[ClipScore] = [
        score(recording, fold=(recording.clip.set, recording.clip.language) in folds)
        for recording in decode(model, clips)
    ]
    spent = time.monotonic() - began
    print(accuracy_table(scores))
    audio = sum(clip.seconds for clip in clips)
    print(f"\n{spent:.1f} s for {audio:.1f} s of audio: {spent / audio:.3f}")
    if args.json:
        setup = {"offline": args.model.name, "compute_type": args.compute_type, "seconds": spent}
        text = json.dumps(document(scores, setup=setup, limits_missed=[]), ensure_ascii=False, indent=1)
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
