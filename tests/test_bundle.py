"""A bundle is accepted whole and unharmed, by the machine it is made for, or refused with nothing changed."""

from __future__ import annotations

import io
import json
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

BUNDLE_PY = Path(__file__).parents[1] / "scripts" / "bundle.py"
SYSTEM_PYTHON = "/usr/bin/python3"


def bundle_py(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BUNDLE_PY), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def minor_of(python: str) -> str:
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a bundle is made of, in small."""
    files = {
        "wheels/wlkd-1.2.3-py3-none-any.whl": b"wheel",
        "wheels/numpy-2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl": b"numbers" * 1000,
        "models/faster-whisper-base/model.bin": bytes(range(256)) * 8192,
        "models/pytorch-whisper-base/base.pt": b"decoder",
        "scripts/install.sh": b"#!/bin/sh\n",
        "etc/wlkd.yaml": b"models_dir: /data\n",
    }
    folder = tmp_path / "folder"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "scripts/install.sh").chmod(0o750)
    (folder / "models/pytorch-whisper-base/base.pt").chmod(0o600)
    return folder


@pytest.fixture
def pack(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    def pack(name: str = "wlkd-offline.tar", **options: str) -> Path:
        python = minor_of(SYSTEM_PYTHON) if Path(SYSTEM_PYTHON).exists() else "3.11"
        wanted = {"python": python, "arch": platform.machine(), "accelerator": "cpu", **options}
        out = tmp_path / name
        flags = [text for key, value in wanted.items() for text in (f"--{key}", value)]
        packed = bundle_py("pack", folder, out, *flags)
        assert packed.returncode == 0, packed.stderr
        return out

    return pack


@pytest.fixture
def bundle(pack: Callable[..., Path]) -> Path:
    return pack()


def refused(outcome: subprocess.CompletedProcess[str], reason: str) -> None:
    assert outcome.returncode == 65, outcome.stdout
    assert reason in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_what_was_packed_is_unpacked(bundle: Path, folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    outcome = bundle_py("unpack", bundle, into)
    assert outcome.returncode == 0, outcome.stderr
    assert "wlkd 1.2.3 for Python" in outcome.stdout and "(cpu), with base: 6 files" in outcome.stdout
    for path in folder.rglob("*"):
        if path.is_file():
            assert (into / path.relative_to(folder)).read_bytes() == path.read_bytes()
    # Another account must be able to read it, whatever it was made of.
    assert (into / "models/pytorch-whisper-base/base.pt").stat().st_mode & 0o777 == 0o644
    assert (into / "scripts/install.sh").stat().st_mode & 0o777 == 0o755
    assert bundle_py("verify", into, "--here").returncode == 0


def test_same_content_gives_the_same_bytes(pack: Callable[..., Path], folder: Path) -> None:
    first = pack("first.tar").read_bytes()
    (folder / "models/pytorch-whisper-base/base.pt").touch()
    assert pack("second.tar").read_bytes() == first


def test_the_manifest_says_which_c_library_is_needed(pack: Callable[..., Path], folder: Path, tmp_path: Path) -> None:
    for name in ("torch-2-cp311-cp311-manylinux_2_28_x86_64.whl", "av-1-cp311-abi3-manylinux1_x86_64.whl"):
        (folder / "wheels" / name).write_bytes(b"")
    assert bundle_py("unpack", pack(), tmp_path / "into").returncode == 0
    assert json.loads((tmp_path / "into/manifest.json").read_text())["glibc"] == "2.28"


@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.9])
def test_one_flipped_bit_is_found(bundle: Path, tmp_path: Path, place: float) -> None:
    content = bytearray(bundle.read_bytes())
    # The last kilobytes of a tar file are padding, which nobody reads.
    content[int((len(content) - 20_480) * place)] ^= 1
    bundle.write_bytes(content)
    for arguments in (("verify", bundle), ("unpack", bundle, tmp_path / "into")):
        outcome = bundle_py(*arguments)
        assert outcome.returncode == 65, outcome.stdout
        assert "Traceback" not in outcome.stderr
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("kept", [0, 100, 700, 0.3, 0.7, 0.95])
def test_half_a_copy_is_refused(bundle: Path, tmp_path: Path, kept: float) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(content[: int(kept if kept > 1 else (len(content) - 20_480) * kept)])
    outcome = bundle_py("unpack", bundle, tmp_path / "into")
    assert outcome.returncode == 65, outcome.stdout
    assert "Traceback" not in outcome.stderr
    assert not (tmp_path / "into").exists()


def rewrite(bundle: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]) -> None:
    """The bundle with each file as `change` returns it; None leaves it out."""
    entries = []
    with tarfile.open(bundle) as archive:
        for entry in archive:
            stream = archive.extractfile(entry)
            assert stream is not None
            changed = change(entry, stream.read())
            if changed is not None:
                entries.append(changed)
    with tarfile.open(bundle, "w") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def test_a_missing_file_is_named(bundle: Path) -> None:
    rewrite(bundle, lambda entry, content: None if entry.name.endswith("base.pt") else (entry, content))
    refused(bundle_py("verify", bundle), "1 of its 6 files are missing, such as models/pytorch-whisper-base/base.pt")


def test_a_file_that_the_manifest_does_not_list_is_refused(bundle: Path, tmp_path: Path) -> None:
    with tarfile.open(bundle, "a") as archive:
        archive.addfile(tarfile.TarInfo("wlkd-offline/wheels/wlkd_evil-1-py3-none-any.whl"))
    refused(bundle_py("unpack", bundle, tmp_path / "into"), "does not list wheels/wlkd_evil")
    assert not (tmp_path / "into").exists()


def test_a_folder_with_one_file_too_many_is_refused(bundle: Path, tmp_path: Path) -> None:
    bundle_py("unpack", bundle, tmp_path / "into")
    (tmp_path / "into/wheels/extra.whl").write_bytes(b"")
    refused(bundle_py("verify", tmp_path / "into"), "does not list wheels/extra.whl")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_plain_files_are_unpacked(bundle: Path, tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(bundle, "a") as archive:
        entry = tarfile.TarInfo("wlkd-offline/models/link")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    refused(bundle_py("unpack", bundle, tmp_path / "into"), "models/link is not a file in wlkd-offline/")


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "a/../../outside", "./a"])
def test_a_manifest_that_points_outside_is_refused(bundle: Path, tmp_path: Path, path: str) -> None:
    def change(entry: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if entry.name.endswith("manifest.json"):
            manifest = json.loads(content)
            manifest["files"][path] = manifest["files"].pop("etc/wlkd.yaml")
            return entry, json.dumps(manifest).encode()
        if entry.name.endswith("wlkd.yaml"):
            entry.name = f"wlkd-offline/{path}"
        return entry, content

    rewrite(bundle, change)
    refused(bundle_py("unpack", bundle, tmp_path / "deep/into"), "is not a path that a bundle may have")
    assert not list(tmp_path.rglob("outside"))


def manifest_with(bundle: Path, **changes: object) -> None:
    def change(entry: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if entry.name.endswith("manifest.json"):
            return entry, json.dumps({**json.loads(content), **changes}).encode()
        return entry, content

    rewrite(bundle, change)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "wlkd-bundle/2"}, "a foreign bundle: its format is 'wlkd-bundle/2'"),
        ({"arch": "riscv64"}, "made for riscv64, and this machine is"),
        ({"glibc": "99.1"}, "its wheels need glibc 99.1 or later"),
        ({"python": "3.99"}, "its wheels are for Python 3.99"),
        ({"files": {"a": 1}}, "its manifest.json is damaged"),
        ({"files": {"a": {"size": "1", "sha256": "", "executable": False}}}, "its manifest.json is damaged"),
        ({"surprise": 1}, "its manifest.json is damaged"),
    ],
)
def test_a_bundle_for_another_machine_is_refused(
    bundle: Path, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    manifest_with(bundle, **changes)
    refused(bundle_py("unpack", bundle, tmp_path / "into"), reason)
    assert not (tmp_path / "into").exists()


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(BUNDLE_PY, "photos/one")
    refused(bundle_py("verify", tmp_path / "photos.tar"), "photos/one is not a file in wlkd-offline/")
    refused(bundle_py("verify", BUNDLE_PY), "not a complete tar file")
    refused(bundle_py("verify", tmp_path), "manifest.json is missing")
    refused(bundle_py("verify", tmp_path / "absent.tar"), "there is no such bundle")


def test_nothing_is_unpacked_over_something(bundle: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (into / "precious").write_text("mine")
    refused(bundle_py("unpack", bundle, into), "is not empty")
    assert (into / "precious").read_text() == "mine"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def quietly(*command: object, home: Path | None = None) -> None:
    environment = {"PATH": "/usr/bin:/bin", **({"GNUPGHOME": str(home)} if home else {})}
    subprocess.run(list(map(str, command)), check=True, capture_output=True, env=environment)


def tampered_with(bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[-1] ^= 1  # in the padding, which only a signature covers
    bundle.write_bytes(content)


@needs("minisign")
def test_minisign(bundle: Path, tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        quietly("minisign", "-G", "-W", "-p", tmp_path / f"{name}.pub", "-s", tmp_path / f"{name}.key")
    ours, theirs = tmp_path / "ours.pub", tmp_path / "theirs.pub"
    refused(bundle_py("verify", bundle, "--key", ours), "not signed")
    quietly("minisign", "-S", "-s", tmp_path / "ours.key", "-m", bundle)
    assert bundle_py("verify", bundle, "--key", ours).returncode == 0
    refused(bundle_py("verify", bundle, "--key", theirs), "is not one of")
    tampered_with(bundle)
    refused(bundle_py("unpack", bundle, tmp_path / "into", "--key", ours), "is not one of")
    assert not (tmp_path / "into").exists()


@needs("gpg")
@needs("gpgv")
def test_openpgp(bundle: Path, tmp_path: Path) -> None:
    homes = {}
    for name in ("ours", "theirs"):
        homes[name] = home = tmp_path / name
        home.mkdir(mode=0o700)
        quietly("gpg", "--batch", "--passphrase", "", "--quick-generate-key", f"{name}@example.org", home=home)
        quietly("gpg", "--output", tmp_path / f"{name}.gpg", "--export", home=home)
    try:
        armored = tmp_path / "armored.asc"
        quietly("gpg", "--armor", "--output", armored, "--export", home=homes["ours"])
        quietly("gpg", "--output", f"{bundle}.sig", "--detach-sign", bundle, home=homes["ours"])
        assert bundle_py("verify", bundle, "--key", tmp_path / "ours.gpg").returncode == 0
        refused(bundle_py("verify", bundle, "--key", tmp_path / "theirs.gpg"), "is not one of")
        refused(bundle_py("verify", bundle, "--key", armored), "gpg --dearmor")
        refused(bundle_py("verify", tmp_path / "folder", "--key", tmp_path / "ours.gpg"), "covers the tar file")
        tampered_with(bundle)
        refused(bundle_py("verify", bundle, "--key", tmp_path / "ours.gpg"), "is not one of")
    finally:
        for home in homes.values():
            # Or the agent that it has started stays.
            quietly("gpgconf", "--kill", "gpg-agent", home=home)
