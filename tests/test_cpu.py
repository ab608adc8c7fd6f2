"""How many processors we may use."""

import os
from pathlib import Path

import pytest

from wlkd.host.cpu import audio_threads, cores, inference_threads


def machine(root: Path, quota: str | None) -> Path:
    group = root / "sys/fs/cgroup/system.slice/wlkd.service"
    group.mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/system.slice/wlkd.service\n")
    (root / "sys/fs/cgroup/system.slice/cpu.max").write_text("max 100000\n")
    if quota is not None:
        (group / "cpu.max").write_text(quota)
    return root


@pytest.fixture
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


@pytest.mark.usefixtures("sixteen")
@pytest.mark.parametrize(
    ("quota", "expected"),
    [(None, 16), ("max 100000\n", 16), ("400000 100000\n", 4), ("50000 100000\n", 1), ("5000000 100000\n", 16)],
)
def test_a_quota_counts_like_missing_processors(tmp_path: Path, quota: str | None, expected: int) -> None:
    assert cores(machine(tmp_path, quota)) == expected


@pytest.mark.usefixtures("sixteen")
def test_where_linux_says_nothing_the_affinity_counts(tmp_path: Path) -> None:
    assert cores(tmp_path) == 16


@pytest.mark.parametrize(("count", "inference", "audio"), [(1, 1, 2), (2, 2, 4), (4, 4, 8), (16, 8, 8)])
def test_the_stated_defaults(count: int, inference: int, audio: int) -> None:
    assert (inference_threads(count), audio_threads(count)) == (inference, audio)
