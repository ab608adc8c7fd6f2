"""Whether the daemon's ports are free on this machine, or served by a daemon that is running already."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from wlkd.config.options import Config
from wlkd.contract.errors import Problem
from wlkd.host.addresses import EVERYWHERE, refused, with_port

ANSWER_SECONDS = 1.0
"""What a daemon here gets to say that it is one."""


@dataclass(frozen=True, slots=True)
class _Listener:
    """Where something is to listen."""

    section: str
    prefix: str
    """Of the options `host` and `port`: empty, or that of a second port of the section, as `audiosocket_`."""
    host: str
    port: int
    shares: bool
    """It is the HTTP server's, which everything with the same address shares."""

    def clashes(self, other: _Listener) -> bool:
        if self.port != other.port or (self.shares and other.shares and self.host == other.host):
            return False
        return self.host == other.host or not EVERYWHERE.isdisjoint({self.host, other.host})


def ports_in_use(config: Config) -> Iterator[Problem]:
    """The ports of the server and of the transports that two of them want, or on which another program listens."""
    before: list[_Listener] = []
    ours = False
    for listener in _listeners(config):
        host, port = listener.host, listener.port
        place = f"{listener.section}.{listener.prefix}"
        if rival := next(filter(listener.clashes, before), None):
            yield Problem(f"{place}port", f"{rival.section} listens on port {port} too; give one of them another port")
        elif (host, port) not in {(one.host, one.port) for one in before}:
            error = _refusal(host, port)
            if error is not None and error.errno not in (errno.EADDRINUSE, errno.EACCES):
                yield Problem(f"{place}host", refused(host, port, error))
            elif error is not None:
                # systemd may hold a port for the daemon that the account of the service may not take.
                ours = ours or (_is_ours(config) if not before else _is_held_by_wlkd(port))
                if not ours and error.errno == errno.EACCES:
                    yield Problem(f"{place}port", refused(host, port, error))
                elif not ours:
                    yield Problem(
                        f"{place}port",
                        f"another program listens on port {port}: `ss -ltnp 'sport = :{port}'` names it",
                    )
        before.append(listener)


def _listeners(config: Config) -> Iterator[_Listener]:
    """The server first."""
    server = config.server
    yield _Listener("server", "", server.host, server.port, shares=True)
    for name, options in config.transports.items():
        said = options.model_dump()
        if isinstance(said.get("port", ""), int | None):
            # A port that may be left out is one of the HTTP server.
            shares = type(options).model_fields["port"].default is None
            host, port = said.get("host") or server.host, said["port"] or server.port
            yield _Listener(f"transports.{name}", "", host, port, shares)
        for prefix in (option.removesuffix("port") for option in said if option.endswith("_port")):
            if isinstance(said[f"{prefix}port"], int):
                host = said.get(f"{prefix}host") or server.host
                yield _Listener(f"transports.{name}", prefix, host, said[f"{prefix}port"], shares=False)


def _refusal(host: str, port: int) -> OSError | None:
    """What the system says to somebody who wants to listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
    except OSError as error:
        return error
    return None


def _is_ours(config: Config) -> bool:
    """Whether a wlkd daemon answers there: then a check before its restart must not report a conflict."""
    server = config.server
    address = with_port("127.0.0.1" if server.host in EVERYWHERE else server.host, server.port)
    anybody = ssl.create_default_context()
    # Its certificate is for the name that clients use; what is asked is no secret, and nothing is sent.
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    # No proxy knows the addresses of this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anybody))
    # Both: what is checked may be the change from one to the other.
    return any(_is_wlkd_at(f"{scheme}://{address}/plugins", opener) for scheme in ("http", "https"))


def _is_wlkd_at(url: str, opener: urllib.request.OpenerDirector) -> bool:
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            return b'"components"' in answer.read(64)
    except (OSError, HTTPException):
        return False


def _is_held_by_wlkd(port: int) -> bool:
    """Whether a wlkd listens on a transport's port, as far as this user may see: its `server.port` may have been
    another one when it was started."""
    tables = Path("/proc/self/net").glob("tcp*")  # no tcp6 where IPv6 is off
    rows = (row.split() for table in tables for row in table.read_text().splitlines())
    # proc_net_tcp.txt: the local address, the state (0A: listening), the inode.
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    return any(sockets & _opened_by(process) for process in Path("/proc").glob("[0-9]*") if _is_wlkd(process))


def _is_wlkd(process: Path) -> bool:
    with suppress(OSError):  # It is over.
        return any(Path(os.fsdecode(word)).name == "wlkd" for word in (process / "cmdline").read_bytes().split(b"\0"))
    return False


def _opened_by(process: Path) -> set[str]:
    opened: set[str] = set()
    with suppress(OSError):  # It is somebody else's.
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):  # Closed meanwhile.
                opened.add(str(descriptor.readlink()))
    return opened
