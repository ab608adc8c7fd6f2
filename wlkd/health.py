"""Whether the daemon really works: one judgement for /healthz, /readyz, STATUS= and the watchdog."""

from __future__ import annotations

import asyncio
import time

from wlkd.admission import Admission
from wlkd.metrics import Metrics
from wlkd.worker import Worker

TICK_SECONDS = 0.1
"""How often the event loop's delay is measured."""


class Health:
    """Built when the core works; `ready` is set once the transports listen."""

    def __init__(self, worker: Worker, admission: Admission, metrics: Metrics, stall_seconds: float) -> None:
        self._worker = worker
        self._admission = admission
        self._metrics = metrics
        self._stall_seconds = stall_seconds
        self.ready = False

    def sick_because(self) -> str | None:
        """Why the daemon should be restarted; None: it works. That it can be asked shows that the loop turns."""
        stalled = self._worker.stalled_for()
        if stalled > self._stall_seconds:
            return f"inference has been stuck for {stalled:.0f} s"
        return None

    def not_ready_because(self) -> str | None:
        """Why new clients should go elsewhere; None: they may come."""
        if not self.ready:
            return "starting"
        if self._admission.draining:
            return "draining"
        return self.sick_because()

    def status(self) -> str:
        """One line for `systemctl status`."""
        admission = self._admission
        sick = self.sick_because()
        if sick is not None:
            return sick
        doing = "draining" if admission.draining else "serving"
        return (
            f"{doing} {len(admission.sessions)} of {admission.max_sessions} sessions, lag {admission.lag_seconds:.1f} s"
        )

    async def measure_loop_delay(self) -> None:
        """Observe for ever how late the event loop wakes a timer."""
        while True:
            due = time.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._metrics.loop_delay.observe(max(time.monotonic() - due, 0.0))
