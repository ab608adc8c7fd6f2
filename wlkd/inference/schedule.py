"""Who is in the next batch: live streams by how long they have waited, uploads in the gaps and now and then beside."""

from __future__ import annotations

from collections.abc import Iterable

from wlkd.inference.backlog import Stream, waiting_since

UPLOAD_EVERY_SECONDS = 4.0
"""However busy live streams keep the thread, one upload gets a step that often: it becomes slow, not stuck."""
UPLOADS_BESIDE_LIVE = 1
"""Uploads in a batch of their own while live streams are open: who begins to speak then waits for one short step."""


class Schedule:
    """Remembers nothing but the last turn of an upload. Times are seconds on one monotonic clock."""

    def __init__(self, longest: int, patience: float, max_batch: int) -> None:
        """`longest`: samples that a step takes at most. `patience`: a stream that waited so long is due with less than
        a chunk."""
        self._longest = longest
        self._patience = patience
        self._max_batch = max_batch
        self._upload_turn = float("-inf")

    def is_due(self, stream: Stream, chunk: int, now: float) -> bool:
        """Whether `stream` has enough for a step, or old speech, and no step is running."""
        if stream.running or stream.waiting_since is None:
            return False
        return self.has_enough(stream, chunk) or now - stream.waiting_since >= self._patience

    def has_enough(self, stream: Stream, chunk: int) -> bool:
        """Whether `stream` has a pause to close, `chunk` samples of new speech, or all that it may have."""
        # Nobody waits for the next word of an upload: it takes the longest steps, which are the cheapest.
        wanted = chunk if stream.priority == "live" else self._longest
        return stream.pauses > 0 or stream.full or stream.queued >= wanted

    def choose(self, streams: Iterable[Stream], chunk: int, now: float, batches: int = 1) -> list[Stream]:
        """The next batch, those who waited longest first; empty: nobody is due. `batches`: how many may begin now;
        those who are due are shared out evenly. Say `begun` when it begins."""
        live: list[Stream] = []
        uploads: list[Stream] = []
        live_open = False
        for stream in streams:
            is_live = stream.priority == "live"
            live_open |= is_live
            if self.is_due(stream, chunk, now):
                (live if is_live else uploads).append(stream)
        live.sort(key=waiting_since)
        uploads.sort(key=waiting_since)
        if live:
            turn = [upload for upload in uploads[:1] if self._has_waited(upload, now)]
            chosen = [*live[: min(-(-len(live) // batches), self._max_batch - len(turn))], *turn]
        else:
            even = min(-(-len(uploads) // batches), self._max_batch)
            chosen = uploads[: UPLOADS_BESIDE_LIVE if live_open else even]
        return chosen

    def begun(self, chosen: Iterable[Stream], now: float) -> None:
        """The batch of `chosen` has begun."""
        if any(stream.priority == "upload" for stream in chosen):
            self._upload_turn = now

    def waits_since(self, chosen: Iterable[Stream]) -> float:
        """Since when a batch of `chosen` has waited, beside those of other engines: uploads come after live streams,
        until one has waited for so long."""
        return min(
            waiting_since(stream) + (UPLOAD_EVERY_SECONDS if stream.priority == "upload" else 0.0) for stream in chosen
        )

    def _has_waited(self, upload: Stream, now: float) -> bool:
        return now - max(self._upload_turn, waiting_since(upload)) >= UPLOAD_EVERY_SECONDS

    def seconds_to_next(self, streams: Iterable[Stream], now: float) -> float | None:
        """When somebody becomes due without handing in more, from `now`; None: nobody waits, or the ends of running
        steps come first."""
        waiting = [s.waiting_since for s in streams if s.waiting_since is not None and not s.running]
        return max(min(waiting) + self._patience - now, 0.0) if waiting else None
