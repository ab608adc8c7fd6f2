"""The translator and its thread, shared by all sessions that ask for it.

Finished sentences of live streams go first, in the order in which they were finished, then those of uploads. Sentences
that still grow come last, and only while there is time to spare. All of it gives way to recognition, by the priority of
the thread: under load translation falls behind first, and catches up. Everything but the thread is on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any, TypeVar

from wlkd.contract.components import Translator
from wlkd.contract.priority import give_way
from wlkd.contract.returned import WrongReturn, targets, wrong
from wlkd.contract.types import Passage
from wlkd.inference.left_time import LeftTime
from wlkd.metrics import Metrics

logger = logging.getLogger(__name__)
T = TypeVar("T")

SPARE = 0.5
"""Time to spare, of 0 to 1, below which sentences that still grow are not translated."""
STUCK_SECONDS = 60.0
"""A call that takes longer, not counting what recognition takes of the time, will never end."""
CLOSE_SECONDS = 2.0
"""What a call gets to end when the daemon stops, which cannot wait for one that is stuck."""


class Rank(IntEnum):
    """Who goes first."""

    LIVE = 0
    UPLOAD = 1
    DRAFT = 2
    """A sentence that still grows."""


@dataclass(eq=False, slots=True)
class Request:
    """One passage on its way."""

    passage: Passage
    rank: Rank
    done: Callable[[str | None], None]
    """Called on the event loop; None: the translation failed."""
    cancelled: bool = False
    """Nobody waits for it any more, and `done` is not called."""

    def answer(self, text: str | None) -> None:
        """Tell whoever waits. Raises nothing: a defect of one session must not end the translation of all."""
        try:
            self.done(text)
        except Exception:
            logger.exception("a translation could not be applied")


class TranslationService:
    """See the module. Bounded by its sessions, each of which may have so many sentences waiting, and one draft."""

    def __init__(
        self,
        translator: Translator,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`translator` is provisioned. Raises `WrongReturn`."""
        self._translator = translator
        self.targets = targets(translator.targets)
        """See `Translator.targets`."""
        self._metrics = metrics
        self._spare: Callable[[], float] = lambda: 1.0
        self._clock = clock
        self._waiting: dict[Rank, deque[Request]] = {rank: deque() for rank in Rank}
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "translation", give_way, ("translation competes with recognition",))
        self._task: asyncio.Task[None] | None = None
        self._calling: asyncio.Future[Any] | None = None
        """What the thread does, or did last."""
        self._left = LeftTime(clock, lambda: self._spare())
        self._told_stuck = False
        metrics.translation_waiting.set_function(
            lambda: sum(len(self._waiting[rank]) for rank in (Rank.LIVE, Rank.UPLOAD))
        )

    async def start(self, *, warm_up: bool) -> None:
        """Begin to translate. A translator that fails to warm up will do so again, and be heard of."""
        if warm_up:
            try:
                await asyncio.shield(self._call(self._translator.warm_up))
            except Exception:
                logger.exception("the translator failed to warm up")
        self._task = asyncio.create_task(self._work(), name="translation")

    def give_way_to(self, spare: Callable[[], float]) -> None:
        """`spare`: how much time recognition has to spare, 0 (none) to 1 (idle)."""
        self._spare = spare

    async def close(self) -> None:
        """Stop. A call that goes on ends first, lest somebody close the translator under it, unless it is stuck."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._calling is not None:
            await asyncio.wait({self._calling}, timeout=CLOSE_SECONDS)
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def max_wait_seconds(self) -> float:
        """How long the end of a live stream waits for its last translations."""
        return self._translator.config.max_wait_seconds

    @property
    def stuck(self) -> bool:
        """The translator has not come back for so long that it will not."""
        return self._left.seconds > STUCK_SECONDS

    def ask(self, request: Request) -> None:
        """Have a passage translated; `request.done` hears of it, unless it is cancelled meanwhile."""
        self._waiting[request.rank].append(request)
        self._wake.set()
        if self.stuck and not self._told_stuck:
            self._told_stuck = True
            logger.error("the translator has not come back for %g s; nothing is translated any more", STUCK_SECONDS)

    def cancel(self, request: Request) -> None:
        """Nobody waits for it any more."""
        request.cancelled = True
        with contextlib.suppress(ValueError):  # It is being translated.
            self._waiting[request.rank].remove(request)

    async def _work(self) -> None:
        try:
            while True:
                if batch := self._next_batch():
                    await self._run(batch)
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except Exception:
            # Nobody awaits this task; who misses translations needs the reason.
            logger.exception("translation has ended")

    def _next_batch(self) -> list[Request]:
        """Of the first rank that has any; drafts for which there is no time are turned down."""
        for rank, waiting in self._waiting.items():
            batch: list[Request] = []
            while waiting and len(batch) < self._translator.max_batch:
                request = waiting.popleft()
                if rank is Rank.DRAFT and self._spare() < SPARE:
                    request.answer(None)
                    continue
                batch.append(request)
            if batch:
                return batch
        return []

    async def _run(self, batch: Sequence[Request]) -> None:
        began = self._clock()
        passages = [request.passage for request in batch]
        texts = await self._left.count(self._call(partial(self._translated, passages)))
        self._metrics.translation_seconds.inc(self._clock() - began)
        for request, text in zip(batch, texts, strict=True):
            if text is None and request.rank is not Rank.DRAFT:
                self._metrics.translation_failures.inc()
            if not request.cancelled:
                request.answer(text)

    def _call(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """`call`, on the thread."""
        self._calling = calling = asyncio.get_running_loop().run_in_executor(self._thread, call)
        return calling

    def _translated(self, passages: Sequence[Passage]) -> list[str | None]:
        """On the thread. None for a passage at which the translator fails."""
        try:
            made: Any = self._translator.translate(passages)
            texts: Sequence[Any] = made if isinstance(made, Sequence) and not isinstance(made, str) else [made]
            if len(texts) != len(passages) or not all(isinstance(text, str) for text in texts):
                kinds = ", ".join(sorted({type(text).__name__ for text in texts})) or "nothing"
                fault = f"{len(texts)} x {kinds}; due is a list of {len(passages)} x str"
                raise wrong(self._translator.translate, fault)
            return [text.strip() for text in texts]
        except Exception as error:
            if len(passages) > 1:
                return [self._translated([passage])[0] for passage in passages]
            # What was said is not for the log; the message of other exceptions may hold it.
            passage = passages[0]
            logger.warning(
                "the translator failed at %d characters from %s to %s: %s",
                len(passage.text),
                passage.source,
                passage.target,
                error if isinstance(error, WrongReturn) else type(error).__name__,
            )
            logger.debug("the translator failed", exc_info=error)
            return [None]
