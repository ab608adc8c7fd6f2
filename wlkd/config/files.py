"""Files that cannot be read: who tried, and what their mode says."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path


def user_name() -> str:
    """The user that this process runs as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a user of a container or of systemd that has no entry
        return str(os.geteuid())


def mode_of(path: Path) -> str:
    """Mode and owner of `path`, in brackets behind a sentence; empty where nobody may tell."""
    try:
        status = path.stat()
    except OSError:  # a folder above may not be entered, so there is nothing to tell
        return ""
    return f" (mode {stat.filemode(status.st_mode)}, owner uid {status.st_uid})"
