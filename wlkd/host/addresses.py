"""Addresses, as people and URLs write them."""

from __future__ import annotations

EVERYWHERE = frozenset({"0.0.0.0", "::"})
"""To listen on one of these is to listen on all addresses of this machine."""


def with_port(host: str, port: int) -> str:
    """`host:port`; an IPv6 address is in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
