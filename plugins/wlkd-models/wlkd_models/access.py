"""Whether files can be read, by us and by the service's user, and the remedy where they cannot."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path


def absent(path: Path) -> bool:
    """Is there surely nothing at `path`? What lies in a folder that one may not enter is not absent."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def contents(folder: Path) -> list[Path]:
    """What is in `folder`, in order; nothing, when it is absent or may not be entered."""
    return sorted(folder.iterdir()) if os.access(folder, os.R_OK | os.X_OK) and folder.is_dir() else []


def explain(path: Path, error: OSError) -> str:
    """Why `path` cannot be read, with the remedy."""
    if isinstance(error, NotADirectoryError) and path.exists():
        return f"{path}: is not a folder"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{path}: is missing"
    if not isinstance(error, PermissionError):
        return f"{path}: cannot be read: {error.strerror or error}"
    user = user_name(os.geteuid())
    barrier = next((folder for folder in reversed(path.parents) if not os.access(folder, os.X_OK)), None)
    if barrier is not None:
        return f"{path}: user {user} cannot enter {barrier}; `chmod a+rx {barrier}`"
    details = path.stat()
    mode = stat.S_IMODE(details.st_mode)
    owner = user_name(details.st_uid)
    remedy = "a+rx" if stat.S_ISDIR(details.st_mode) else "a+r"
    return f"{path}: user {user} cannot read it (mode {mode:04o}, owner {owner}); `chmod {remedy} {path}`"


def read_fault(path: Path) -> str | None:
    """Why the file at `path` cannot be read, with the remedy; None: it can."""
    try:
        path.open("rb").close()
    except OSError as error:
        return explain(path, error)
    return None


def folder_fault(folder: Path) -> str | None:
    """Why there is no folder at `folder`; None: there is one, or one may not look."""
    try:
        next(folder.iterdir(), None)
    except PermissionError:
        return None
    except OSError as error:
        return explain(folder.absolute(), error)
    return None


def user_name(uid: int) -> str:
    """A user's name; the number where there is none, as in a container."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_public(path: Path) -> bool:
    """Whether every user may read `path`, and enter it if it is a folder."""
    mode = path.stat().st_mode
    needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return mode & needed == needed
