"""Transcribe files along the same path as live streams, in this process or through a server.

  wlkd transcribe talk.webm > talk.txt
  wlkd transcribe --format srt,json --output-dir transcripts/ recordings/ talk.mp4
  wlkd transcribe --server ws://localhost:7100/asr talk.webm

Without --server the configured model is loaded into this process, so that no daemon is needed. The token for a server
comes from the environment variable WLKD_TOKEN. With --output-dir you can interrupt the command and run it again: it
skips files whose transcripts are there.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from wlkd.cli.common import add_config_arguments, configured
from wlkd.cli.outputs import STANDARD_INPUT, Folder, OutputFailed, OutputProblem, Printed, Source, formats, sources
from wlkd.client import ClientError, FileAudio, Transcript, connect, connect_resuming
from wlkd.contract.audio import seconds
from wlkd.contract.errors import ConfigError, ProvisionError, SessionError
from wlkd.contract.host import Sessions
from wlkd.contract.types import Line, Note, StreamOffer

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
Outputs = Printed | Folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wlkd transcribe`."""
    parser.add_argument(
        "files",
        nargs="+",
        type=_source,
        metavar="FILE",
        help="WebM, Ogg, MP3, MP4, FLAC, WAV, ..., or folders of them; -: what comes through a pipe",
    )
    parser.add_argument(
        "--server", metavar="URL", help="send to this server, such as http://HOST:PORT, instead of loading a model"
    )
    parser.add_argument("--language", metavar="CODE", help="what is spoken, or auto (default: as configured)")
    parser.add_argument("--task", choices=("transcribe", "translate"), help="translate: into English")
    parser.add_argument(
        "--target-language",
        metavar="CODE",
        help="translate into this language (the configuration's translator): printed in the place of what was spoken; "
        "with --output-dir talk.pt.srt beside talk.srt",
    )
    parser.add_argument("--diarize", action="store_true", help="tell speakers apart (the configuration's diarizer)")
    parser.add_argument(
        "--format",
        dest="formats",
        type=_formats,
        default=["text"],
        metavar="NAME[,NAME]",
        help="txt, srt, vtt, json, or several of them for --output-dir (default: txt)",
    )
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="a file for each FILE (default: print)")
    parser.add_argument("--overwrite", action="store_true", help="transcribe files again that are in --output-dir")
    add_config_arguments(parser)


def _source(text: str) -> Path:
    return STANDARD_INPUT if text == "-" else Path(text)


