"""A pod of container/kubernetes/cpu, without a cluster and an engine: systemd-nspawn runs its container.

Its arguments, environment, account, mounts, read-only root and missing capabilities are the manifests'; so are the
probes and the signal. The root is made of this machine's own /usr, not of the image.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from wlkd.testing import free_port

pytestmark = [pytest.mark.systemd, pytest.mark.model]

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFESTS = REPOSITORY / "container" / "kubernetes"
POD: dict[str, Any] = yaml.safe_load((MANIFESTS / "base" / "deployment.yaml").read_text())["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]
OVERLAY: dict[str, Any] = yaml.safe_load((MANIFESTS / "cpu" / "kustomization.yaml").read_text())
IMAGE_ENVIRONMENT = re.findall(r"--env (\S+=\S+)", (REPOSITORY / "container" / "build.sh").read_text())


def arguments() -> list[str]:
    """Those of the container, with what the overlay adds."""
    changes = yaml.safe_load(OVERLAY["patches"][0]["patch"])
    return [*CONTAINER["args"], *(change["value"] for change in changes if change["path"].endswith("/args/-"))]


def make_secrets(folder: Path) -> Path:
    """As the kubelet writes them: readable for the pod's group alone."""
    folder.mkdir()
    (volume,) = (volume["secret"] for volume in POD["volumes"] if volume["name"] == "secrets")
    for name, content in (("tokens", "a-token\n"), ("continuation-key", "a" * 64)):
        (folder / name).write_text(content)
        os.chown(folder / name, 0, POD["securityContext"]["fsGroup"])
        (folder / name).chmod(volume["defaultMode"])
    return folder


def make_root(root: Path, environment: Path, secrets: Path) -> list[str]:
    """An image's tree, and the mounts of the pod as options of systemd-nspawn."""
    account, group = (POD["securityContext"][key] for key in ("runAsUser", "runAsGroup"))
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "passwd").write_text(f"root:x:0:0::/:/bin/sh\nwlkd:x:{account}:{group}::/:/usr/sbin/nologin\n")
    (root / "etc" / "group").write_text(f"root:x:0:\nwlkd:x:{group}:\n")
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    image = {"/usr": Path("/usr"), "/opt/wlkd": environment, "/opt/src": REPOSITORY}
    image["/opt/site"] = Path(sysconfig.get_path("purelib"))
    options = [f"--bind-ro={path}:{place}" for place, path in image.items()]
    sources = {"configuration": MANIFESTS / "base" / "wlkd.yaml", "secrets": secrets}
    for mount in CONTAINER["volumeMounts"]:
        place = root / mount["mountPath"].lstrip("/")
        if mount["name"] == "tmp":
            options.append(f"--tmpfs={mount['mountPath']}:mode=1777")
        elif mount["name"] in sources:
            options.append(f"--bind-ro={sources[mount['name']]}:{mount['mountPath']}")
        # The mount points: nspawn cannot make them in a root that is read-only.
        file = mount["name"] == "configuration"
        (place.parent if file else place).mkdir(parents=True, exist_ok=True)
        if file:
            place.touch()
    for name in (*image, "/proc", "/sys", "/dev", "/run", "/var", "/root"):
        (root / name.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return options


def command(root: Path, mounts: Sequence[str], models: Path, changes: Sequence[str]) -> list[str]:
    context = CONTAINER["securityContext"]
    assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
    assert context["capabilities"] == {"drop": ["ALL"]}
    options = ["systemd-nspawn", "--quiet", f"--directory={root}", "--read-only", "--register=no", "--keep-unit"]
    options += ["--user=wlkd", "--drop-capability=all", "--no-new-privileges=yes", "--kill-signal=SIGTERM"]
    options += [*mounts, f"--bind-ro={models.resolve()}:/data/whisper_models"]
    options += [f"--setenv={variable}" for variable in IMAGE_ENVIRONMENT]
    return [*options, "/opt/wlkd/bin/wlkd", *arguments(), *(f"--set={change}" for change in changes)]


async def test_the_container_of_the_pod_transcribes_with_a_root_that_it_cannot_write(
    environment: Path, tmp_path: Path, models_dir: Path, speech_dir: Path
) -> None:
    await asyncio.to_thread(subprocess.run, ["chmod", "-R", "a+rX", environment], check=True)
    secrets = make_secrets(tmp_path / "secrets")
    port, agent = free_port(), free_port()
    # The network is this machine's, so the ports are others.
    changes = [f"server.port={port}", f"transports.agent.port={agent}"]
    mounts = make_root(tmp_path / "root", environment, secrets)
    with (tmp_path / "journal").open("wb") as journal:
        pod = await asyncio.create_subprocess_exec(
            *command(tmp_path / "root", mounts, models_dir, changes),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=journal,
            stderr=journal,
        )
    try:
        await lives(pod, port, speech_dir / "en_librispeech_test_clean" / "1089-134686-0015.flac")
        assert await asyncio.wait_for(pod.wait(), 30) == 0
    except (AssertionError, TimeoutError) as error:
        raise AssertionError(f"{error}\n{(tmp_path / 'journal').read_text()}") from error
    finally:
        if pod.returncode is None:
            pod.kill()
            await pod.wait()
    assert "stopped" in (tmp_path / "journal").read_text()


def check_confinement(nspawn: int) -> None:
    """Of the process that runs in the container."""
    (inside,) = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
    status = dict(line.split(":\t") for line in Path(f"/proc/{inside}/status").read_text().splitlines())
    account = str(POD["securityContext"]["runAsUser"])
    assert (set(status["Uid"].split()), int(status["CapEff"], 16), status["NoNewPrivs"]) == ({account}, 0, "1")
    mounts = [line.split() for line in Path(f"/proc/{inside}/mountinfo").read_text().splitlines()]
    (root,) = (fields for fields in mounts if fields[4] == "/")
    assert "ro" in root[5].split(",")


async def lives(pod: asyncio.subprocess.Process, port: int, speech: Path) -> None:
    """From its start to SIGTERM, as kubelet and clients see it."""
    base = f"127.0.0.1:{port}"
    token = {"Authorization": "Bearer a-token"}
    async with aiohttp.ClientSession() as http:

        async def status(probe: str) -> int:
            try:
                async with http.get(f"http://{base}{CONTAINER[probe]['httpGet']['path']}") as answer:
                    return answer.status
            except aiohttp.ClientConnectionError:
                return 0

        async with asyncio.timeout(90):
            while await status("startupProbe") != 200:
                assert pod.returncode is None
                await asyncio.sleep(0.2)
        assert [await status(probe) for probe in ("readinessProbe", "livenessProbe")] == [200, 200]
        check_confinement(pod.pid)
        # A file is spooled to /tmp, all there is to write to.
        form = aiohttp.FormData({"model": "whisper-1"})
        form.add_field("file", await asyncio.to_thread(speech.read_bytes), filename=speech.name)
        async with http.post(f"http://{base}/v1/audio/transcriptions", data=form, headers=token) as answer:
            assert "schoolroom" in (await answer.json())["text"].lower().replace(" ", "")
        async with http.ws_connect(f"ws://{base}/asr?resume=true", headers=token) as socket:
            assert (await socket.receive_json())["type"] == "config"
            pod.terminate()
            async with asyncio.timeout(15):
                while (await socket.receive_json())["type"] != "moving":
                    pass
                assert [await status(probe) for probe in ("readinessProbe", "livenessProbe")] == [503, 200]
