"""How long after somebody has stopped speaking their last words are final, while they go on listening.

    python -m wlkd_bench.final_segment ws://localhost:7100/asr --manifest speech/manifest.jsonl \\
        --set en_librispeech_test_clean --limit 50

The time to the final segment, as pipecat's benchmark of speech-to-text services takes it for voice agents: each clip
is streamed at the pace of speech, silence follows it, and nobody tells the server that the audio has ended. The time
runs from the end of the last word (`word_ends` of the manifest) to the update that has the whole committed text. A clip
whose text was still growing when the silence ended counts as late, with no time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wlkd.contract.audio import samples
from wlkd_bench.clips import add_choice, chosen, read_manifest
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import cut_pcm, read_samples
from wlkd_bench.report import accuracy_table, grid
from wlkd_bench.runner import run
from wlkd_bench.score import score
from wlkd_bench.stream import Recording, Target
from wlkd_bench.summary import BOOTSTRAP_SAMPLES, BOOTSTRAP_SEED


def seconds_to_final(recording: Recording) -> float | None:
    """From the end of the last word to the last change of the committed text; None: it came when the audio was over,
    or not at all."""
    whole = recording.events[-1].committed if recording.events else ""
    at = next((event.at for event in recording.events if event.committed == whole), None)
    if at is None or not whole.strip() or recording.audio_end is None or at > recording.audio_end:
        return None
    return at - recording.clip.word_ends[-1]


def table(times: Sequence[float], clips: int) -> str:
    """The percentiles, each with its 95 % interval from resampling the clips."""
    drawn = np.random.default_rng(BOOTSTRAP_SEED).choice(times, size=(BOOTSTRAP_SAMPLES, len(times)))
    rows = []
    for share in (50, 95, 99):
        low, high = np.percentile(np.percentile(drawn, share, axis=1), (2.5, 97.5))
        rows.append((f"p{share}", f"{np.percentile(times, share):.2f} s", f"{low:.2f} to {high:.2f} s"))
    return f"{grid(('time to the final segment', '', '95 %'), rows)}\n\n{len(times)} clips, {clips - len(times)} late"


async def measure(args: argparse.Namespace) -> None:
    clips = [clip for clip in read_manifest(args.manifest) if clip.word_ends]
    clips = chosen(clips, args)
    quiet = np.zeros(samples(args.silence), np.int16)
    pieces = {clip: cut_pcm(np.concatenate([read_samples(clip), quiet])) for clip in clips}
    target = Target(args.url, token=os.environ.get("WLKD_TOKEN"))
    recordings = await run(target, clips, pieces, streams=args.streams)
    for recording in recordings:
        if recording.failure:
            print(f"{recording.clip.id}: {recording.failure}")
    heard = [recording for recording in recordings if not recording.failure]
    times = [time for recording in heard if (time := seconds_to_final(recording)) is not None]
    if not times:
        raise SystemExit("no clip had its final segment in time")
    print(table(times, len(heard)))
    print(accuracy_table([score(recording) for recording in heard]))
    print(f"latest piece sent {max(recording.late for recording in heard):.2f} s behind its time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="such as ws://localhost:7100/asr")
    parser.add_argument("--manifest", type=Path, required=True)
    add_choice(parser)
    parser.add_argument("--streams", type=int, default=1, help="clips side by side")
    parser.add_argument("--silence", type=float, default=3.0, help="seconds of silence behind each clip")
    args = parser.parse_args()
    with told_plainly():
        asyncio.run(measure(args))


if __name__ == "__main__":
    main()
