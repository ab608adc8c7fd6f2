"""Is the simulstreaming backend right on a GPU, how many streams does it carry, and how near to the card's limits?

  python -m wlkd_bench.gpu --models models --manifest speech/manifest.jsonl --limit 20 --out gpu.md

First it checks: CTranslate2's encoder against PyTorch's; transcripts against those of the CPU; tokens that a CUDA graph
replays against plain ones; host copies in each token; memory of each stream; that a batch too large is refused and the
next one heard. Then it measures, with networks of random weights in the shapes of published ones, what the parts of a
batch take, for batches of several sizes, beside the least that the card's bandwidth and peak allow, as Markdown.
Status 1: a check failed; 2: the device cannot be used.

--device cpu --shape test does all of that on any machine in a second, with figures that mean nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tqdm import tqdm
from wlkd_simulstreaming.device import choose_device
from wlkd_simulstreaming.options import SimulStreamingOptions

from wlkd_bench.clips import Clip, read_manifest, select
from wlkd_bench.gpu import checks, measure
from wlkd_bench.gpu.roofline import Card, card
from wlkd_bench.gpu.shapes import SHAPES, Load, Network, network
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.report import new_file


def arguments(given: Sequence[str]) -> argparse.Namespace:
    load = Load()
    parser = argparse.ArgumentParser(
        prog="python -m wlkd_bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--device-index", type=int, default=0, metavar="N", help="of several GPUs (0)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the models (models)")
    parser.add_argument("--model", default="base", help="for the checks with real weights (base)")
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="clips whose transcripts are compared")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="NAME")
    parser.add_argument("--limit", type=int, help="at most this many clips of each set")
    parser.add_argument("--shape", choices=SHAPES, action="append", help="base, medium and large-v3; repeatable")
    parser.add_argument(
        "--streams", type=int, nargs="+", default=[1, 8, 16, 32, 64, 96], metavar="N", help="in a batch"
    )
    parser.add_argument("--frames", type=int, default=load.frames, help=f"encoded, of 20 ms ({load.frames})")
    parser.add_argument("--prefix", type=int, default=load.prefix, help=f"tokens read at once ({load.prefix})")
    parser.add_argument("--tokens", type=int, default=load.tokens, help=f"read one by one ({load.tokens})")
    parser.add_argument("--repeats", type=int, default=5, help="of each measurement; the median counts (5)")
    parser.add_argument(
        "--bandwidth", type=float, metavar="TB/S", help="what the maker states, for cards not known here"
    )
    parser.add_argument("--peak", type=float, metavar="TFLOP/S", help="the same, in float16 without sparsity")
    parser.add_argument("--out", type=new_file, metavar="FILE", help="write the Markdown here too")
    args = parser.parse_args(given)
    if (args.bandwidth is None) != (args.peak is None):
        parser.error("--bandwidth and --peak: give both or neither")
    if args.tokens < 3:
        parser.error("--tokens: 3 at least")
    return args


def limits(args: argparse.Namespace, name: str) -> Card | None:
    """What the card could do."""
    if args.bandwidth is not None:
        return Card(name, args.bandwidth * 1e12, args.peak * 1e12)
    return card(name)


async def check(args: argparse.Namespace, clips: Sequence[Clip], made: Network, load: Load) -> list[checks.Check]:
    """Each is printed when it is through."""
    found = []
    for one in checks.on_network(made, load):
        found.append(one)
        print(one, flush=True)
    found.append(checks.encoders(args.models, args.model, made.device))
    print(found[-1], flush=True)
    found.append(await checks.transcripts(args.models, args.model, made.device, clips))
    print(found[-1], flush=True)
    return found


def tables(args: argparse.Namespace, device: torch.device, name: str, load: Load) -> Iterator[str]:
    """One for each shape."""
    for shape in args.shape or ["base", "medium", "large-v3"]:
        made = network(shape, device)
        measured = []
        for rows in tqdm(sorted(set(args.streams)), desc=shape, unit="batch", disable=None):
            try:
                measured.append(measure.times(made, rows, load, args.repeats))
            except torch.OutOfMemoryError:
                print(f"{shape}: a batch of {rows} streams does not fit", file=sys.stderr)
                break
        if measured:
            yield measure.table(made, measured, limits(args, name), load)


def main(given: Sequence[str]) -> int:
    args = arguments(given)
    with told_plainly():
        wanted = {"device": args.device, "device_index": args.device_index}
        device = choose_device(SimulStreamingOptions.model_validate(wanted)).device
        clips = select(read_manifest(args.manifest), args.sets, args.limit) if args.manifest else []
    load = Load(frames=args.frames, prefix=args.prefix, tokens=args.tokens)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU"
    parts = [f"## {name}", f"PyTorch {torch.__version__}, {load}."]
    print("\n\n".join(parts), flush=True)
    found = asyncio.run(check(args, clips, network("test", device), load))
    parts.append("\n".join(f"* {one}" for one in found))
    for text in tables(args, device, name, load):
        print(f"\n{text}", flush=True)
        parts.append(text)
    if args.out:
        args.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return 1 if any(one.passed is False for one in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
