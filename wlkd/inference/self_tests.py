"""What a worker finds out by speech that is made up: how many sessions its backend keeps up with, and, when steps fail,
whether it still recognizes anything."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor

from wlkd.contract.components import Backend
from wlkd.inference.capacity import Capacity, one_step, people, self_test, sessions_for

logger = logging.getLogger(__name__)


class SelfTests:
    """Those of one backend, on its inference threads. Event loop only, one at a time."""

    def __init__(
        self,
        backend: Backend,
        threads: Executor,
        clock: Callable[[], float],
        name: str,
        sessions: int,
        repeats: Sequence[float],
    ) -> None:
        """`name`: of the engine, for the log. `sessions`: to expect while nothing is measured. `repeats`: seconds after
        the first measurement at which to measure again."""
        self._backend = backend
        self._threads = threads
        self._clock = clock
        self._name = name
        self.capacity = Capacity(sessions, name)
        """How many sessions the backend keeps up with, as far as is known."""
        self._repeats = deque(repeats)
        """By the clock, once `begin` has returned."""
        self._measured = False
        self._running: asyncio.Task[float] | None = None
        self.running_since: float | None = None
        """When the test that is running began; None: none is."""

    async def begin(self, *, measure: bool) -> None:
        """`measure`: find out the capacity, now and again later; else it stays as it was expected."""
        if measure:
            await self._measure()
            began = self._clock()
            self._repeats = deque(began + later for later in self._repeats)
        else:
            self._repeats.clear()

    def ask(self) -> bool:
        """Measure as soon as nobody is here. False: the capacity is measured already, or going to be."""
        if self._measured or self._repeats:
            return False
        logger.info(
            "engine %s: how many can talk at once is measured as soon as nobody is here; up to then %s may",
            self._name,
            people(self.capacity.sessions),
        )
        self._repeats.append(self._clock())
        return True

    @property
    def due_in(self) -> float | None:
        """Seconds to the next measurement, below 0 if it is overdue; None: there will be no more."""
        return self._repeats[0] - self._clock() if self._repeats else None

    async def repeat(self) -> None:
        """Make the measurement that is due."""
        self._repeats.popleft()
        await self._measure()

    async def hear(self) -> None:
        """Take one step of speech that is made up; raises what the backend raises."""
        await self._run(one_step(self._backend, 1, self._threads, self._clock))

    async def end(self, patience: float) -> None:
        """Wait for a test that is running, `patience` seconds at most: nobody may close the backend under it."""
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=patience)

    async def _run(self, test: Coroutine[None, None, float]) -> float:
        """What `test` returns. Cancelled, it leaves the test running."""
        self.running_since = self._clock()
        try:
            self._running = asyncio.create_task(test)
            return await asyncio.shield(self._running)
        finally:
            self.running_since = None

    async def _measure(self) -> None:
        """The second time, what is found may only raise the estimate, which another program may have lowered before."""
        again = self._measured
        try:
            throughput = await self._run(self_test(self._backend, self._threads, self._clock))
        except Exception as error:
            # A failure with test audio must not stop the daemon; real audio may work, and also shows the capacity.
            logger.warning(
                "engine %s: self-test failed; assuming that %s can talk at once",
                self._name,
                people(self.capacity.sessions),
                exc_info=error,
            )
            return
        self._measured = True
        found = sessions_for(throughput)
        logger.debug("engine %s: self-test: %.1f s of speech recognized in a second", self._name, throughput)
        if again and found <= self.capacity.sessions:
            return
        self.capacity = Capacity(found, self._name)
        logger.info(
            "engine %s: up to %s can talk at once on this machine (%.1f s of test speech recognized in a second%s)",
            self._name,
            people(found),
            throughput,
            "; the machine was busier at the start" if again else "",
        )
