"""Where `wlkd listen` gets its audio: a recording program, or standard input. Raw 16-bit PCM, 16 kHz, mono."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

READ_BYTES = 3200
"""100 ms."""
QUEUED_READS = 50
COMPLAINT_BYTES, COMPLAINT_LINES = 1000, 3
"""How much of the end of what a recording program said goes into an error message."""

RECORDERS: Mapping[str, Callable[[str | None], list[str]]] = {
    "parec": lambda device: [
        *("parec", "--raw", "--format=s16le", "--rate=16000", "--channels=1", "--latency-msec=100"),
        *([f"--device={device}"] if device else []),
    ],
    "arecord": lambda device: [
        *("arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", "16000", "-c", "1"),
        *(["-D", device] if device else []),
    ],
    "ffmpeg": lambda device: [
        *("ffmpeg", "-v", "error", "-nostdin", "-f", "alsa", "-i", device or "default"),
        *("-ar", "16000", "-ac", "1", "-f", "s16le", "pipe:1"),
    ],
}
"""Programs that record the default or the named device, best first, and how to call them."""


class MicrophoneError(Exception):
    """The microphone cannot be read; the message says the remedy."""


class Source(ABC):
    """Audio as it comes."""

    @abstractmethod
    async def read(self) -> bytes:
        """The next piece; empty: the audio is over. Raises `MicrophoneError`."""

    @abstractmethod
    def stop(self) -> None:
        """No more, please: `read` returns what was heard until now, then nothing."""


class Microphone(Source):
    """A recording program that runs."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._process = process
        self._audio = process.stdout
        # All along: a program whose complaints nobody reads stops recording when the pipe is full.
        self._complaint = asyncio.create_task(_last_lines(process.stderr))
        self._name = name
        self._stopped = False

    async def read(self) -> bytes:
        data = await self._audio.read(READ_BYTES)
        if not data and not self._stopped:
            complaint = await self._complaint
            await self._process.wait()  # Else `stop` would signal a process that asyncio has yet to reap.
            raise MicrophoneError(f"{self._name} stopped: {complaint or 'it did not say why'}; try --device")
        return data

    def stop(self) -> None:
        # Once: to signal a process that has ended reaps it, and asyncio then complains that it is gone.
        if not self._stopped and self._process.returncode is None:
            self._process.terminate()
        self._stopped = True

    async def close(self) -> None:
        """End the program, and wait until it has."""
        self.stop()
        # asyncio tells that a process has ended when its pipes have been read to their ends.
        while await self._audio.read(READ_BYTES):
            pass
        await self._complaint
        await self._process.wait()


async def _last_lines(stream: asyncio.StreamReader) -> str:
    """Read to the end; returns what was said last."""
    said = b""
    while data := await stream.read(READ_BYTES):
        said = (said + data)[-COMPLAINT_BYTES:]
    return "\n".join(said.decode(errors="replace").strip().splitlines()[-COMPLAINT_LINES:])


class StandardInput(Source):
    """A file descriptor, read in a thread of its own: a read from a pipe that stays silent cannot be called off."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(QUEUED_READS)
        self._stopped = False
        self._failure: OSError | None = None
        # A daemon thread, for the same reason: it must not keep the program from ending.
        threading.Thread(target=self._read_all, name="standard input", daemon=True).start()

    async def read(self) -> bytes:
        if self._stopped and self._pieces.empty():
            return b""
        data = await self._pieces.get()
        if not data and self._failure is not None:
            raise MicrophoneError(f"standard input cannot be read: {self._failure.strerror}")
        return data

    def stop(self) -> None:
        self._stopped = True
        if self._pieces.empty():
            self._pieces.put_nowait(b"")  # For a `read` that waits.

    def _read_all(self) -> None:
        data = b" "
        while data and not self._stopped:
            try:
                data = os.read(self._descriptor, READ_BYTES)
            except OSError as error:
                data, self._failure = b"", error
            # Waits while the server is behind, so that the program that writes to us waits too.
            asyncio.run_coroutine_threadsafe(self._pieces.put(data), self._loop).result()


@asynccontextmanager
async def microphone(device: str | None) -> AsyncIterator[Source]:
    """The default microphone, or the one that the recording program knows as `device`.

    Raises `MicrophoneError` when there is no such program.
    """
    name = next((name for name in RECORDERS if shutil.which(name)), None)
    if name is None:
        raise MicrophoneError(f"recording needs one of {', '.join(RECORDERS)}; install one, or pipe PCM to `-`")
    process = await asyncio.create_subprocess_exec(
        *RECORDERS[name](device),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; we then let the program end in good order.
    )
    source = Microphone(process, name)
    try:
        yield source
    finally:
        await source.close()
