"""A family whose models are folders of known files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from wlkd_models.fetch import GetError
from wlkd_models.files import PinnedFile
from wlkd_models.findings import Verdict
from wlkd_models.pinned import PinnedFamily, PinnedModel
from wlkd_models.sources import Advance, Source, SourceUnavailable

WEIGHTS = b"weights" * 100
FILE = PinnedFile("net.bin", len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest())


class Shelf(Source):
    """Brings what lies on it."""

    label = "the shelf"

    def __init__(self, *items: bytes) -> None:
        self._items = list(items)

    def fetch(self, file: PinnedFile, part: Path, advance: Advance) -> None:
        if not self._items:
            raise SourceUnavailable("is empty")
        part.write_bytes(self._items.pop(0))


def family(*items: bytes) -> PinnedFamily:
    return PinnedFamily({"net": PinnedModel((FILE,), lambda scratch: [Shelf(*items)], "192 wide")})


def get(of: PinnedFamily, into: Path) -> list[str]:
    said: list[str] = []
    of.get("net", into, (), said.append)
    return said


def test_a_model_is_fetched_once_and_ready(tmp_path: Path) -> None:
    nets = family(WEIGHTS)
    assert get(nets, tmp_path) == ["net/net.bin: from the shelf, digest verified"]
    assert get(nets, tmp_path) == ["net: up to date"]
    [state] = nets.states(tmp_path)
    assert (state.name, state.shape, state.problems, state.hints) == ("net", "192 wide", [], [])
    read: list[int] = []
    [finding] = nets.verify(tmp_path, "net", read.append)
    assert finding.verdict is Verdict.OFFICIAL and sum(read) == nets.bytes_to_read(tmp_path, "net") == len(WEIGHTS)


def test_what_no_source_has_right_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(GetError, match=r"net: net\.bin could not be had: the shelf: .*wrong digest"):
        get(family(WEIGHTS[:-1] + b"!"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_and_short_files_are_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    [state] = family().states(tmp_path)
    assert "net.bin: is missing; `wlkd models get net` brings it" in state.problems[0]
    (tmp_path / "net" / "net.bin").write_bytes(b"short")
    [state] = family().states(tmp_path)
    assert "5 bytes instead of 700" in state.problems[0]
