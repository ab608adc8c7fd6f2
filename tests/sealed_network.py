"""Runs a command in a network without an outside, and records what it tried to send there.

  unshare --net --mount python sealed_network.py RECORD COMMAND...

The only interface besides loopback is a tunnel that ends in this process: every route leads there, and nothing goes
on from it. The resolver is a UDP and TCP port 53 of ours, which answers nothing and notes the names. RECORD gets
{"names": [...], "packets": [...]}; the exit status is the command's.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
NEIGHBOUR_PROTOCOLS = (0, 58)
"""In IPv6's next-header field: what the kernel itself asks the link (ICMPv6, and multicast reports before it)."""


def open_tunnel(name: str = "outside") -> int:
    """A file descriptor from which every packet to the outside is read."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN_NO_PI))
    for command in (
        "link set lo up",
        f"addr add 192.0.2.1/24 dev {name}",
        f"-6 addr add 2001:db8::1/64 dev {name} nodad",
        f"link set {name} up",
        f"route add default dev {name}",
        f"-6 route add default dev {name}",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    return descriptor


def record_packets(tunnel: int, packets: list[str]) -> None:
    """Note the destination of every packet."""
    while True:
        packet = os.read(tunnel, 65_536)
        if packet[0] >> 4 == 4:
            packets.append(f"protocol {packet[9]} to {ipaddress.ip_address(packet[16:20])}")
        elif packet[6] not in NEIGHBOUR_PROTOCOLS:
            packets.append(f"protocol {packet[6]} to {ipaddress.ip_address(packet[24:40])}")


def name_in(query: bytes) -> str:
    """The name that a DNS query asks for; RFC 1035, section 4.1."""
    labels, place = [], 12
    while place < len(query) and query[place]:
        labels.append(query[place + 1 : place + 1 + query[place]].decode(errors="replace"))
        place += 1 + query[place]
    return ".".join(labels)


def record_datagrams(resolver: socket.socket, names: list[str]) -> None:
    """Note every name that is asked for over UDP."""
    while True:
        names.append(name_in(resolver.recv(4096)))


def record_connections(resolver: socket.socket, names: list[str]) -> None:
    """Note that somebody asks over TCP; which name does not matter then."""
    while True:
        connection, _ = resolver.accept()
        connection.close()
        names.append("(over TCP)")


def use_resolver() -> None:
    """Point every program of this mount namespace at the recorder."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    Path(file.name).chmod(0o644)
    subprocess.run(["mount", "--bind", file.name, os.path.realpath("/etc/resolv.conf")], check=True)
    Path(file.name).unlink()


def main() -> int:
    names: list[str] = []
    packets: list[str] = []
    tunnel = open_tunnel()
    use_resolver()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 53))
    tcp = socket.create_server(("127.0.0.1", 53))
    recorders = ((record_packets, tunnel, packets), (record_datagrams, udp, names), (record_connections, tcp, names))
    for target, source, record in recorders:
        threading.Thread(target=target, args=(source, record), daemon=True).start()
    status = subprocess.run(sys.argv[2:], check=False).returncode
    Path(sys.argv[1]).write_text(json.dumps({"names": names, "packets": packets}))
    return status


if __name__ == "__main__":
    sys.exit(main())
