"""Are people cut off when machines of a fleet die, drain, hang and come? Three real machines, one more, and HAProxy.

  sudo .venv/bin/python -m wlkd_bench.fleet_proof
  sudo .venv/bin/python -m wlkd_bench.fleet_proof --streams 8 --plain 2 --manifest speech/manifest.jsonl --models models

Each machine, the balancer and two hosts of clients have a network namespace and an address of their own; the balancer
has etc/fleet/haproxy.cfg. Everybody speaks at the pace of speech. At moments that --seed decides, one machine gets
SIGKILL, one is drained, one hangs for 20 s, one more comes, the balancer is reloaded, and the network of every fourth
client is cut for 10 s. What was written is compared with an undisturbed run of the same speech.

Without --manifest, daemons with the scripted backend write a word of its own for each half second: every difference
is an error. With it, a real model hears real speech, and as no two runs of it are alike, a second undisturbed run tells
how far they differ by themselves. Status 1: a resumable client lost a word, or was told one twice or otherwise
(scripted), or text was revised that had been committed (both).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import aiohttp

from wlkd_bench.clips import ManifestError, read_manifest, select
from wlkd_bench.fleet_proof import verdict
from wlkd_bench.fleet_proof.network import INSIDE, Network, enter, inside
from wlkd_bench.fleet_proof.nodes import Balancer, Machine
from wlkd_bench.fleet_proof.people import Heard, Person
from wlkd_bench.fleet_proof.speech import Spoken, recorded, scripted
from wlkd_bench.fleet_proof.troubles import CUT_SECONDS, PAUSE_SECONDS, Trouble, troubles
from wlkd_bench.fleet_proof.verdict import Run
from wlkd_bench.stopping import run_to_its_end

ADDRESSES = {"speech1": "10.71.0.11", "speech2": "10.71.0.12", "speech3": "10.71.0.13", "speech4": "10.71.0.14"}
"""The first two are in etc/fleet/haproxy.cfg; the last one comes in the middle."""
BALANCER = ("balancer", "10.71.0.2")
HOSTS = {"office": "10.71.0.101", "train": "10.71.0.102"}
"""Of clients; the second one's network is cut."""
BETWEEN_SECONDS = 0.25
"""From one person's first sound to the next one's."""
AHEAD_SECONDS = 4.0
"""For the clients' processes to start."""


def arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m wlkd_bench.fleet_proof",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--streams", type=int, default=24)
    parser.add_argument("--plain", type=int, default=6, help="of them, clients that cannot resume (6)")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long each speaks (120)")
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="one disturbed run for each (0)")
    parser.add_argument("--places", type=int, nargs=4, default=[12, 18, 24, 18], metavar="N", help="of the machines")
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="real speech: JSON lines, a clip each")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="NAME")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the models (models)")
    parser.add_argument("--model", default="tiny.en", help="for real speech (tiny.en)")
    parser.add_argument("--haproxy", type=Path, default=Path("etc/fleet/haproxy.cfg"), metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave logs, configurations and results there")
    return parser.parse_args(given)


class Proof:
    """One fleet and the people who speak to it, for several runs."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self._args = args
        self._folder = folder
        if args.manifest is None:
            self.spoken, options = scripted(args.streams, args.seconds, folder)
        else:
            clips = [clip for clip in select(read_manifest(args.manifest), args.sets) if clip.language == "en"]
            self.spoken = recorded(clips, args.streams, args.seconds, folder)
            options = {"backend": {"options": {"model": args.model}}, "models_dir": str(args.models.resolve())}
            options["recognition"] = {"language": "en"}
        (folder / "continuation-key").write_text(secrets.token_hex(32))
        self.places = dict(zip(ADDRESSES, args.places, strict=True))
        self.machines = {
            name: Machine(name, address, self.places[name], options, folder) for name, address in ADDRESSES.items()
        }
        self.resumes = {f"person{number}": number >= args.plain for number in range(args.streams)}
        self._network = Network()

    async def open(self) -> None:
        await self._network.open()
        for host, address in {**ADDRESSES, **HOSTS, BALANCER[0]: BALANCER[1]}.items():
            await self._network.add(host, address)

    async def run(self, name: str, planned: Sequence[Trouble]) -> Run:
        """A new fleet of three machines, everybody's speech, and what is planned."""
        balancer = Balancer(*BALANCER, self._args.haproxy, self._folder)
        *present, added = self.machines.values()
        balancer.add(present[-1])
        async with AsyncExitStack() as stack:
            for machine in self.machines.values():
                stack.push_async_callback(machine.stop)
            for machine in present:
                await machine.start()
            stack.push_async_callback(balancer.stop)
            await balancer.start()
            began = time.monotonic() + AHEAD_SECONDS
            taken: list[dict[str, int]] = []
            watching = asyncio.create_task(self._watch(began, taken))
            try:
                async with asyncio.TaskGroup() as tasks:
                    people = [tasks.create_task(self._people(host, began)) for host in HOSTS]
                    for trouble in planned:
                        tasks.create_task(self._befall(trouble, began, balancer, added))
            finally:
                watching.cancel()
            heard = [each for task in people for each in task.result()]
            run = Run(name, began, self._args.seconds, heard, planned, taken)
            (self._folder / f"{name}.json").write_text(json.dumps(asdict(run)))
            return run

    async def _people(self, host: str, began: float) -> list[Heard]:
        """Those of one host: every fourth is on the train."""
        everybody = zip(self.resumes.items(), self.spoken, strict=True)
        plan = [
            asdict(self._person(name, resumes, spoken, began + number * BETWEEN_SECONDS))
            for number, ((name, resumes), spoken) in enumerate(everybody)
            if (number % 4 == 3) is (host == "train")
        ]
        file, answers = (self._folder / f"{host}.{kind}.json" for kind in ("plan", "heard"))
        file.write_text(json.dumps(plan))
        process = await asyncio.create_subprocess_exec(
            *inside(host), sys.executable, "-m", "wlkd_bench.fleet_proof.people", str(file), str(answers)
        )
        if await process.wait():
            raise RuntimeError(f"the clients of {host} failed")
        return [Heard(**row) for row in json.loads(answers.read_text())]

    def _person(self, name: str, resumes: bool, spoken: Spoken, begins: float) -> Person:
        return Person(name, f"ws://{BALANCER[1]}:7100/asr", str(spoken.audio), resumes, begins)

    async def _befall(self, trouble: Trouble, began: float, balancer: Balancer, added: Machine) -> None:
        await asyncio.sleep(began + trouble.at - time.monotonic())
        machine = self.machines.get(trouble.machine or "")
        match trouble.kind, machine:
            case "kill", Machine():
                await machine.kill()
            case "drain", Machine():
                await machine.drain()
            case "pause", Machine():
                await machine.pause(PAUSE_SECONDS)
            case "add", _:
                await added.start()
                balancer.add(added)
                await balancer.reload()
            case "reload", _:
                await balancer.reload()
            case "cut", _:
                await self._network.cut("train", CUT_SECONDS)

    async def _watch(self, began: float, taken: list[dict[str, int]]) -> None:
        """Once a second, until it is cancelled."""
        async with aiohttp.ClientSession() as http:
            while True:
                await asyncio.sleep(max(began + len(taken) - time.monotonic(), 0))
                counts = await asyncio.gather(*(machine.taken(http) for machine in self.machines.values()))
                taken.append(
                    {name: count for name, count in zip(self.machines, counts, strict=True) if count is not None}
                )


async def prove(args: argparse.Namespace, folder: Path) -> int:
    real = args.manifest is not None
    *present, added = ADDRESSES
    plans = {f"seed {seed}": troubles(present, added, args.seconds, seed) for seed in args.seed}
    proof = Proof(args, folder)
    await proof.open()
    undisturbed = await proof.run("undisturbed", [])
    again = [await proof.run("undisturbed again", [])] if real else []
    disturbed = [await proof.run(name, plan) for name, plan in plans.items()]
    runs = [undisturbed, *again, *disturbed]
    print(verdict.resumable(undisturbed, [*again, *disturbed], proof.resumes))
    print(f"\n{verdict.plain(undisturbed, disturbed, proof.resumes)}")
    for run in disturbed:
        print(f"\n{verdict.causes(run, proof.resumes)}\n\n{verdict.evenness(run, proof.places)}")
    if real:
        print(f"\n{verdict.accuracy(runs, {f'person{n}': each.reference for n, each in enumerate(proof.spoken)})}")
    return 1 if verdict.broken(undisturbed, disturbed, proof.resumes, exact=not real) else 0


def main() -> int:
    if INSIDE not in sys.argv[1:2]:
        arguments(sys.argv[1:])
        enter("wlkd_bench.fleet_proof", ["haproxy"])
    args = arguments(sys.argv[2:])
    try:
        if args.keep is not None:
            args.keep.mkdir(parents=True, exist_ok=True)
            return run_to_its_end(prove(args, args.keep.resolve()))
        with tempfile.TemporaryDirectory() as folder:
            return run_to_its_end(prove(args, Path(folder)))
    except (ManifestError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
