#!/usr/bin/env python3
"""Print the requirements that a folder of wheels does not satisfy, for a Python that need not be the one running.

  missing_wheels.py FOLDER PYTHON ARCH REQUIREMENT...

`pip download --python-version` evaluates environment markers (`python_version < "3.13"`) for the Python that runs
pip, so that what it brings for another one may lack wheels. This evaluates them for the other one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Set
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename


def missing(folder: Path, python: str, arch: str, wanted: list[str]) -> Iterator[str]:
    """The requirements, of those `wanted` and of all that follow from them, that no wheel in `folder` satisfies."""
    wheels = {parse_wheel_filename(path.name)[0]: path for path in folder.glob("*.whl")}
    environment: dict[str, str | Set[str]] = {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": arch,
    }
    queue = [(Requirement(text), "") for text in wanted]
    seen = set()
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({**environment, "extra": extra}):
            continue
        bare = Requirement(str(requirement))
        bare.marker = None
        if str(bare) in seen:
            continue
        seen.add(str(bare))
        wheel = wheels.get(canonicalize_name(requirement.name))
        if wheel is None or not requirement.specifier.contains(parse_wheel_filename(wheel.name)[1], prereleases=True):
            yield str(bare)
            continue
        needs = [Requirement(text) for text in metadata(wheel).get_all("Requires-Dist", [])]
        queue += [(need, name) for need in needs for name in ("", *requirement.extras)]


def metadata(wheel: Path) -> Message:
    """The METADATA of a wheel."""
    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode("utf-8"))


if __name__ == "__main__":
    for line in missing(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]):
        print(line)
