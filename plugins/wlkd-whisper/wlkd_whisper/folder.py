"""The models folder: where each half of a size lies, and whether it can be read."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

ENCODER_PREFIX = "faster-whisper-"
DECODER_PREFIX = "pytorch-whisper-"


def encoder_dir(models_dir: Path, size: str) -> Path:
    """The encoder's folder, in CTranslate2's format."""
    return models_dir / f"{ENCODER_PREFIX}{size}"


def decoder_file(models_dir: Path, size: str) -> Path:
    """The decoder's checkpoint, in PyTorch's format."""
    return models_dir / f"{DECODER_PREFIX}{size}" / f"{size}.pt"


def absent(path: Path) -> bool:
    """Is there surely nothing at `path`? What lies in a folder that one may not enter is not absent."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def sizes_in(models_dir: Path) -> list[str]:
    """Every size of which the folder holds at least one half, in order. Raises OSError."""
    return sorted(
        {
            entry.name.removeprefix(prefix)
            for entry in models_dir.iterdir()
            for prefix in (ENCODER_PREFIX, DECODER_PREFIX)
            if entry.name.startswith(prefix)
        }
    )


def contents(folder: Path) -> list[Path]:
    """What is in `folder`, in order; nothing, when it is absent or may not be entered."""
    return sorted(folder.iterdir()) if os.access(folder, os.R_OK | os.X_OK) and folder.is_dir() else []


def explain(path: Path, error: OSError) -> str:
    """Why `path` cannot be read, with the remedy."""
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


def user_name(uid: int) -> str:
    """A user's name; the number where there is none, as in a container."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def private_paths(models_dir: Path, size: str) -> list[Path]:
    """What another user, such as the service's, cannot read although its reader here can.

    What cannot even be looked at here is left out: `check_pair` tells about it.
    """
    decoder = decoder_file(models_dir, size)
    encoder = encoder_dir(models_dir, size)
    candidates = [encoder, decoder.parent, decoder, *contents(encoder)]
    return [path for path in candidates if os.access(path, os.R_OK) and not _public(path)]


def _public(path: Path) -> bool:
    mode = path.stat().st_mode
    needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return mode & needed == needed
