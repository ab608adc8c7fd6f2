"""The Kubernetes manifests: against the API's schemas, against each other, and a daemon run as the pod would run it."""

from __future__ import annotations

import asyncio
import copy
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from wlkd.config import load_config, parse_setting
from wlkd.config.options import SessionOptions
from wlkd.plugins import load_plugins
from wlkd.testing import free_port, running_daemon

MANIFESTS = Path(__file__).resolve().parents[1] / "container" / "kubernetes"
BASE = {
    document["kind"] + "/" + document["metadata"]["name"]: document
    for file in sorted((MANIFESTS / "base").glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text())
    if file.name not in ("kustomization.yaml", "wlkd.yaml")
}
POD: dict[str, Any] = BASE["Deployment/wlkd"]["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]
AUTOSCALER: dict[str, Any] = BASE["HorizontalPodAutoscaler/wlkd"]["spec"]
KEDA: dict[str, Any] = yaml.safe_load((MANIFESTS / "keda" / "scaledobject.yaml").read_text())["spec"]
CONFIGURATION: dict[str, Any] = yaml.safe_load((MANIFESTS / "base" / "wlkd.yaml").read_text())
API = "1.31"


def valid(document: dict[str, Any]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(document, API, strict=True)


@pytest.mark.parametrize("name", BASE)
def test_the_api_knows_every_field(name: str) -> None:
    valid(BASE[name])


def test_a_wrong_field_would_be_found() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    wrong = {**BASE["Deployment/wlkd"], "spec": {**BASE["Deployment/wlkd"]["spec"], "maxUnavailable": 0}}
    with pytest.raises(kubernetes_validate.ValidationError):
        valid(wrong)


def patched(overlay: str) -> dict[str, Any]:
    """The Deployment with the overlay's patches, all of which add something (RFC 6902)."""
    deployment = copy.deepcopy(BASE["Deployment/wlkd"])
    kustomization = yaml.safe_load((MANIFESTS / overlay / "kustomization.yaml").read_text())
    for patch in kustomization["patches"]:
        assert patch["target"] == {"kind": "Deployment", "name": "wlkd"}
        for change in yaml.safe_load(patch["patch"]):
            *parents, last = change["path"].strip("/").split("/")
            place: Any = deployment
            for key in parents:
                place = place[int(key)] if isinstance(place, list) else place[key]
            assert change["op"] == "add" and (last == "-" or last not in place)
            if last == "-":
                place.append(change["value"])
            else:
                place[last] = change["value"]
    return deployment


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_the_api_knows_every_field_of_the_overlays(overlay: str) -> None:
    deployment = patched(overlay)
    valid(deployment)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert ("nvidia.com/gpu" in container["resources"]["limits"]) == (overlay == "gpu")
    assert container["args"][:3] == CONTAINER["args"]
    # The command line of the pod is one that wlkd takes.
    changes = [argument.removeprefix("--set=") for argument in container["args"][3:]]
    overrides = {name: value for name, _, value in (change.partition("=") for change in changes)}
    assert set(overrides) == {"backend.options.model", "backend.options.device"}


async def test_what_is_scraped_is_there(tmp_path: Path) -> None:
    """The operator's objects have no schema here: what they name must exist in the other manifests and in /metrics."""
    monitor = yaml.safe_load((MANIFESTS / "monitoring" / "servicemonitor.yaml").read_text())
    (endpoint,) = monitor["spec"]["endpoints"]
    relabelings = {rule.get("targetLabel", "kept"): rule for rule in endpoint["relabelings"]}
    scraped = BASE[f"Service/{relabelings['kept']['regex']}"]["spec"]
    assert endpoint["port"] in {port["name"] for port in scraped["ports"]}
    labels = yaml.safe_load((MANIFESTS / "base" / "kustomization.yaml").read_text())["labels"][0]["pairs"]
    assert monitor["spec"]["selector"]["matchLabels"] == scraped["selector"] == labels
    rules = (MANIFESTS.parents[1] / "etc" / "fleet" / "prometheus-rules.yml").read_text()
    assert f'job="{relabelings["job"]["replacement"]}"' in rules
    (rule,) = yaml.safe_load((MANIFESTS / "monitoring" / "adapter.yaml").read_text())["rules"]["custom"]
    (metric,) = AUTOSCALER["metrics"]
    assert rule["name"]["as"] == metric["pods"]["metric"]["name"]
    (trigger,) = KEDA["triggers"]
    values = {"vad": {"name": "none"}, "transports": {"websocket": {}}}
    async with (
        running_daemon(values) as daemon,
        aiohttp.ClientSession() as http,
        http.get(f"{daemon.http}{endpoint['path']}") as answer,
    ):
        served = set(re.findall(r"^# TYPE (\w+)", await answer.text(), re.M))
    for query in (rule["seriesQuery"] + rule["metricsQuery"], trigger["metadata"]["query"]):
        assert (
            set(re.findall(r"wlkd_\w+", query)) - {rule["name"]["as"]}
            == {
                "wlkd_sessions_open",
                "wlkd_sessions_limit",
            }
            <= served
        )


def test_keda_scales_as_the_autoscaler_does() -> None:
    """KEDA's objects have no schema here, but it makes a HorizontalPodAutoscaler of them: the same one."""
    (trigger,) = KEDA["triggers"]
    (metric,) = AUTOSCALER["metrics"]
    # Kubernetes refuses numbers and booleans there.
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    target = {"type": trigger["metricType"], trigger["metricType"].lower(): trigger["metadata"]["threshold"]}
    made = {
        "scaleTargetRef": KEDA["scaleTargetRef"],
        "minReplicas": KEDA["minReplicaCount"],
        "maxReplicas": KEDA["maxReplicaCount"],
        "metrics": [{"type": "External", "external": {"metric": {"name": "s0-prometheus"}, "target": target}}],
        "behavior": KEDA["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
    }
    valid({**BASE["HorizontalPodAutoscaler/wlkd"], "spec": made})
    assert {**made, "metrics": [metric]} == AUTOSCALER
    assert float(target["value"]) * 1000 == int(metric["pods"]["target"]["averageValue"].removesuffix("m"))
    (patch,) = yaml.safe_load((MANIFESTS / "keda" / "kustomization.yaml").read_text())["patches"]
    removed = yaml.safe_load(patch["patch"])
    assert removed["$patch"] == "delete" and f"{removed['kind']}/{removed['metadata']['name']}" in BASE


def built(folder: Path) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_keda_replaces_the_autoscaler(tmp_path: Path) -> None:
    shutil.copytree(MANIFESTS, tmp_path / "kubernetes")
    (tmp_path / "mine").mkdir()
    mine = {"resources": ["../kubernetes/cpu"], "components": ["../kubernetes/keda"]}
    (tmp_path / "mine" / "kustomization.yaml").write_text(yaml.safe_dump(mine))
    kinds = [document["kind"] for document in built(tmp_path / "mine")]
    assert "ScaledObject" in kinds and "HorizontalPodAutoscaler" not in kinds


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_overlays_are_complete(overlay: str) -> None:
    documents = built(MANIFESTS / overlay)
    for document in documents:
        valid(document)
    (deployment,) = (document for document in documents if document["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert ("nvidia.com/gpu" in container["resources"]["limits"]) == (overlay == "gpu")
    assert container["args"][:3] == CONTAINER["args"]
    assert any(document["kind"] == "ConfigMap" for document in documents)


def test_a_pod_has_as_long_as_its_drain_takes() -> None:
    sessions = SessionOptions(**CONFIGURATION["sessions"])
    (_, pre_stop) = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    needed = float(pre_stop) + sessions.linger_seconds + sessions.drain_seconds
    assert needed + 5 <= POD["terminationGracePeriodSeconds"] <= needed + 60
    (down,) = AUTOSCALER["behavior"]["scaleDown"]["policies"]
    assert (down["type"], down["value"]) == ("Pods", 1)
    assert down["periodSeconds"] >= POD["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_the_pod_listens_where_its_services_and_probes_look(overlay: str) -> None:
    container = patched(overlay)["spec"]["template"]["spec"]["containers"][0]
    changes = dict(parse_setting(argument.removeprefix("--set=")) for argument in container["args"][3:])
    absent = {"auth.tokens_file": None, "auth.continuation_key": None}
    config = load_config(MANIFESTS / "base" / "wlkd.yaml", load_plugins(), changes | absent)
    assert config.server.host == "0.0.0.0", "other pods, and the kubelet, come over the network"
    listens = {"http": config.server.port, "agent": config.transports["agent"].model_dump()["port"]}
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == listens
    for name in ("wlkd", "wlkd-nodes"):
        for port in BASE[f"Service/{name}"]["spec"]["ports"]:
            assert (port["targetPort"], port["port"]) == (port["name"], listens[port["name"]])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert listens[container[probe]["httpGet"]["port"]] == config.server.port


def test_what_is_mounted_is_what_the_configuration_names() -> None:
    mounts = {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert CONTAINER["args"][2] in mounts and CONFIGURATION["models_dir"] in mounts
    for option in ("tokens_file", "continuation_key"):
        assert str(Path(CONFIGURATION["auth"][option]).parent) in mounts


async def test_a_daemon_runs_as_the_pod_runs_it(tmp_path: Path) -> None:
    """Its arguments, configuration, secrets, probes and signal; other folders and ports, and the scripted backend."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "tokens").write_text("a-token\n")
    (tmp_path / "secrets" / "continuation-key").write_text("a" * 64)
    text = (MANIFESTS / "base" / "wlkd.yaml").read_text()
    (tmp_path / "wlkd.yaml").write_text(text.replace("/etc/wlkd/secrets", str(tmp_path / "secrets")))
    arguments = [argument.replace("/etc/wlkd/", f"{tmp_path}/") for argument in CONTAINER["args"]]
    port, agent = free_port(), free_port()
    changes = [f"server.port={port}", "server.host=127.0.0.1", f"transports.agent.port={agent}"]
    changes += ["backend.name=scripted", f"models_dir={tmp_path}"]
    command = [sys.executable, "-m", "wlkd", *arguments, *(f"--set={change}" for change in changes)]
    daemon = await asyncio.create_subprocess_exec(*command, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        async with aiohttp.ClientSession() as http:

            async def status(probe: str, **headers: str) -> int:
                path = CONTAINER[probe]["httpGet"]["path"]
                try:
                    async with http.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer:
                        return answer.status
                except aiohttp.ClientConnectionError:
                    return 0

            async with asyncio.timeout(30):
                while await status("startupProbe") != 200:
                    assert daemon.returncode is None
                    await asyncio.sleep(0.05)
            # Probes have no token.
            assert [await status(probe) for probe in ("readinessProbe", "livenessProbe")] == [200, 200]
            reader, _ = await asyncio.open_connection("127.0.0.1", agent)
            assert re.fullmatch(rb"ready up [1-9]\d*%\n", await reader.read())
            url = f"ws://127.0.0.1:{port}/asr"
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(url)
            async with http.ws_connect(url, params={"token": "a-token", "resume": "true"}) as socket:
                assert (await socket.receive_json())["type"] == "config"
                daemon.send_signal(signal.SIGTERM)
                async with asyncio.timeout(10):
                    while (await socket.receive_json())["type"] != "moving":
                        pass
                    probes = [await status(probe) for probe in ("readinessProbe", "livenessProbe")]
                    assert probes == [503, 200]
        assert await asyncio.wait_for(daemon.wait(), 20) == 0
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.wait()