def _formats(text: str) -> list[str]:
    try:
        return formats(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(args: argparse.Namespace) -> int:
    """0: everything is transcribed; 64, 69, 78: nothing was begun.

    1: a file failed; what was understood of it before is written, and the others are done. 74: what was understood
    cannot be written, and nothing more was begun.
    """
    files, problems = sources(args.files)
    try:
        outputs = _outputs(args, files)
        return asyncio.run(_transcribe_all(args, files, problems, outputs))
    except OutputProblem as problem:
        _complain(str(problem))
        return os.EX_USAGE
    except OutputFailed as failure:
        _complain(str(failure))
        return os.EX_IOERR
    except ConfigError as error:
        print(error, file=sys.stderr)
        return os.EX_CONFIG
    except ProvisionError as error:
        _complain(str(error))
        return os.EX_UNAVAILABLE
    except KeyboardInterrupt:
        # All is closed. The interpreter would wait for a batch that is being computed, for many seconds on a slow
        # machine, and crash if it is interrupted there.
        os._exit(130)


def _outputs(args: argparse.Namespace, files: Sequence[Source]) -> Outputs:
    if args.output_dir is None:
        return Printed(args.formats, files, args.target_language)
    return Folder(args.output_dir, args.formats, files, overwrite=args.overwrite, target=args.target_language)


async def _transcribe_all(
    args: argparse.Namespace, files: Sequence[Source], problems: Sequence[str], outputs: Outputs
) -> int:
    tally = Tally(failed=len(problems))
    for problem in problems:
        _complain(problem)
    waiting = [source for source in files if not outputs.is_done(source)]
    tally.skipped = len(files) - len(waiting)
    if waiting:
        outputs.prepare()
        async with _transcriber(args) as transcribe:
            for number, source in enumerate(waiting, start=1):
                place = f"{number}/{len(waiting)} " if len(waiting) > 1 else ""
                try:
                    await _transcribe_one(source, place + source.path.name, transcribe, outputs, tally)
                    tally.done += 1
                except BrokenPipeError:
                    raise  # Nobody reads what is printed, nor would anybody read what comes.
                except FAILURES as error:
                    code = f"{error.code}: " if isinstance(error, SessionError) else ""
                    _complain(f"{source.path}: {code}{error}")
                    tally.failed += 1
    if args.output_dir is not None:
        print(tally, file=sys.stderr)
    return 1 if tally.failed else 0


async def _transcribe_one(source: Source, label: str, transcribe: Transcriber, outputs: Outputs, tally: Tally) -> None:
    """Write what a file says, and tell what else there is to say of it. Raises one of `FAILURES` where it could not be
    heard to its end, once the words before are written."""
    with _open(source.path) as file, ProgressBar(label) as report:
        result = await transcribe(file, report)
    tally.seconds += report.seconds
    for note in result.notes:
        at = f" at {seconds(note.start):.1f} s" if note.start else ""
        _complain(f"{source.path}: {note.code}{at}: {note.message}")
    if result.lines or result.failure is None:
        outputs.write(source, result.lines, complete=result.failure is None)
    if result.failure is not None:
        raise result.failure
    if all(line.is_silence for line in result.lines):
        _complain(f"{source.path}: nobody speaks in it")


def _complain(problem: str) -> None:
    print(f"wlkd transcribe: {problem}", file=sys.stderr)


def _open(path: Path) -> BinaryIO:
    """Raises `OSError`."""
    # No decoder objects to no bytes at all, and the file would pass for one in which nobody speaks.
    if path.is_file() and path.stat().st_size == 0:
        raise OSError("the file is empty")
    return path.open("rb")


class Tally:
    """What has become of all files."""

    def __init__(self, failed: int = 0) -> None:
        self.done = 0
        self.failed = failed
        self.skipped = 0
        self.seconds = 0.0
        """Of audio heard now."""
        self._began = time.monotonic()

    def __str__(self) -> str:
        spent = time.monotonic() - self._began
        parts = [f"{self.done} transcribed, {clock(self.seconds)} of audio in {clock(spent)}"]
        if self.done:
            parts[0] += f" ({self.seconds / max(spent, 0.001):.1f} x)"
        if self.skipped:
            parts.append(f"{self.skipped} done before")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return "; ".join(parts)


class ProgressBar:
    """A bar in seconds of audio, with how many of them a second takes; on a terminal only."""

    def __init__(self, name: str) -> None:
        form = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio{postfix} [{elapsed}<{remaining}]"
        self._bar = tqdm(total=1.0, desc=name, bar_format=form, leave=False, mininterval=0, disable=None)
        self._began = time.monotonic()
        self.seconds = 0.0
        """Of audio done."""

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *reason: object) -> None:
        self._bar.close()

    def __call__(self, done: float, total: float | None) -> None:
        """`done` of `total` seconds of audio are transcribed; None: nobody knows of how many."""
        speed = done / max(time.monotonic() - self._began, 0.001)
        self._bar.set_postfix_str(f"{speed:.1f} x", refresh=False)
        self._bar.total = max(total or done, done, 1.0)
        self._bar.update(max(0.0, done - self.seconds))
        self.seconds = max(self.seconds, done)


def clock(seconds: float) -> str:
    """`7 s`, `3:07 min`, `2:03:07 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} h"


@asynccontextmanager
async def _transcriber(args: argparse.Namespace) -> AsyncIterator[Transcriber]:
    """What turns a file into lines. Raises `ConfigError` and `ProvisionError`."""
    wishes = {name: vars(args)[name] for name in ("language", "task", "target_language") if vars(args)[name]}
    if args.diarize:
        wishes["diarize"] = "true"
    if args.server:
        if token := os.environ.get("WLKD_TOKEN"):
            wishes["token"] = token
        yield functools.partial(remotely, args.server, wishes)
        return
    from wlkd.daemon.pipeline import running_core

    # The daemon's secrets are for its clients. This command loads the model itself and needs none.
    secrets = ("auth.tokens_file", "auth.continuation_key", "server.tls_certificate", "server.tls_key")
    # Nor is there a first client that a warm-up could spare the wait, or a crowd to find out how many fit.
    config, plugins = configured(args, {**dict.fromkeys(secrets), "warmup": False})
    async with running_core(config, plugins) as core:
        yield functools.partial(locally, core.admission, wishes)


async def locally(sessions: Sessions, wishes: Mapping[str, str], file: BinaryIO, progress: Progress) -> Result:
    """Transcribe a file. Raises `SessionError` when no session can be opened."""
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
    wishes = {"words": "true", "priority": "upload", **wishes}
    if not file.seekable():
        # Bytes that are gone cannot be sent again.
        async with connect(url, pcm=False, wishes=wishes) as stream:
            return await _converse(file, stream.send, stream.end_audio, _watched(stream.updates(), progress))
    heard: Heard = (), ()
    async with connect_resuming(url, FileAudio(file), pcm=False, wishes=wishes, say=_complain) as resuming:

        async def listen() -> None:
            nonlocal heard
            async for update in _watched(resuming.updates(), progress):
                heard = update

        failure = await _failure_of(listen())
    return Result(*heard, failure)


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
