"""Speak into the default microphone and read along in the terminal.

  wlkd listen
  arecord -q -f S16_LE -r 16000 -c 1 -t raw | wlkd listen -

Committed text stays; the grey tail may still change. Ctrl-C ends the audio and prints the rest; a second one quits.
After a lost connection it connects again, and sends what was spoken meanwhile.

The token for the server, if it needs one, comes from the environment variable WLKD_TOKEN.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wlkd.cli.microphone import MicrophoneError, Source, StandardInput, microphone
from wlkd.cli.terminal import Plain, Screen, View
from wlkd.client import ClientError, LiveAudio, ResumingStream, Transcript, connect_resuming
from wlkd.contract.text import joined, spaced
from wlkd.contract.types import Line
from wlkd.transports.subtitles import speaker_name

DEFAULT_SERVER = "ws://localhost:7100/asr"
QUIT = 130
"""What shells report for a program that was ended with Ctrl-C."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wlkd listen`."""
    parser.add_argument("source", nargs="?", choices=("-",), metavar="-",
                        help="read raw PCM (16-bit little-endian, 16 kHz, mono) from standard input")  # fmt: skip
    parser.add_argument(
        "--server",
        default=DEFAULT_SERVER,
        metavar="URL",
        help="the page's address, or that of /asr (default: %(default)s)",
    )
    parser.add_argument("--language", metavar="CODE", help="what is spoken, or auto (default: the server's)")
    parser.add_argument("--target-language", metavar="CODE", help="read in this language, where the server translates")
    parser.add_argument("--diarize", action="store_true", help="tell speakers apart, where the server can")
    parser.add_argument("--device", help="microphone, as parec, arecord or ffmpeg names it (default: the default one)")


def main(args: argparse.Namespace) -> int:
    """0: listened to the end; 1: the server or the microphone failed; 130: quit."""
    try:
        asyncio.run(_listen(args))
    except (ClientError, MicrophoneError) as error:
        print(f"wlkd listen: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return QUIT
    return 0


async def _listen(args: argparse.Namespace) -> None:
    wishes = {"language": args.language} if args.language else {}
    if args.target_language:
        wishes["target_language"] = args.target_language
    if args.diarize:
        wishes |= {"diarize": "true", "words": "true"}
    if token := os.environ.get("WLKD_TOKEN"):
        wishes["token"] = token
    audio = LiveAudio()
    connecting = connect_resuming(args.server, audio, pcm=True, wishes=wishes, say=_say)
    async with connecting as stream, _source(args) as source:
        _end_on_interrupt(source)
        if sys.stdout.isatty():
            view: View = Screen(sys.stdout, lambda: shutil.get_terminal_size().columns)
            print("listening; Ctrl-C ends", file=sys.stderr)
        else:
            view = Plain(sys.stdout)
        try:
            await _converse(stream, audio, source, view, translated=bool(args.target_language))
        finally:
            view.close()


def _say(text: str) -> None:
    print(f"\nwlkd listen: {text}", file=sys.stderr)


@asynccontextmanager
async def _source(args: argparse.Namespace) -> AsyncIterator[Source]:
    if args.source == "-":
        yield StandardInput(sys.stdin.fileno())
    else:
        async with microphone(args.device) as source:
            yield source


def _end_on_interrupt(source: Source) -> None:
    """The first Ctrl-C ends the audio, the second one the program."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        loop.add_signal_handler(signal.SIGINT, task.cancel)
        source.stop()

    loop.add_signal_handler(signal.SIGINT, interrupt)


def _readable(line: Line, text: str) -> str:
    return text if line.speaker is None else f"{speaker_name(line.speaker)}: {text.strip()}"


def _show(update: Transcript, view: View, *, translated: bool) -> None:
    if translated:
        lines = [_readable(line, line.translation) for line in update.lines if line.translations]
        view.show(lines, spaced("".join(lines[-1:]), update.tentative_translation))
    else:
        lines = [_readable(line, line.text) for line in update.lines if not line.is_silence]
        view.show(lines, joined([update.waiting, update.tentative]))


async def _converse(stream: ResumingStream, audio: LiveAudio, source: Source, view: View, *, translated: bool) -> None:
    async def show() -> None:
        async for update in stream.updates():
            _show(update, view, translated=translated)

    reader = asyncio.create_task(show())
    # A server that ends the stream must end a silent standard input too.
    reader.add_done_callback(lambda _: source.stop())
    try:
        while not reader.done() and (data := await source.read()):
            adding = asyncio.create_task(audio.add(data))
            await asyncio.wait({adding, reader}, return_when=asyncio.FIRST_COMPLETED)
        await audio.end()
        await reader
    except MicrophoneError:
        await audio.end()
        await reader  # What was spoken before is still to come.
        raise
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
