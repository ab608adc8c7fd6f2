"""What wlkd tells systemd, and what it takes from it, without a systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wlkd.contract.errors import ProvisionError
from wlkd.daemon.listeners import HttpServer, bind
from wlkd.host.memory import available_bytes
from wlkd.host.systemd import InheritedSockets, Notifier, inherited_sockets, under_systemd, watchdog_seconds
from wlkd.testing import free_port


@pytest.fixture
def notifications(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that systemd would listen on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_each_message_is_what_sd_notify_expects(notifications: socket.socket) -> None:
    notifier = Notifier()
    notifier.status("loading")
    notifier.status("loading")
    notifier.extend_timeout(1.5)
    notifier.ready()
    notifier.reloading(17)
    notifier.watchdog()
    notifier.trigger_watchdog()
    notifier.stopping()
    expected = [
        b"STATUS=loading",
        b"EXTEND_TIMEOUT_USEC=1500000",
        b"READY=1",
        b"RELOADING=1\nMONOTONIC_USEC=17",
        b"WATCHDOG=1",
        b"WATCHDOG=trigger",
        b"STOPPING=1",
    ]
    assert [notifications.recv(1000) for _ in expected] == expected


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    assert watchdog_seconds({}) is None
    assert watchdog_seconds({"WATCHDOG_USEC": "30000000"}) == 30
    assert watchdog_seconds({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}) == 30
    assert watchdog_seconds({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None


def test_only_a_standard_error_that_is_the_journal_counts() -> None:
    stderr = os.fstat(2)
    assert under_systemd({"JOURNAL_STREAM": f"{stderr.st_dev}:{stderr.st_ino}"})
    assert not under_systemd({"JOURNAL_STREAM": f"{stderr.st_dev}:{stderr.st_ino + 1}"})
    assert not under_systemd({})


def test_sockets_meant_for_another_process_are_not_taken() -> None:
    assert not inherited_sockets({}).activated
    assert not inherited_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}).activated


def test_a_socket_that_is_not_tcp_is_named_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "wlkd.sock"))
        monkeypatch.setattr("wlkd.host.systemd.LISTEN_FDS_START", local.fileno())
        sockets = inherited_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
        assert (sockets.activated, sockets.untaken) == (False, [str(tmp_path / "wlkd.sock")])
        sockets.close()
        assert local.getsockname() == str(tmp_path / "wlkd.sock")


def test_an_inherited_socket_is_handed_out_by_port_and_address() -> None:
    port = free_port()
    first, second, other = bind("127.0.0.1", port), bind("127.0.0.2", port), bind("127.0.0.1", 0)
    sockets = InheritedSockets([first, second, other])
    server = HttpServer("127.0.0.1", port, sockets=sockets)
    assert server.bound_socket("127.0.0.2", port) is second
    assert server.bound_socket("0.0.0.0", port) is first
    fresh = server.bound_socket("127.0.0.3", port)
    assert fresh not in (first, second) and fresh.getsockname() == ("127.0.0.3", port)
    assert sockets.untaken == [f"127.0.0.1:{other.getsockname()[1]}"]
    sockets.close()
    assert other.fileno() == -1 and first.fileno() != -1
    for sock in (first, second, fresh):
        sock.close()


def test_a_taken_port_and_an_unknown_host_are_told() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(ProvisionError, match=r"cannot listen on 127.0.0.1:\d+: Address already in use; is another"):
            bind("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ProvisionError, match=r"cannot listen on no\.such\.host\.invalid:7100"):
        bind("no.such.host.invalid", 7100)


def machine(root: Path, available_kilobytes: int, *limits: tuple[str, str, int, int]) -> Path:
    """/proc and /sys of a machine whose control groups have limits: (group, memory.max, current, inactive_file)."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 64000000 kB\nMemAvailable: {available_kilobytes} kB\n")
    (root / "proc/self/cgroup").write_text("0::/system.slice/wlkd.service\n")
    for group, limit, current, inactive in limits:
        folder = root / "sys/fs/cgroup" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{current}\n")
        (folder / "memory.stat").write_text(f"anon 1\ninactive_file {inactive}\n")
    return root


def test_free_memory_is_the_least_of_the_machine_and_its_groups(tmp_path: Path) -> None:
    assert available_bytes(machine(tmp_path / "free", 1000)) == 1_024_000
    unlimited = machine(tmp_path / "unlimited", 1000, ("system.slice/wlkd.service", "max", 7, 0))
    assert available_bytes(unlimited) == 1_024_000
    own = machine(tmp_path / "own", 1000, ("system.slice/wlkd.service", "500000", 400_000, 50_000))
    assert available_bytes(own) == 150_000
    parent = machine(
        tmp_path / "parent",
        1000,
        ("system.slice/wlkd.service", "500000", 400_000, 50_000),
        ("system.slice", "90000", 80_000, 0),
    )
    assert available_bytes(parent) == 10_000
    assert available_bytes(tmp_path / "nothing") is None
