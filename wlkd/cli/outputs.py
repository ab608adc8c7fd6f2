"""Which files to transcribe, and where what they say goes."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wlkd.contract.types import Line
from wlkd.transports.subtitles import SUFFIXES, WRITERS, translated

# fmt: off
MEDIA_SUFFIXES = frozenset(
    {".aac", ".ac3", ".aif", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".m4b", ".mka", ".mp2", ".mp3",
    ".oga", ".ogg", ".opus", ".wav", ".weba", ".wma", ".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4",
    ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
# fmt: on
"""What is looked for in folders. A file that is named itself may be called anything."""


STANDARD_INPUT = Path("/dev/stdin")
BILINGUAL = frozenset({"json"})
"""Formats that hold what was spoken and its translation together."""


class OutputProblem(Exception):
    """The wishes contradict each other, or cannot be met here; the message says how."""


class OutputFailed(Exception):
    """Nothing more can be written; the message says where, and why."""


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What the system says where no other file can be written either."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to transcribe."""

    path: Path
    stem: Path
    """Its place below the output folder, without the suffix of what is written there."""

    @property
    def name(self) -> str:
        """The path as text: names of files are bytes, and need not be UTF-8."""
        return os.fsencode(self.path).decode("utf-8", "replace")


def sources(paths: Sequence[Path]) -> tuple[list[Source], list[str]]:
    """The files among `paths` and in the folders among them, sorted within a folder, and what is wrong with some."""
    found: list[Source] = []
    problems: list[str] = []
    for path in paths:
        if not _is_folder(path):
            found.append(Source(path, Path(path.stem)))
            continue
        inside = [Source(file, file.relative_to(path).with_suffix("")) for file in _media_in(path, problems)]
        if not inside:
            problems.append(f"{path}: no audio or video file in this folder; name files of other kinds themselves")
        found += inside
    return _told_apart(list(dict.fromkeys(found))), problems


def _told_apart(found: Sequence[Source]) -> list[Source]:
    """With the suffix kept in the stem, where that alone tells two files apart: `talk.wav` and `talk.mp3`."""
    whole = {source: source.stem.with_name(source.path.name) for source in found}
    stems, wholes = Counter(source.stem for source in found), Counter(whole.values())
    return [
        Source(source.path, whole[source]) if stems[source.stem] > 1 and wholes[whole[source]] == 1 else source
        for source in found
    ]


def _media_in(folder: Path, problems: list[str]) -> list[Path]:
    """Hidden files and folders are left alone, and what is no file: a named pipe would be waited for."""
    files: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=lambda error: problems.append(str(error))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and path.suffix.lower() in MEDIA_SUFFIXES and _is_file(path):
                files.append(path)
    return files


def _is_folder(path: Path) -> bool:
    """What may not be looked at is none: it fails when its turn comes."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    """A link that leads nowhere counts as one, and what may not be looked at: they fail when their turn comes."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


class Printed:
    """Everything goes to stdout."""

    def __init__(self, formats: Sequence[str], files: Sequence[Source], target: str | None = None) -> None:
        """`target`: the language to print, instead of what was spoken. Raises `OutputProblem`."""
        if len(formats) > 1:
            raise OutputProblem(f"{' and '.join(formats)} cannot be printed together; add --output-dir")
        self._format = formats[0]
        self._target = target
        self._several = len(files) > 1
        if self._several and self._format in ("srt", "vtt"):
            raise OutputProblem(f"several files cannot be printed as one {self._format}; add --output-dir")

    def is_done(self, source: Source) -> bool:
        return False

    def prepare(self) -> None: ...

    def write(self, source: Source, lines: Sequence[Line], *, complete: bool) -> None:
        """Raises `OutputFailed`, or `BrokenPipeError` where nobody reads."""
        heading = f"==> {source.name} <==\n" if self._several and self._format == "text" else ""
        try:
            sys.stdout.write(heading + _written(self._format, lines, source, self._target))
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(f"{source.path}: what was heard cannot be printed: {error.strerror}") from error


