"""What wlkd tells systemd, and what it gets from it. Outside systemd every call does nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import sdnotify

LISTEN_FDS_START = 3
"""The first inherited descriptor; sd_listen_fds(3)."""


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


def watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """The unit's WatchdogSec if this process is meant, else None; sd_watchdog_enabled(3)."""
    pid = environment.get("WATCHDOG_PID")
    if pid is not None and pid != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC")
    return int(microseconds) / 1e6 if microseconds else None


def under_systemd(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether standard error goes to the journal, which stamps lines itself."""
    return "JOURNAL_STREAM" in environment


@dataclass(frozen=True)
class InheritedSockets:
    """Listening sockets from socket activation, by port. Who takes one owns it."""

    by_port: dict[int, socket.socket]

    def take(self, port: int) -> socket.socket | None:
        """The socket that listens on `port`, if there is one."""
        return self.by_port.pop(port, None)

    def __bool__(self) -> bool:
        return bool(self.by_port)

    def close(self) -> None:
        """Close those that nobody took."""
        while self.by_port:
            self.by_port.popitem()[1].close()


def inherited_sockets(environment: Mapping[str, str] = os.environ) -> InheritedSockets:
    """The sockets of `wlkd.socket`; sd_listen_fds(3)."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return InheritedSockets({})
    count = int(environment.get("LISTEN_FDS", "0"))
    sockets: dict[int, socket.socket] = {}
    for descriptor in range(LISTEN_FDS_START, LISTEN_FDS_START + count):
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
        sock.setblocking(False)
        sockets[sock.getsockname()[1]] = sock
    return InheritedSockets(sockets)
