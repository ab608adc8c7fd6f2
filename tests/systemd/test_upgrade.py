"""An upgrade of the system takes the Python of /opt/wlkd away: install.sh makes the environment anew, and keeps
what the operator has chosen."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.systemd

REPOSITORY = Path(__file__).resolve().parents[2]
PIP = """
import shutil, sys, sysconfig
from pathlib import Path

if Path("/out/no-network").exists():
    sys.exit("pip: there is no network")
shutil.copy(next(Path("/out/prefix").glob("lib/*/site-packages/*.pth")), sysconfig.get_path("purelib"))
shutil.copy("/out/wlkd", Path(sys.prefix) / "bin")
"""
"""Instead of fetching packages: puts this checkout into the environment."""
COMMAND = """#!/opt/wlkd/bin/python
import sys
from pathlib import Path
from wlkd.__main__ import main

if sys.argv[1:3] == ["models", "get"]:
    Path("/out/got").write_text(" ".join(sys.argv[3:]))
else:
    sys.exit(main())
"""
SCRIPT = """
update() { TMPDIR=/tmp PYTHONPATH=/out/fakes bash /opt/src/scripts/install.sh "$@"; }
offline='OFFLINE'

install_wlkd --model medium
touch /opt/wlkd/share/wlkd/made-by-install.sh
configure 'backend: {name: scripted}'
sed -i 's|/data/whisper_models|/srv/models|' /etc/wlkd.yaml
cp /etc/wlkd.yaml /out/before
mkdir /srv/models

for link in /opt/wlkd/bin/python*; do ln -sfn /usr/bin/python3.0 $link; done
mv /opt/wlkd/lib/python3.* /opt/wlkd/lib/python3.0
if wlkd --version; then fail "it still runs"; fi
if install_wlkd 2>/out/units-only; then fail "not refused"; fi
update $offline >/out/update
wlkd --version
cmp /etc/wlkd.yaml /out/before
grep -q '^models_dir: /srv/models' /opt/wlkd/share/wlkd/wlkd.yaml.written
grep -q '^    model: medium' /opt/wlkd/share/wlkd/wlkd.yaml.written
[ ! -e /opt/wlkd/lib/python3.0 ]
[ -x /opt/wlkd/bin/run_wlk.sh ]
systemctl start wlkd
[ "$(property ActiveState)" = active ]
update $offline >/out/second

# The same name leads to another Python now, which does not see these packages; and the first attempt is cut short.
mv /opt/wlkd/lib/python3.* /opt/wlkd/lib/python3.0
touch /out/no-network
if update $offline; then fail "there was no pip"; fi
rm /out/no-network
update $offline
wlkd --version
"""


def prepare(container: Any) -> None:
    (container.out / "wlkd").write_text(COMMAND)
    (container.out / "wlkd").chmod(0o755)
    (container.out / "fakes/pip").mkdir(parents=True)
    (container.out / "fakes/pip/__init__.py").touch()
    (container.out / "fakes/pip/__main__.py").write_text(PIP)


def pack(folder: Path) -> Path:
    """A bundle with all but real wheels and a model."""
    for name in ("scripts", "systemd", "etc"):
        shutil.copytree(REPOSITORY / name, folder / name)
    (folder / "docs").mkdir()
    shutil.copy(REPOSITORY / "docs/operations.md", folder / "docs")
    (folder / "wheels").mkdir()
    (folder / "wheels/wlkd-0.2.0-py3-none-any.whl").touch()
    with zipfile.ZipFile(folder / "wheels/pip-0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pip/__main__.py", PIP)
    bundle = folder.with_suffix(".tar")
    command = [sys.executable, REPOSITORY / "scripts/bundle.py", "pack", folder, bundle, "--accelerator", "cpu"]
    command += ["--python", "{}.{}".format(*sys.version_info), "--arch", platform.machine()]
    subprocess.run(command, check=True)
    return bundle


def check(result: Any) -> None:
    assert "does not run; leave --units-only out" in result.text("units-only")
    assert "replacing the environment in /opt/wlkd" not in result.text("second")
    assert "nothing to do" in result.text("second")


@pytest.mark.skipif(find_spec("ensurepip") is None, reason="without ensurepip an environment has no pip")
def test_from_the_network(container: Any) -> None:
    prepare(container)
    result = container.passes(SCRIPT.replace("OFFLINE", ""))
    check(result)
    assert result.text("got") == "medium --models /srv/models"


def test_from_a_bundle(container: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    prepare(container)
    container.binds["/bundle.tar"] = pack(tmp_path_factory.mktemp("bundle") / "wlkd-offline")
    check(container.passes(SCRIPT.replace("OFFLINE", "--offline /bundle.tar")))


NO_PIP = """
# As a bundle leaves it whose installation was cut short.
sed -i '\\|^/opt/site|d' /opt/wlkd/lib/python3.*/site-packages/*.pth
mkdir -p /opt/wlkd/share/wlkd
touch /opt/wlkd/share/wlkd/made-by-install.sh
if /opt/wlkd/bin/python -m pip --version; then fail "there is a pip"; fi
if TMPDIR=/tmp PIP_RETRIES=0 bash /opt/src/scripts/install.sh 2>/out/said; then fail "not refused"; fi
/opt/wlkd/bin/python -m pip --version >/out/pip
"""


@pytest.mark.skipif(find_spec("ensurepip") is None, reason="without ensurepip an environment has no pip")
def test_from_the_network_after_a_bundle_that_was_cut_short(container: Any) -> None:
    result = container.passes(NO_PIP)
    assert result.text("pip").startswith("pip ")
    # There is no network in there.
    assert "install.sh: pip failed" in result.text("said") and "--offline BUNDLE" in result.text("said")
