"""Whether the daemon really works: one judgement for /healthz, /readyz, STATUS= and the watchdog."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable

from wlkd import __version__
from wlkd.config.options import DEFAULT_ENGINE
from wlkd.daemon.threads import Pools
from wlkd.host.build import build
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.sessions.admission import Admission

TICK_SECONDS = 0.1
"""How often the event loop's delay is measured."""
WATCH_SECONDS = 1.0
"""How often calls that do not return are looked for."""


class Health:
    """Built when the core works; `ready` is set once the transports listen."""

    def __init__(
        self,
        workers: Callable[[], Iterable[Worker]],
        admission: Admission,
        metrics: Metrics,
        pools: Pools,
        stall_seconds: float,
    ) -> None:
        self._workers = workers
        self._admission = admission
        self._metrics = metrics
        self._pools = pools
        self._stall_seconds = stall_seconds
        self.ready = False

    def sick_because(self) -> str | None:
        """Why the daemon should be restarted; None: it works. That it can be asked shows that the loop turns."""
        for worker in self._workers():
            at = _at(worker)
            if worker.ended:
                return f"the inference worker has ended{at}"
            stalled = worker.stalled_for()
            if stalled > self._stall_seconds:
                return f"inference has been stuck for {stalled:.0f} s{at}"
            if worker.is_broken:
                return f"inference has failed {worker.failed_steps} times in a row{at}"
        if self._pools.audio.all_stuck(self._stall_seconds):
            return f"every thread for live audio has been stuck for {self._stall_seconds:.0f} s"
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
        sick = self.sick_because()
        if sick is not None:
            return sick
        admission = self._admission
        count, lag = len(admission.sessions), f"lag {admission.lag_seconds:.1f} s"
        if admission.draining:
            reasons = Counter(session.remains_because for session in admission.sessions)
            remain = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
            return f"draining, {count} sessions remain ({remain}), {lag}" if count else "draining"
        place = f", {admission.place}" if admission.place else ""
        failing = "".join(f", all uploads fail{_at(worker)}" for worker in self._workers() if worker.fails_uploads)
        return f"serving {count} of {admission.max_sessions} sessions, {lag}{place}{failing}, wlkd {build(__version__)}"

    async def measure_loop_delay(self) -> None:
        """Observe for ever how late the event loop wakes a timer."""
        while True:
            due = time.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._metrics.loop_delay.observe(max(time.monotonic() - due, 0.0))

    async def watch_threads(self) -> None:
        """Log for ever the calls of plugins that do not return."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for threads in self._pools.all():
                threads.tell(self._stall_seconds)


def _at(worker: Worker) -> str:
    # Of one engine everybody knows which it is.
    return "" if worker.name == DEFAULT_ENGINE else f" at the engine {worker.name}"
