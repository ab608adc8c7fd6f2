"""Addresses, as people and URLs write them."""

from __future__ import annotations

import errno

EVERYWHERE = frozenset({"0.0.0.0", "::"})
"""To listen on one of these is to listen on all addresses of this machine."""


def with_port(host: str, port: int) -> str:
    """`host:port`; an IPv6 address is in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def refused(host: str, port: int, error: OSError) -> str:
    """Why nobody can listen on `host:port`, with the remedy."""
    match error.errno:
        case errno.EADDRINUSE:
            remedy = "; is another wlkd running? Change the port, or stop the other program"
        case errno.EACCES:
            remedy = f"; port {port} is for root alone: choose one from 1024 on, or let wlkd.socket listen there"
        case errno.EADDRNOTAVAIL:
            remedy = "; this machine has no such address"
        case _:
            remedy = ""
    return f"cannot listen on {with_port(host, port)}: {error.strerror or error}{remedy}"
