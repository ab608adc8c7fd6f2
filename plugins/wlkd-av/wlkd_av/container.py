"""One container among a client's bytes: the bytes that are its own, up to its end or to the container behind it."""

from __future__ import annotations

from dataclasses import replace

from wlkd_av.demux import Demuxer
from wlkd_av.sniff import MAX_HEADER_BYTES, Choice
from wlkd_av.tags import NEEDED_BYTES, behind_length, chunk_length


class Container:
    """Cut out of the client's bytes for its demuxer, piece by piece."""

    def __init__(self, choice: Choice, demuxer: Demuxer, begin: int) -> None:
        self.demuxer = demuxer
        self.begin = begin
        """Its place in the client's bytes."""
        self.taken = 0
        """Bytes cut out so far."""
        self._choice = choice
        self._tail = b""
        """The last of them: a header may be cut in two."""

    def take(self, held: bytearray, *, last: bool) -> tuple[bytes, bool] | None:
        """Its part of the bytes `held`, cut out of them, and whether it ends there. None: it takes more bytes to say.

        `last`: none will come.
        """
        size, ends = self._next_piece(held, last=last)
        if not size and not ends:
            return None
        piece = bytes(held[:size])
        del held[:size]
        self.taken += size
        self._tail = (self._tail + piece)[1 - MAX_HEADER_BYTES :]
        return piece, ends

    def _next_piece(self, held: bytearray, *, last: bool) -> tuple[int, bool]:
        restart = self._find_restart(held)
        length = self._choice.length
        left = len(held) + 1 if length is None else length - self.taken
        if left <= len(held) and (restart is None or restart > left):
            behind = bytes(held[left : left + NEEDED_BYTES])
            if len(behind) < NEEDED_BYTES and not last:
                return left, False
            # Behind an odd number of bytes stands one that fills up.
            chunk = behind[1:] if self._choice.length and self._choice.length % 2 else behind
            if not behind or chunk_length(chunk) or behind_length(behind):
                return left, True
            # More samples: the header had the length of the first piece of a stream.
            self._choice = replace(self._choice, length=None)
        return (len(held), False) if restart is None else (restart, True)

    def _find_restart(self, held: bytearray) -> int | None:
        """How many of the bytes `held` are its own, if another container follows it.

        Of a header that was cut in two, the first part has gone to the demuxer already, where it is no more than a
        broken end; the whole header is put back in front of `held`.
        """
        if self._choice.restart is None:
            return None
        # The container's own header is not a restart.
        begin = max(self._choice.intro - self._choice.offset - (self.taken - len(self._tail)), 0)
        match = self._choice.restart.search(self._tail + held, begin)
        if match is None:
            return None
        cut = match.start() - len(self._tail)
        if cut < 0:
            held[:0] = self._tail[cut:]
            self._tail, self.taken = self._tail[:cut], self.taken + cut
        return max(cut, 0)
