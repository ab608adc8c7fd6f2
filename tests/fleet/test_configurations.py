"""The other programs of a fleet accept the shipped files, and the alerts come when they should."""

from __future__ import annotations

import asyncio
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import cast

import pytest
import yaml

from tests.fleet.balancer import ADMIN, FLEET, certificate, printed, program, swapped
from wlkd import __version__
from wlkd.testing import free_port

DOCUMENT = FLEET.parents[1] / "docs" / "fleet.md"
RULES_TEST = Path(__file__).with_name("rules_test.yml")


def accepted(command: list[str | Path], where: Path) -> str:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_haproxy_accepts_its_file(tmp_path: Path) -> None:
    text = swapped((FLEET / "haproxy.cfg").read_text(), "/etc/haproxy/wlkd.pem", str(certificate(tmp_path)))
    (tmp_path / "haproxy.cfg").write_text(text)
    told = accepted([program("haproxy"), "-c", "-f", "haproxy.cfg"], tmp_path)
    assert "WARNING" not in told


@pytest.mark.parametrize("file", [FLEET / "haproxy.cfg", DOCUMENT.with_name("haproxy.cfg")], ids=["fleet", "one"])
def test_haproxy_does_not_stay_root(file: Path) -> None:
    assert "    user haproxy\n    group haproxy\n" in file.read_text()


class NameServer(asyncio.DatagramProtocol):
    """Knows the addresses of many pods, and cuts its answers short as that of a cluster does."""

    def __init__(self, pods: int) -> None:
        self._pods = pods

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5
        asked, (kind, _) = data[12:end], struct.unpack(">HH", data[end - 4 : end])
        # Behind the question: a root name, the type OPT, and the size that the client takes.
        size = struct.unpack(">H", data[end + 3 : end + 5])[0] if len(data) > end else 512
        pods = self._pods if kind == 1 else 0
        told = min(pods, (size - end) // 16)
        flags = 0x8400 | (0x0200 if told < pods else 0)
        head = data[:2] + struct.pack(">5H", flags, 1, told, 0, 0)
        records = [
            b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 30, 4) + bytes([127, 71, 0, number + 1]) for number in range(told)
        ]
        self._transport.sendto(head + asked + b"".join(records), addr)


async def test_haproxy_finds_all_pods_with_what_the_document_says_of_kubernetes(tmp_path: Path) -> None:
    (section,) = re.findall(r"```haproxy\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (pods,) = re.findall(r"server-template speech (\d+)", section)
    autoscaling = (FLEET.parents[1] / "container" / "kubernetes" / "base" / "autoscaling.yaml").read_text()
    assert f"maxReplicas: {pods}\n" in autoscaling
    ports = {old: free_port() for old in (":7100", ":443", "127.0.0.1:8404")}
    before, _, after = printed({}, tmp_path, ports).partition("\nbackend live\n")
    loop = asyncio.get_running_loop()
    names, _ = await loop.create_datagram_endpoint(lambda: NameServer(int(pods)), ("127.0.0.1", 0))
    name_server = "{}:{}".format(*names.get_extra_info("sockname"))
    # Without machines for recordings.
    before = "".join(line for line in before.splitlines(keepends=True) if "use_backend files" not in line)
    _, frontend, figures = after.partition("\nfrontend figures\n")
    text = f"{before}\n{swapped(section, '10.96.0.10:53', name_server)}{frontend}{figures}"
    (tmp_path / "haproxy.cfg").write_text(text)
    accepted([program("haproxy"), "-c", "-f", "haproxy.cfg"], tmp_path)
    process = await asyncio.create_subprocess_exec(program("haproxy"), "-db", "-f", tmp_path / "haproxy.cfg")
    try:
        async with asyncio.timeout(20):
            while await addresses(tmp_path / ADMIN) < int(pods):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        process.kill()
        await process.wait()
        names.close()


async def addresses(admin: Path) -> int:
    """Of how many of the servers before people who speak HAProxy knows where they are."""
    try:
        reader, writer = await asyncio.open_unix_connection(admin)
    except OSError:
        return 0  # It does not listen yet.
    writer.write(b"show servers state live\n")
    rows = [line.split() for line in (await reader.read()).decode().splitlines()[2:] if line]
    writer.close()
    return sum(row[4] not in ("-", "0.0.0.0") for row in rows)


def test_one_machine_keeps_its_figures_inside_as_a_fleet_does() -> None:
    files = (FLEET / "haproxy.cfg", DOCUMENT.with_name("haproxy.cfg"))
    rules = {line.strip() for file in files for line in file.read_text().splitlines() if "deny" in line}
    assert len(rules) == 1


def test_keepalived_accepts_its_file(tmp_path: Path) -> None:
    accepted([program("keepalived"), "-t", "-l", "-f", FLEET / "keepalived.conf"], tmp_path)
    text = swapped((FLEET / "keepalived.conf").read_text(), "advert_int 1", "advert_int never")
    (tmp_path / "keepalived.conf").write_text(text)
    with pytest.raises(AssertionError):
        accepted([program("keepalived"), "-t", "-l", "-f", tmp_path / "keepalived.conf"], tmp_path)


def test_alerts_come_when_they_should(tmp_path: Path) -> None:
    shutil.copy(FLEET / "prometheus-rules.yml", tmp_path)
    accepted([program("promtool"), "check", "rules", "prometheus-rules.yml"], tmp_path)
    text = RULES_TEST.read_text()
    (tmp_path / "test.yml").write_text(text)
    accepted([program("promtool"), "test", "rules", "test.yml"], tmp_path)


def test_places_for_recordings_do_not_count_as_places_of_the_fleet() -> None:
    balancer = (FLEET / "haproxy.cfg").read_text()
    live, files = (
        set(re.findall(r"server \w+ (\S+)$", section, re.MULTILINE))
        for section in re.findall(r"^backend (?:live|files)\n((?:    .*\n)+)", balancer, re.MULTILINE)
    )
    assert files and not live & files
    for document in (DOCUMENT, DOCUMENT.with_name("fleet.zh.md")):
        (block,) = re.findall(r"# prometheus.yml\n(.*?)```", document.read_text(), re.DOTALL)
        jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in yaml.safe_load(block)["scrape_configs"]}
        assert (set(jobs["wlkd"]), set(jobs["wlkd-files"])) == (live, files)


def test_the_images_are_of_this_version() -> None:
    deployment = FLEET.parents[1] / "container" / "kubernetes" / "base" / "deployment.yaml"
    assert f"image: wlkd:{__version__}\n" in deployment.read_text()
