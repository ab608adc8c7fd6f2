"""Boots a real systemd from this machine's own /usr, with wlkd in /opt/wlkd, and runs a shell script in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"

UNIT = """\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash -c '/bin/bash -eEu /out/script >/out/log 2>&1; echo $? >/out/status; systemctl exit 0'
"""
PRELUDE = ". /opt/src/tests/systemd/prelude.sh\n"


def unavailable() -> str | None:
    """Why no container can be booted here; None: it can."""
    if os.geteuid() != 0:
        return "booting a container takes root"
    if shutil.which("systemd-nspawn") is None:
        return "systemd-nspawn is not installed (Debian: systemd-container)"
    if not Path("/usr/lib/systemd/systemd").exists():
        return "there is no systemd in /usr to boot"
    version = subprocess.run(
        [PYTHON, "-c", "import sys, venv; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
    ).stdout.split()
    if version != [str(part) for part in sys.version_info[:2]]:
        return f"{PYTHON} is not the Python {sys.version_info[0]}.{sys.version_info[1]} that the tests run with"
    return None


def make_environment(prefix: Path) -> None:
    """A virtual environment for /opt/wlkd, of the system's Python, with the code of this checkout."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", prefix], check=True)
    site = next(prefix.glob("lib/python*/site-packages"))
    sources = ["/opt/src", *(f"/opt/src/plugins/{path.name}" for path in (REPOSITORY / "plugins").iterdir())]
    (site / "wlkd-under-test.pth").write_text("\n".join([*sources, "/opt/site"]) + "\n")
    command = prefix / "bin" / "wlkd"
    command.write_text("#!/opt/wlkd/bin/python\nimport sys\nfrom wlkd.__main__ import main\nsys.exit(main())\n")
    command.chmod(0o755)


@contextmanager
def own_control_groups(name: str) -> Iterator[list[Path]]:
    """A control group for one container in every hierarchy that a systemd may keep its units in.

    Containers booted at one time would otherwise share one tree, and the `wlkd.service` in each of them one group:
    stopping one of the two reaches for the processes of both.
    """
    roots = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]
    groups = [root / name for root in roots if (root / "cgroup.procs").exists()]
    for group in groups:
        group.mkdir()
    try:
        yield groups
    finally:
        for group in groups:
            for directory, _, _ in os.walk(group, topdown=False):
                Path(directory).rmdir()


@dataclass
class Result:
    """What the script left behind."""

    status: int
    log: str
    out: Path

    def text(self, name: str) -> str:
        """The content of /out/`name`."""
        return (self.out / name).read_text()


@dataclass
class Container:
    """Boots once for each `run`; nothing is left of it but what lies in /out."""

    environment: Path
    out: Path
    binds: dict[str, Path] = field(default_factory=dict)
    """More folders to see, read-only, by their place inside."""

    def run(self, script: str, seconds: float = 120) -> Result:
        """Run `script` with bash -eEu after `prelude.sh`. Whatever it prints is in the result's log."""
        prefix = self.out / "prefix"
        shutil.copytree(self.environment, prefix, symlinks=True)
        prefix.chmod(0o755)
        self.out.chmod(0o777)
        (self.out / "script").write_text(PRELUDE + script)
        (self.out / "test.service").write_text(UNIT)
        binds = {"/opt/src": REPOSITORY, "/opt/site": Path(sysconfig.get_path("purelib")), **self.binds}
        name = f"wlkd-test-{uuid.uuid4().hex[:8]}"
        command = ["systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", "--boot", "--register=no"]
        command += ["--keep-unit", "--private-network", f"--machine={name}"]
        command += [f"--bind-ro={path}:{place}" for place, path in binds.items()]
        command += [f"--bind={self.out}:/out"]
        command += [f"--bind-ro={self.out / 'test.service'}:/etc/systemd/system/test.service"]
        command += ["systemd.firstboot=off", "systemd.unit=test.service"]
        with own_control_groups(name) as groups, (self.out / "console").open("wb") as console:
            join = "".join(f"echo $$ >{group}/cgroup.procs; " for group in groups)
            command = ["sh", "-ec", join + 'exec "$@"', "sh", *command]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(30)
        log = self.out / "log"
        text = log.read_text(errors="replace") if log.exists() else (self.out / "console").read_text(errors="replace")
        status = self.out / "status"
        return Result(int(status.read_text()) if status.exists() else 124, text, self.out)

    def passes(self, script: str, seconds: float = 120) -> Result:
        """Run `script` and expect it to succeed."""
        result = self.run(script, seconds)
        assert result.status == 0, f"exit {result.status}\n{result.log[-6000:]}"
        return result
