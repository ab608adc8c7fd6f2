"""Whether the daemon's port is free on this machine, or served by a daemon that is running already."""

from __future__ import annotations

import errno
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException

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
    server = config.server
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::") else server.host
    scheme = "http" if server.tls_certificate is None else "https"
    anybody = ssl.create_default_context()
    # Its certificate is for the name that clients use; what is asked is no secret, and nothing is sent.
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    try:
        url = f"{scheme}://{host}:{server.port}/plugins"
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS, context=anybody) as answer:
            return b'"components"' in answer.read(64)
    except (OSError, HTTPException):
        return False
