"""What wlkd tells systemd, and what it gets from it. Outside systemd every call does nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping

import sdnotify

from wlkd.host.addresses import with_port

LISTEN_FDS_START = 3
"""The first inherited descriptor; sd_listen_fds(3)."""
STANDARD_ERROR = 2


class Notifier:
    """sd_notify(3), one method a message."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        self._status = ""

    def ready(self) -> None:
        """Start-up, or a reload, is complete."""
        self._notifier.notify("READY=1")

    def reloading(self, monotonic_microseconds: int) -> None:
        """A reload begins; `ready()` ends it."""
        self._notifier.notify(f"RELOADING=1\nMONOTONIC_USEC={monotonic_microseconds}")

    def stopping(self) -> None:
        """The shutdown begins."""
        self._notifier.notify("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        if text != self._status:
            self._status = text
            self._notifier.notify(f"STATUS={text}")

    def extend_timeout(self, seconds: float) -> None:
        """Start-up or shutdown goes on: be patient for `seconds` from now."""
        self._notifier.notify(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def watchdog(self) -> None:
        """The daemon is alive."""
        self._notifier.notify("WATCHDOG=1")

    def trigger_watchdog(self) -> None:
        """The daemon is not well: treat it as if the watchdog had run out."""
        self._notifier.notify("WATCHDOG=trigger")


def watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """The unit's WatchdogSec if this process is meant, else None; sd_watchdog_enabled(3)."""
    pid = environment.get("WATCHDOG_PID")
    if pid is not None and pid != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC")
    return int(microseconds) / 1e6 if microseconds else None


def under_systemd(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether standard error goes to the journal, which stamps lines itself; systemd.exec(5), JOURNAL_STREAM.

    A program that ours starts, or that a unit starts with its output elsewhere, inherits the variable alone.
    """
    try:
        stderr = os.fstat(STANDARD_ERROR)
    except OSError:  # closed
        return False
    return environment.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"


class InheritedSockets:
    """Listening sockets from socket activation. Who takes one owns it."""

    def __init__(self, sockets: Iterable[socket.socket] = (), others: Iterable[str] = ()) -> None:
        """`others`: addresses of sockets that are not TCP, which nobody can take."""
        self._sockets = list(sockets)
        self._others = list(others)
        self.activated = bool(self._sockets)
        """Systemd holds our sockets, also while nobody serves them."""

    def take(self, host: str, port: int) -> socket.socket | None:
        """The socket that listens on `port`, if there is one; of several the one that is bound to `host`."""
        candidates = [sock for sock in self._sockets if sock.getsockname()[1] == port]
        if not candidates:
            return None
        chosen = next((sock for sock in candidates if sock.getsockname()[0] == host), candidates[0])
        self._sockets.remove(chosen)
        return chosen

    @property
    def untaken(self) -> list[str]:
        """Addresses on which clients would wait in vain."""
        return [with_port(*sock.getsockname()[:2]) for sock in self._sockets] + self._others

    def close(self) -> None:
        """Close those that nobody took."""
        while self._sockets:
            self._sockets.pop().close()


def inherited_sockets(environment: Mapping[str, str] = os.environ) -> InheritedSockets:
    """The sockets of `wlkd.socket`; sd_listen_fds(3). Only TCP is used, anything else is left alone."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return InheritedSockets()
    count = int(environment.get("LISTEN_FDS", "0"))
    sockets, others = [], []
    for descriptor in range(LISTEN_FDS_START, LISTEN_FDS_START + count):
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setblocking(False)
            sockets.append(sock)
        else:
            others.append(str(sock.getsockname()))
            sock.detach()
    return InheritedSockets(sockets, others)
