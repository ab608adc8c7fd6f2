"""The other programs of a fleet accept the shipped files, and the alerts come when they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.fleet.balancer import FLEET, certificate, program, swapped
from wlkd import __version__

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


def test_haproxy_accepts_what_the_document_says_of_kubernetes(tmp_path: Path) -> None:
    (section,) = re.findall(r"```haproxy\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    text = swapped((FLEET / "haproxy.cfg").read_text(), "/etc/haproxy/wlkd.pem", str(certificate(tmp_path)))
    before, _, after = text.partition("\nbackend live\n")
    _, files, rest = after.partition("\nbackend files\n")
    (tmp_path / "haproxy.cfg").write_text(f"{before}\n{section}{files}{rest}")
    accepted([program("haproxy"), "-c", "-f", "haproxy.cfg"], tmp_path)


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
