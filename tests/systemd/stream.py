"""A client of /asr for the scripts in the container: streams audio at the pace of speech and says what came back.

Prints one JSON object: the committed text, the seconds of audio that were sent, and how it ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import aiohttp
import soundfile

RATE = 16_000
PIECE_SECONDS = 0.1


def read_audio(args: argparse.Namespace) -> bytes:
    """16-bit PCM: the file, or noise."""
    if args.file is None:
        return (b"\x00\x20\x00\xe0" * (RATE // 2)) * args.seconds
    samples, rate = soundfile.read(args.file, dtype="int16")
    assert rate == RATE and samples.ndim == 1
    return bytes(samples.tobytes())


async def stream(args: argparse.Namespace) -> dict[str, object]:
    result: dict[str, object] = {"text": "", "ended": "", "updates": 0, "sent": 0.0}
    audio = read_audio(args)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.ws_connect(args.url) as socket:

        async def send() -> None:
            size = int(RATE * PIECE_SECONDS) * 2
            for offset in range(0, len(audio), size):
                if socket.closed:
                    return
                await socket.send_bytes(audio[offset : offset + size])
                result["sent"] = (offset + size) / 2 / RATE
                await asyncio.sleep(PIECE_SECONDS / args.pace)
            await socket.send_bytes(b"")

        sending = asyncio.create_task(send())
        async for message in socket:
            content = json.loads(message.data)
            if "lines" in content:
                result["text"] = "".join(line["text"] or "" for line in content["lines"])
                result["updates"] = int(str(result["updates"])) + 1
                if args.started:
                    args.started.write_text("started")
            elif content["type"] == "error":
                result["ended"] = content["code"]
            elif content["type"] == "ready_to_stop":
                result["ended"] = "ready_to_stop"
                break
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return result


async def resuming(args: argparse.Namespace) -> dict[str, object]:
    """The same with wlkd's own client, over as many connections as it takes; `said` is what it said of them."""
    from wlkd.client import ClientError, LiveAudio, connect_resuming

    audio, live, said = read_audio(args), LiveAudio(), list[str]()
    result: dict[str, object] = {"text": "", "ended": "", "said": said}

    async def speak() -> None:
        size = int(RATE * PIECE_SECONDS) * 2
        for offset in range(0, len(audio), size):
            await live.add(audio[offset : offset + size])
            await asyncio.sleep(PIECE_SECONDS / args.pace)
        await live.end()

    speaking = asyncio.create_task(speak())
    try:
        async with connect_resuming(args.url, live, pcm=True, say=said.append) as stream:
            async for update in stream.updates():
                result["text"] = update.committed
                if args.started:
                    args.started.write_text("started")
        result["ended"] = "ready_to_stop"
    except ClientError as error:
        result["ended"] = str(error)
    speaking.cancel()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="ws://127.0.0.1:7100/asr")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--file", type=Path, help="mono, 16 kHz")
    parser.add_argument("--pace", type=float, default=1.0)
    parser.add_argument("--started", type=Path, help="made when the first update came")
    parser.add_argument("--resume", action="store_true", help="survive the connection")
    args = parser.parse_args()
    try:
        result = asyncio.run(resuming(args) if args.resume else stream(args))
    except aiohttp.ClientError as error:
        result = {"text": "", "ended": f"{type(error).__name__}: {error}"}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
