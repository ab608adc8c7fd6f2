#!/usr/bin/env python3
"""Packs, checks and unpacks the bundle that carries wlkd to a machine without internet.

  bundle.py pack FOLDER OUT --python 3.11 --arch x86_64 --accelerator cpu
  bundle.py verify BUNDLE [--key FILE] [--here]     read all of it, change nothing
  bundle.py unpack BUNDLE INTO [--key FILE]         verify while unpacking; leave nothing behind if it is not right
  bundle.py python BUNDLE                           the interpreter here that an unpacked bundle is made for

A bundle is a tar file with one folder, wlkd-offline/, whose first file is manifest.json: what the bundle is made for,
and size and SHA-256 of every other file. Whatever the manifest does not list is refused, and so is what it lists and
the bundle lacks. `verify` takes an unpacked bundle too. A signature lies beside the tar file and covers all of it.

This runs on the target before anything is installed: the standard library must do, and Python 3.9.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TypedDict

ROOT = "wlkd-offline"
MANIFEST = "manifest.json"
FORMAT = "wlkd-bundle/1"
CHUNK_BYTES = 1 << 20
MAX_MANIFEST_BYTES = 16 << 20
SPARE_BYTES = 64 << 20
"""Room that unpacking leaves free."""

File = tuple[str, int, IO[bytes]]
"""A file of a bundle: its path below ROOT, its size, its content."""


class BundleError(Exception):
    """The bundle must not be used; the message says why."""


class Entry(TypedDict):
    """What the manifest says about a file."""

    size: int
    sha256: str
    executable: bool


ENTRY_TYPES = {"size": int, "sha256": str, "executable": bool}


@dataclass
class Manifest:
    """What a bundle is made for, and what is in it."""

    wlkd: str
    """Version of wlkd."""
    python: str
    """Minor version of the interpreter that the wheels are for, like 3.11."""
    arch: str
    """`uname -m` of the target."""
    glibc: str
    """Oldest C library that every wheel runs on."""
    accelerator: str
    """cpu or cuda."""
    models: list[str]
    files: dict[str, Entry] = field(default_factory=dict)
    format: str = FORMAT

    @property
    def nbytes(self) -> int:
        return sum(entry["size"] for entry in self.files.values())

    def __str__(self) -> str:
        models = ", ".join(self.models) or "no models"
        return (
            f"wlkd {self.wlkd} for Python {self.python} on {self.arch} ({self.accelerator}), with {models}: "
            f"{len(self.files)} files, {self.nbytes / 1e6:,.0f} MB"
        )

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """Raises BundleError."""
        try:
            content = json.loads(text)
        except ValueError as error:
            raise BundleError(f"its {MANIFEST} is damaged ({error}); copy the bundle again") from error
        made = content.get("format") if isinstance(content, dict) else None
        if made != FORMAT:
            raise BundleError(f"a foreign bundle: its format is {made!r}, and this installer knows {FORMAT!r}")
        try:
            manifest = cls(**content)
            for path, entry in manifest.files.items():
                plain = PurePosixPath(path)
                if plain.is_absolute() or ".." in plain.parts or str(plain) != path or path == MANIFEST:
                    raise BundleError(f"a foreign bundle: {path!r} is not a path that a bundle may have")
                if {name: type(value) for name, value in entry.items()} != ENTRY_TYPES:
                    raise ValueError(f"{path}: {entry}")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(f"its {MANIFEST} is damaged ({error!r}); copy the bundle again") from error
        return manifest


def pack(folder: Path, out: Path, python: str, arch: str, accelerator: str) -> Manifest:
    """Write `out` from everything in `folder`; links are followed. The same content gives the same bytes."""
    paths = sorted(_walk(folder), key=str)
    models = {path.parts[1] for path in paths if path.parts[0] == "models"}
    wheels = [path.name for path in paths if path.suffix == ".whl"]
    version = next(name.split("-")[1] for name in wheels if name.startswith("wlkd-"))
    sizes = sorted(name[len("faster-whisper-") :] for name in models if name.startswith("faster-whisper-"))
    manifest = Manifest(version, python, arch, oldest_glibc(wheels), accelerator, sizes)
    for path in paths:
        place = folder / path
        manifest.files[path.as_posix()] = Entry(
            size=place.stat().st_size, sha256=_sha256(place), executable=os.access(place, os.X_OK)
        )
    listing = folder / MANIFEST
    listing.write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n")
    with tarfile.open(out, "w", dereference=True, format=tarfile.PAX_FORMAT) as archive:
        for path in [Path(MANIFEST), *paths]:
            archive.add(folder / path, f"{ROOT}/{path.as_posix()}", recursive=False, filter=_anonymous)
    return manifest


def verify(bundle: Path, key: Path | None = None, here: bool = False, into: Path | None = None) -> Manifest:
    """Read every byte of `bundle`, a tar file or an unpacked one, and write it below `into`, if given.

    `key`: a signature made with it is demanded. `here`: it must be made for this machine. Raises BundleError.
    """
    if key is not None:
        check_signature(bundle, key)
    if bundle.is_dir():
        files = _files_of_folder(bundle)
    elif bundle.is_file():
        files = _files_of_tar(bundle)
    else:
        raise BundleError("there is no such bundle")
    try:
        first, size, stream = next(files, ("", 0, None))
        if first != MANIFEST or stream is None or size > MAX_MANIFEST_BYTES:
            raise BundleError(f"a foreign bundle: it does not begin with {ROOT}/{MANIFEST}")
        listing = stream.read()
        manifest = Manifest.parse(listing)
        if here:
            check_machine(manifest)
        if into is not None:
            _check_space(into, manifest)
            (into / MANIFEST).write_bytes(listing)
        missing = dict(manifest.files)
        for path, size, stream in files:
            entry = missing.pop(path, None)
            if entry is None:
                raise BundleError(f"a foreign bundle: its manifest does not list {path}, or it is there twice")
            place = into / path if into else None
            if size != entry["size"] or _copy(stream, place) != entry["sha256"]:
                raise BundleError(f"{path} is damaged: not the {entry['size']:,} bytes of the manifest; copy it again")
            if place is not None:
                # The service's account must be able to read what root unpacks.
                place.chmod(0o755 if entry["executable"] else 0o644)
    except (tarfile.TarError, EOFError) as error:
        raise BundleError(f"not a complete tar file ({error}); copy it again") from error
    except UnicodeDecodeError as error:
        raise BundleError(f"a foreign bundle: a name in it is not UTF-8 ({error})") from error
    if missing:
        count = len(manifest.files)
        raise BundleError(f"incomplete: {len(missing)} of its {count} files are missing, such as {min(missing)}")
    return manifest


def unpack(bundle: Path, into: Path, key: Path | None = None) -> Manifest:
    """Verify and unpack into the empty or absent folder `into`; on failure nothing is left. Raises BundleError."""
    if into.exists() and any(into.iterdir()):
        raise BundleError(f"{into} is not empty")
    created = not into.exists()
    into.mkdir(parents=True, exist_ok=True)
    try:
        return verify(bundle, key, here=True, into=into)
    except BaseException:
        for entry in into.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if created:
            into.rmdir()
        raise


def check_machine(manifest: Manifest) -> None:
    """Whether what is in the bundle can run here. Raises BundleError."""
    if manifest.arch != platform.machine():
        raise BundleError(f"made for {manifest.arch}, and this machine is {platform.machine()}")
    glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "none").split()[-1]
    if not glibc[0].isdigit() or _numbers(glibc) < _numbers(manifest.glibc):
        raise BundleError(f"its wheels need glibc {manifest.glibc} or later, and this machine has {glibc}")
    if find_python(manifest.python) is None:
        raise BundleError(
            f"its wheels are for Python {manifest.python}, which this machine has neither in /usr/bin nor in "
            f"/usr/local/bin; make a bundle for its own with --python (here: {platform.python_version()})"
        )


def find_python(minor: str) -> str | None:
    """The interpreter of that version that the service's account can reach, too."""
    for name in (f"python{minor}", "python3"):
        found = shutil.which(name, path="/usr/bin:/usr/local/bin")
        # One in a home folder cannot be reached from the service.
        if found is None or os.path.realpath(found).startswith(("/root/", "/home/")):
            continue
        question = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        answer = subprocess.run([found, "-c", question], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        if answer.stdout.decode().strip() == minor:
            return found
    return None


def check_signature(bundle: Path, key: Path) -> None:
    """Demand BUNDLE.minisig for a minisign key, BUNDLE.sig for an OpenPGP keyring. Raises BundleError."""
    if not bundle.is_file():
        raise BundleError("a signature covers the tar file; give that, not what was unpacked from it")
    try:
        begin = key.open("rb").read(64)
    except OSError as error:
        raise BundleError(f"the key {key} cannot be read: {error.strerror}") from error
    if begin.startswith(b"untrusted comment:"):
        signature, command = Path(f"{bundle}.minisig"), ["minisign", "-Vq", "-p", str(key), "-m", str(bundle), "-x"]
        command.append(str(signature))
    elif begin.startswith(b"-----BEGIN"):
        raise BundleError(f"the key {key} is armored, and gpgv reads binary ones: gpg --dearmor {key}")
    else:
        signature = Path(f"{bundle}.sig")
        command = ["gpgv", "--quiet", "--keyring", str(key.resolve()), str(signature), str(bundle)]
    if not signature.is_file():
        raise BundleError(f"not signed: {signature} is missing, and a key was given")
    try:
        outcome = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError as error:
        raise BundleError(f"the signature cannot be checked: {command[0]} is not installed here") from error
    if outcome.returncode:
        said = outcome.stdout.decode(errors="replace").strip()
        raise BundleError(f"the signature {signature} is not one of {key} for this bundle: {said}")


def oldest_glibc(wheels: list[str]) -> str:
    """The oldest C library that all of them support, from the platform tags of their names."""
    needed: tuple[int, ...] = (0, 0)
    for name in wheels:
        tags = name.rsplit("-", 1)[-1]
        named = [_numbers(tag.replace("_", ".")) for tag in re.findall(r"manylinux_(\d+_\d+)", tags)]
        named += [{"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}[tag] for tag in re.findall(r"manylinux(\d+)_", tags)]
        if named:
            needed = max(needed, min(named))
    return "{}.{}".format(*needed)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _walk(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = (Path(parent) / name).relative_to(folder)
            if str(path) != MANIFEST:
                yield path


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = 0
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry


def _files_of_tar(bundle: Path) -> Iterator[File]:
    with tarfile.open(bundle, "r:") as archive:
        for entry in archive:
            root, _, path = entry.name.partition("/")
            if root != ROOT or not entry.isreg():
                raise BundleError(f"a foreign bundle: {entry.name} is not a file in {ROOT}/")
            stream = archive.extractfile(entry)
            if stream is not None:
                yield path, entry.size, stream


def _files_of_folder(folder: Path) -> Iterator[File]:
    for path in [Path(MANIFEST), *sorted(_walk(folder), key=str)]:
        place = folder / path
        if not place.is_file():
            raise BundleError(f"a foreign bundle: {place} is missing, or not a file")
        with place.open("rb") as stream:
            yield path.as_posix(), place.stat().st_size, stream


def _copy(source: IO[bytes], target: Path | None) -> str:
    """Read `source` to its end, write it to `target`, if given; returns its SHA-256."""
    digest = hashlib.sha256()
    if target is None:
        while piece := source.read(CHUNK_BYTES):
            digest.update(piece)
        return digest.hexdigest()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as sink:
        while piece := source.read(CHUNK_BYTES):
            digest.update(piece)
            sink.write(piece)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return _copy(stream, None)


def _check_space(into: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(into).free
    if free < manifest.nbytes + SPARE_BYTES:
        raise BundleError(
            f"{into} has {free / 1e6:,.0f} MB free, and unpacking takes {manifest.nbytes / 1e6:,.0f}; "
            "set TMPDIR to a folder with more room"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    packing = actions.add_parser("pack", help="make a bundle of a folder")
    packing.add_argument("folder", type=Path)
    packing.add_argument("out", type=Path)
    packing.add_argument("--python", required=True)
    packing.add_argument("--arch", required=True)
    packing.add_argument("--accelerator", required=True, choices=("cpu", "cuda"))
    verifying = actions.add_parser("verify", help="read a bundle and say whether it is right")
    verifying.add_argument("--here", action="store_true", help="and whether it is made for this machine")
    unpacking = actions.add_parser("unpack", help="verify a bundle for this machine while unpacking it")
    asking = actions.add_parser("python", help="print the interpreter here that an unpacked bundle is made for")
    asking.add_argument("bundle", type=Path)
    for action in (verifying, unpacking):
        action.add_argument("bundle", type=Path)
        action.add_argument("--key", type=Path, help="minisign public key, or OpenPGP keyring; demands a signature")
    unpacking.add_argument("into", type=Path)
    args = parser.parse_args()
    subject = args.out if args.action == "pack" else args.bundle
    try:
        if args.action == "pack":
            print(pack(args.folder, args.out, args.python, args.arch, args.accelerator))
        elif args.action == "verify":
            print(verify(args.bundle, args.key, args.here))
        elif args.action == "python":
            print(find_python(Manifest.parse((args.bundle / MANIFEST).read_bytes()).python))
        else:
            print(unpack(args.bundle, args.into, args.key))
    except (BundleError, OSError) as error:
        print(f"{subject}: {error}", file=sys.stderr)
        return os.EX_DATAERR
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
