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
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from tqdm import tqdm

from wlkd.audio import seconds
from wlkd.cli.common import add_config_arguments, configured
from wlkd.client import ClientError, connect
from wlkd.errors import ConfigError, ProvisionError, SessionError
from wlkd.interfaces import Sessions
from wlkd.subtitles import SUFFIXES, WRITERS
from wlkd.types import Line, StreamOffer

CHUNK_BYTES = 64 * 1024
REASON_SECONDS = 5.0
"""After sending has failed, how long to wait for the answer that says why."""

T = TypeVar("T")
Progress = Callable[[float, float | None], None]
"""Hears of the seconds of audio done, and of all seconds as far as known."""
Transcriber = Callable[[BinaryIO, Progress], Awaitable[Sequence[Line]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wlkd transcribe`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="WebM, Ogg, MP3, MP4, FLAC, WAV, ...")
    parser.add_argument("--server", metavar="URL", help="send to this /asr address instead of loading a model")
    parser.add_argument("--language", metavar="CODE", help="what is spoken, or auto (default: as configured)")
    parser.add_argument("--task", choices=("transcribe", "translate"), help="translate: into English")
    parser.add_argument("--format", choices=tuple(WRITERS), default="text", help="default: text")
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="a file for each FILE (default: print)")
    add_config_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """0: everything is transcribed; 1: a file failed, and the others are done; 69, 78: nothing was begun."""
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
                    lines = await transcribe(file, report)
                _write(args, path, WRITERS[args.format](lines, str(path)))
            except (SessionError, ClientError, OSError) as error:
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
    if args.server:
        if token := os.environ.get("WLKD_TOKEN"):
            wishes["token"] = token
        yield functools.partial(remotely, args.server, wishes)
        return
    from wlkd.core import running_core

    # The daemon's secrets are for its clients; whoever can read the model needs none, and may not read them.
    secrets = ("auth.tokens_file", "server.tls_certificate", "server.tls_key")
    config, plugins = configured(args, dict.fromkeys(secrets))
    async with running_core(config, plugins) as core:
        yield functools.partial(locally, core.admission, wishes)


async def locally(sessions: Sessions, wishes: Mapping[str, str], file: BinaryIO, progress: Progress) -> Sequence[Line]:
    """The lines of a file. Raises `SessionError`, and `OSError` when reading fails."""
    size = os.fstat(file.fileno()).st_size
    sent = 0
    async with sessions.open(
        StreamOffer(), transport="transcribe", peer="local", query=dict(wishes), priority="batch"
    ) as session:

        async def send(chunk: bytes) -> None:
            nonlocal sent
            await session.feed(chunk)
            sent += len(chunk)

        async def collect() -> Sequence[Line]:
            lines: Sequence[Line] = ()
            async for update in session.updates():
                lines = update.lines
                received = seconds(update.received)
                # How long a file is nobody knows before its end; its bytes tell roughly, and exactly in the end.
                progress(received - seconds(update.lag), received * size / sent if size and sent else None)
            return lines

        return await _send_file(file, send, session.finish, collect())


async def remotely(url: str, wishes: Mapping[str, str], file: BinaryIO, progress: Progress) -> Sequence[Line]:
    """The lines of a file, from a server. Raises `ClientError`, and `OSError` when reading fails."""
    async with connect(url, pcm=False, wishes={"words": "true", **wishes}) as stream:

        async def collect() -> Sequence[Line]:
            lines: Sequence[Line] = ()
            async for update in stream.updates():
                lines = update.lines
                if lines:
                    progress(seconds(lines[-1].end), seconds(lines[-1].end) + update.lag_seconds)
            return lines

        return await _send_file(file, stream.send, stream.end_audio, collect())


async def _send_file(
    file: BinaryIO,
    send: Callable[[bytes], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
    answer: Coroutine[None, None, T],
) -> T:
    """Send all of the file while `answer` is collected; returns the answer."""
    reader = asyncio.create_task(answer)
    try:
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                await send(chunk)
            await end()
        except (SessionError, ClientError):
            # Who sends sees only that it is over; who listens is told why.
            done, _ = await asyncio.wait((reader,), timeout=REASON_SECONDS)
            if not done:
                raise
        return await reader
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
