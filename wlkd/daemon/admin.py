"""What operators and their tools read: /metrics, /healthz, /readyz, /health, /plugins."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from wlkd import __version__
from wlkd.contract.host import Sessions
from wlkd.daemon.health import Health
from wlkd.host.build import commit
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins


def add_admin_routes(
    app: web.Application, metrics: Metrics, health: Health, plugins: Plugins, sessions: Sessions
) -> None:
    """Mount these pages on `app`."""

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        return _verdict(health.sick_because())

    async def readyz(_: web.Request) -> web.Response:
        return _verdict(health.not_ready_because())

    async def show_health(_: web.Request) -> web.Response:
        reason = health.not_ready_because()
        fields = {"status": reason or "ok", "ready": reason is None}
        return web.json_response(fields, status=200 if reason is None else 503)

    async def show_plugins(_: web.Request) -> web.Response:
        return web.json_response(
            {
                "version": __version__,
                "commit": commit(),
                "components": [
                    {
                        "kind": item.kind,
                        "name": item.name,
                        "distribution": item.distribution,
                        "version": item.version,
                    }
                    for item in plugins.components
                ],
                "engines": [asdict(engine) for engine in sessions.capabilities().engines],
                "failures": [{"plugin": item.plugin, "reason": item.reason} for item in plugins.failures],
            }
        )

    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/health", show_health)
    app.router.add_get("/plugins", show_plugins)


def _verdict(reason: str | None) -> web.Response:
    if reason is None:
        return web.Response(text="ok\n")
    return web.Response(status=503, text=f"{reason}\n")