class Folder:
    """A file, or one in each format, for each source. What is there is complete: it appears under its name when the
    last byte is written, and the words before a failure are called `.partial`."""

    def __init__(
        self,
        folder: Path,
        formats: Sequence[str],
        files: Sequence[Source],
        *,
        overwrite: bool,
        target: str | None = None,
    ) -> None:
        """`overwrite`: nothing counts as done. `target`: a language that is written too, as `talk.pt.srt` beside
        `talk.srt`. Raises `OutputProblem`."""
        twice = [stem for stem, times in Counter(source.stem for source in files).items() if times > 1]
        if twice:
            raise OutputProblem(
                f"two files would both become {twice[0]}{SUFFIXES[formats[0]]}; run the command for each, "
                "with an --output-dir of its own"
            )
        self._folder = folder
        self._formats = formats
        self._overwrite = overwrite
        self._target = target

    def is_done(self, source: Source) -> bool:
        """Everything is there, and no older than the source."""
        # Another recording may come through standard input each time, however old it is.
        if self._overwrite or source.path == STANDARD_INPUT:
            return False
        try:
            changed = source.path.stat().st_mtime_ns
            return all(path.stat().st_mtime_ns >= changed for path in self._paths(source).values())
        except OSError:
            return False

    def prepare(self) -> None:
        """Make the folder and see that files can be made in it, before hours of work that is for it. Raises
        `OutputProblem`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except FileExistsError as error:
            raise OutputProblem(f"{self._folder} is not a folder") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputProblem(
                f"nothing can be written to {self._folder}: {reason}; name a folder of your own with --output-dir"
            ) from error

    def write(self, source: Source, lines: Sequence[Line], *, complete: bool) -> None:
        """Raises `OutputFailed`; `OSError` for what cannot be written of this file only."""
        for (name, target), path in self._paths(source).items():
            partial = path.with_name(f"{path.name}.partial")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial.write_text(_written(name, lines, source, target), encoding="utf-8")
            except OSError as error:
                if error.errno not in FULL:
                    raise
                # Half of a transcript would take the little room that is left.
                with suppress(OSError):
                    partial.unlink()
                raise OutputFailed(
                    f"{path} cannot be written: {error.strerror}; make room and run the command again: it leaves out "
                    "what is done"
                ) from error
            if complete:
                partial.replace(path)
            else:
                # An older transcript of a file that fails now says nothing about it.
                with suppress(FileNotFoundError):
                    path.unlink()

    def _paths(self, source: Source) -> Mapping[tuple[str, str | None], Path]:
        """By format and language; None: what was spoken."""
        stem = self._folder / source.stem
        paths: dict[tuple[str, str | None], Path] = {}
        for name in self._formats:
            paths[name, None] = stem.with_name(stem.name + SUFFIXES[name])
            if self._target is not None and name not in BILINGUAL:
                paths[name, self._target] = stem.with_name(f"{stem.name}.{self._target}{SUFFIXES[name]}")
        return paths


def _written(name: str, lines: Sequence[Line], source: Source, target: str | None) -> str:
    """The lines in the format `name`, in the language `target`; None: as they were spoken."""
    chosen = lines if target is None or name in BILINGUAL else translated(lines, target)
    return WRITERS[name](chosen, source.name)


def formats(text: str) -> list[str]:
    """`srt,json` as names of formats. Raises `ValueError` with those there are."""
    names = ["text" if name == "txt" else name for name in _listed(text)]
    if unknown := [name for name in names if name not in WRITERS]:
        raise ValueError(f"{unknown[0]}: known are txt, {', '.join(name for name in WRITERS if name != 'text')}")
    return list(dict.fromkeys(names))


def _listed(text: str) -> Iterator[str]:
    return (name.strip().lower() for name in text.split(","))
