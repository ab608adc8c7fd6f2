"""Logging for a terminal and for the journal: one line per event, the libraries quiet."""

from __future__ import annotations

import io
import logging
import sys
import warnings

from wlkd.host.systemd import under_systemd

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""Level from which on a record has this syslog priority; sd-daemon(3)."""


class _JournalFormatter(logging.Formatter):
    """`<priority>name: message`; the journal adds the time. One record stays one event, its lines all prefixed."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def _ours_or_serious(record: logging.LogRecord) -> bool:
    """wlkd and its plugins say what they like; libraries only what somebody has to act on."""
    return record.name.startswith("wlkd") or record.levelno >= logging.WARNING


def complain(problem: object) -> None:
    """Say on standard error why the daemon cannot start: to a person as it is, to the journal as an error."""
    mark = "<3>" if under_systemd() else ""
    print(*(f"{mark}{line}" for line in str(problem).splitlines()), sep="\n", file=sys.stderr)


def set_up_logging(level: str) -> None:
    """Send wlkd's records of `level` and above to standard error, and the libraries' warnings."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a plugin prints must reach the journal when it is printed, not when a buffer is full.
        sys.stdout.reconfigure(line_buffering=True)
    handler = logging.StreamHandler(sys.stderr)
    if under_systemd():
        handler.setFormatter(_JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    handler.addFilter(_ours_or_serious)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    # It warns of each header of a form that makes no sense, with all of it, and Python keeps every warning for good.
    warnings.filterwarnings("ignore", module=r"aiohttp\.multipart")
    # It warns of subprotocols that nobody here knows, with all of them, and browsers send their token as one.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
