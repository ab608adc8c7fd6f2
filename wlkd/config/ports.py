"""Whether the daemon's port is free on this machine, or served by a daemon that is running already."""

from __future__ import annotations

import errno
import socket
import urllib.request
from collections.abc import Iterator

from wlkd.config.options import Config
from wlkd.contract.errors import Problem

ANSWER_SECONDS = 1.0
"""What a daemon here gets to say that it is one."""


def ports_in_use(config: Config) -> Iterator[Problem]:
    """The server's port, if another program listens on it."""
    host, port = config.server.host, config.server.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            yield Problem("server.host", f"cannot listen on {host}:{port}: {error.strerror or error}")
        elif not _is_ours(config):
            yield Problem(
                "server.port", f"another program listens on port {port}: `ss -ltnp 'sport = :{port}'` names it"
            )


def _is_ours(config: Config) -> bool:
    """Whether a wlkd daemon answers there: then a check before its restart must not report a conflict."""
    if config.server.tls_certificate is not None:
        return True  # Asking would need its certificate's name; the start tells in the worst case.
    host = "127.0.0.1" if config.server.host in ("0.0.0.0", "::") else config.server.host
    try:
        with urllib.request.urlopen(f"http://{host}:{config.server.port}/plugins", timeout=ANSWER_SECONDS) as answer:
            return b'"components"' in answer.read(64)
    except OSError:
        return False
