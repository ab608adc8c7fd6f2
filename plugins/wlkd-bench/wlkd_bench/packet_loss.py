"""Makes clips sound as after a bad connection: Opus at a low bit rate, with packets lost. The same seed loses the same.

  python -m wlkd_bench.packet_loss speech/manifest.jsonl lossy/ --set en_librispeech_test_clean --lost 10

A packet is 20 ms. Packets are lost in bursts, as on a crowded radio link: by Gilbert's model with two packets a burst
on average. A lost packet is heard as silence, which is what a gateway without concealment makes of it. The manifest
`clips.jsonl` has the references of the clips, so `python -m wlkd_bench.simulate` and `python -m wlkd_bench.uploads`
can follow.
"""

from __future__ import annotations

import argparse
import json
import zlib
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray
from tqdm import tqdm

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.types import Samples
from wlkd_bench.clips import read_manifest, select
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import read_audio

CODEC_RATE = 48_000
PACKET_SAMPLES = SAMPLE_RATE // 50
BURST_PACKETS = 2.0
"""Mean length of a burst of lost packets."""


def lost_packets(count: int, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which of `count` packets are lost, `share` of them on average (0 to below 1): Gilbert's model with two states."""
    recover = 1 / BURST_PACKETS
    fail = min(recover * share / (1 - share), 1.0)
    lost, bad = np.zeros(count, np.bool_), bool(random.random() < share)
    for place, dice in enumerate(random.random(count).tolist()):
        lost[place] = bad
        bad = dice < (1 - recover if bad else fail)
    return lost


def through_opus(samples: Samples, bits_per_second: int) -> Samples:
    """`samples` (mono, 16 kHz) encoded with libopus in its mode for speech, and decoded; of the same length."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=CODEC_RATE, frame_size=CODEC_RATE // 50)
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = CODEC_RATE, "mono", "s16"
    encoder.bit_rate, encoder.options = bits_per_second, {"application": "voip", "frame_duration": "20"}
    encoder.open()
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.extradata = encoder.extradata
    back = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    # The encoder looks ahead by a few milliseconds, which come out at the end as silence.
    padded = np.concatenate([samples, np.zeros(SAMPLE_RATE // 10, np.float32)])
    frame = av.AudioFrame.from_ndarray((padded.clip(-1, 1) * 32767).astype(np.int16)[None], "s16", "mono")
    frame.sample_rate = SAMPLE_RATE
    packets = [
        packet
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]
        for packet in encoder.encode(piece)
    ]
    decoded = [piece for packet in packets for piece in decoder.decode(packet)]
    heard = [piece.to_ndarray().ravel() for piece in decoded for piece in back.resample(piece)]
    heard += [piece.to_ndarray().ravel() for piece in back.resample(None)]
    return np.asarray(np.concatenate(heard)[: len(samples)], np.float32)


def make(arguments: argparse.Namespace) -> None:
    """Raises `ManifestError`."""
    clips = select(read_manifest(arguments.manifest), arguments.sets)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with (arguments.folder / "clips.jsonl").open("w", encoding="utf-8") as manifest:
        for clip in tqdm(clips, unit="clip", disable=None):
            heard = through_opus(read_audio(clip), round(arguments.kilobits * 1000))
            random = np.random.default_rng([arguments.seed, zlib.crc32(clip.id.encode())])
            lost = lost_packets(-(-len(heard) // PACKET_SAMPLES), arguments.lost / 100, random)
            for place in np.flatnonzero(lost).tolist():
                heard[place * PACKET_SAMPLES : (place + 1) * PACKET_SAMPLES] = 0
            name = f"{clip.id}.flac"
            soundfile.write(arguments.folder / name, heard, SAMPLE_RATE)
            row = {**asdict(clip), "set": arguments.folder.name, "path": name}
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="clips, a JSON object a line")
    parser.add_argument("folder", type=Path, help="where the clips go; its name is that of the new set")
    parser.add_argument("--set", action="append", required=True, dest="sets", help="a set of clips; repeatable")
    parser.add_argument("--kilobits", type=float, default=16.0, help="of Opus, a second")
    parser.add_argument("--lost", type=float, default=5.0, help="packets lost, per cent")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with told_plainly():
        make(args)


if __name__ == "__main__":
    main()
