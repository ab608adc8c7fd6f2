"""Transcribe files along the same path as live streams, in this process or through a server.

  wlkd transcribe talk.webm > talk.txt
  wlkd transcribe --format srt --output-dir subtitles/ *.mp3
  wlkd transcribe --server ws://localhost:7100/asr talk.webm

Without --server the configured model is loaded into this process, so that no daemon is needed. A server that asks for
a token gets that of the environment variable WLKD_TOKEN.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from wlkd.cli.common import add_config_arguments, configured
from wlkd.client import ClientError, FileAudio, Transcript, connect, connect_resuming
from wlkd.contract.audio import seconds
from wlkd.contract.errors import ConfigError, ProvisionError, SessionError
from wlkd.contract.host import Sessions
from wlkd.contract.types import Line, Note, StreamOffer
from wlkd.transports.subtitles import SUFFIXES, WRITERS

CHUNK_BYTES = 64 * 1024

FAILURES = (SessionError, ClientError, OSError)
"""What ends one file, and no other."""
Progress = Callable[[float, float | None], None]
"""Hears of the seconds of audio done, and of all seconds as far as known."""


@dataclass(frozen=True, slots=True)
class Result:
    """What has become of a file."""

    lines: Sequence[Line]
    notes: Sequence[Note]
    """What there is to say of the audio besides the words."""
    failure: Exception | None
    """Why there are no more lines; without it, they are all."""


Heard = tuple[Sequence[Line], Sequence[Note]]
"""All lines and notes so far."""
Transcriber = Callable[[BinaryIO, Progress], Awaitable[Result]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wlkd transcribe`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="WebM, Ogg, MP3, MP4, FLAC, WAV, ...")
    parser.add_argument("--server", metavar="URL", help="send to this /asr address instead of loading a model")
    parser.add_argument("--language", metavar="CODE", help="what is spoken, or auto (default: as configured)")
    parser.add_argument("--task", choices=("transcribe", "translate"), help="translate: into English")
    parser.add_argument("--diarize", action="store_true", help="tell speakers apart (the configuration's diarizer)")
    parser.add_argument("--format", choices=tuple(WRITERS), default="text", help="default: text")
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="a file for each FILE (default: print)")
    add_config_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """0: everything is transcribed; 69, 78: nothing was begun.

    1: a file failed; what was understood of it before is written, and the others are done.
    """
    if problem := _problem(args):
        print(f"wlkd transcribe: {problem}", file=sys.stderr)
        return os.EX_USAGE
    try:
        return asyncio.run(_transcribe_all(args))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return os.EX_CONFIG
    except ProvisionError as error:
        print(f"wlkd transcribe: {error}", file=sys.stderr)
        return os.EX_UNAVAILABLE
    except KeyboardInterrupt:
        return 130


def _problem(args: argparse.Namespace) -> str | None:
    """What makes no sense before anything is begun."""
    if args.output_dir is None:
        if len(args.files) > 1 and args.format in ("srt", "vtt"):
            return f"several files cannot be printed as one {args.format}; add --output-dir"
        return None
    if args.output_dir.exists() and not args.output_dir.is_dir():
        return f"{args.output_dir} is no folder"
    twice = [name for name, times in Counter(path.stem for path in args.files).items() if times > 1]
    if twice:
        return f"two files would both become {twice[0]}{SUFFIXES[args.format]}; transcribe them separately"
    return None


async def _transcribe_all(args: argparse.Namespace) -> int:
    failed = 0
    async with _transcriber(args) as transcribe:
        for path in args.files:
            try:
                with _open(path) as file, ProgressBar(path.name) as report:
                    result = await transcribe(file, report)
                if result.lines or result.failure is None:
                    _write(args, path, WRITERS[args.format](result.lines, str(path)))
                for note in result.notes:
                    place = f" at {seconds(note.start):.1f} s" if note.start else ""
                    print(f"wlkd transcribe: {path}: {note.code}{place}: {note.message}", file=sys.stderr)
                if result.failure is not None:
                    raise result.failure
            except FAILURES as error:
                code = f"{error.code}: " if isinstance(error, SessionError) else ""
                print(f"wlkd transcribe: {path}: {code}{error}", file=sys.stderr)
                failed += 1
    return 1 if failed else 0


def _write(args: argparse.Namespace, path: Path, content: str) -> None:
    if args.output_dir is None:
        if len(args.files) > 1 and args.format == "text":
            print(f"==> {path} <==")
        sys.stdout.write(content)
        sys.stdout.flush()
    else:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        (args.output_dir / (path.stem + SUFFIXES[args.format])).write_text(content, encoding="utf-8")


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


class ProgressBar:
    """A bar in seconds of audio, on a terminal only."""

    def __init__(self, name: str) -> None:
        form = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"
        self._bar = tqdm(total=1.0, desc=name, bar_format=form, leave=False, disable=None)

    def __enter__(self) -> Progress:
        return self._report

    def __exit__(self, *reason: object) -> None:
        self._bar.close()

    def _report(self, done: float, total: float | None) -> None:
        self._bar.total = max(total or done, done, 1.0)
        self._bar.update(max(0.0, done - self._bar.n))


@asynccontextmanager
async def _transcriber(args: argparse.Namespace) -> AsyncIterator[Transcriber]:
    """What turns a file into lines. Raises `ConfigError` and `ProvisionError`."""
    wishes = {name: vars(args)[name] for name in ("language", "task") if vars(args)[name]}
    if args.diarize:
        wishes["diarize"] = "true"
    if args.server:
        if token := os.environ.get("WLKD_TOKEN"):
            wishes["token"] = token
        yield functools.partial(remotely, args.server, wishes)
        return
    from wlkd.daemon.pipeline import running_core

    # The daemon's secrets are for its clients; whoever can read the model needs none, and may not read them.
    secrets = ("auth.tokens_file", "auth.continuation_key", "server.tls_certificate", "server.tls_key")
    config, plugins = configured(args, dict.fromkeys(secrets))
    async with running_core(config, plugins) as core:
        yield functools.partial(locally, core.admission, wishes)


async def locally(sessions: Sessions, wishes: Mapping[str, str], file: BinaryIO, progress: Progress) -> Result:
    """Transcribe a file. Raises `SessionError` when there is no session to be had."""
    size = os.fstat(file.fileno()).st_size
    sent = 0
    async with sessions.open(
        StreamOffer(file=_seekable(file)), transport="transcribe", peer="local", query=dict(wishes), priority="upload"
    ) as session:

        async def send(chunk: bytes) -> None:
            nonlocal sent
            await session.feed(chunk)
            sent += len(chunk)

        async def updates() -> AsyncIterator[Heard]:
            async for update in session.updates():
                received = seconds(update.received)
                # How long a file is nobody knows before its end; its bytes tell roughly, and exactly in the end.
                progress(received - seconds(update.lag), received * size / sent if size and sent else None)
                yield update.lines, update.notes

        return await _converse(file, send, session.finish, updates())


def _seekable(file: BinaryIO) -> BinaryIO | None:
    """The file for a decoder to jump about in; a pipe is none."""
    return file if file.seekable() else None


async def remotely(url: str, wishes: Mapping[str, str], file: BinaryIO, progress: Progress) -> Result:
    """Have a file transcribed by a server. Raises `ClientError` when it takes no stream."""
    wishes = {"words": "true", **wishes}
    if not file.seekable():
        # Bytes that are gone cannot be sent again.
        async with connect(url, pcm=False, wishes=wishes) as stream:
            return await _converse(file, stream.send, stream.end_audio, _watched(stream.updates(), progress))
    heard: Heard = (), ()
    async with connect_resuming(url, FileAudio(file), pcm=False, wishes=wishes, say=_say) as resuming:

        async def listen() -> None:
            nonlocal heard
            async for update in _watched(resuming.updates(), progress):
                heard = update

        failure = await _failure_of(listen())
    return Result(*heard, failure)


def _say(text: str) -> None:
    print(f"wlkd transcribe: {text}", file=sys.stderr)


async def _watched(updates: AsyncIterator[Transcript], progress: Progress) -> AsyncIterator[Heard]:
    async for update in updates:
        if update.lines:
            done = seconds(update.lines[-1].end)
            progress(done, done + update.lag_seconds)
        yield update.lines, update.notes


async def _converse(
    file: BinaryIO,
    send: Callable[[bytes], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
    updates: AsyncIterator[Heard],
) -> Result:
    """Send all of the file and hear `updates`, each with all lines so far, to their end."""
    heard: Heard = (), ()

    async def listen() -> None:
        nonlocal heard
        async for update in updates:
            heard = update

    listener = asyncio.create_task(listen())
    try:
        failure = await _failure_of(_send_all(file, send, end))
        # Who sends sees only that it is over, while words of the audio before are still to come; who listens gets
        # them, and is told why.
        failure = await _failure_of(listener) or failure
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
    return Result(*heard, failure)


async def _send_all(
    file: BinaryIO, send: Callable[[bytes], Awaitable[None]], end: Callable[[], Awaitable[None]]
) -> None:
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            await send(chunk)
    except OSError:
        await end()  # What could be read is worth its words.
        raise
    await end()


async def _failure_of(work: Awaitable[None]) -> Exception | None:
    try:
        await work
    except FAILURES as error:
        return error
    return None
