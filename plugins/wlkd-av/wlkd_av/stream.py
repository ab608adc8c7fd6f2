"""A stream of containers, decoded as its bytes come, or from a file where there is one to seek in."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator

import numpy as np

from wlkd import Decoded, DecoderStream, Gap, Note, Restart, SessionError, StreamOffer
from wlkd_av.container import Container
from wlkd_av.cuts import Cuts
from wlkd_av.demux import Demuxer
from wlkd_av.errors import TooMuch, Undecodable
from wlkd_av.files import Kept
from wlkd_av.formats import NAMES
from wlkd_av.options import MIB, AvOptions
from wlkd_av.raw import raw_samples
from wlkd_av.reading import Opening
from wlkd_av.sniff import (
    CLUSTER,
    MAX_HEADER_BYTES,
    MPEG_FRAME,
    Choice,
    Middle,
    Wait,
    choose,
    container_format,
    describe,
    find_header,
)
from wlkd_av.tags import NEEDED_BYTES, behind_length, tag_length
from wlkd_av.whole import read_file

HEAD_BYTES = 64
INDEX_FIRST = "write the index first (ffmpeg -movflags +faststart) or in fragments"
MAX_BARREN = 8
"""Containers in a row that may hold nothing: each costs a thread and a demuxer."""
MIDDLE_BYTES = 64 * 1024
"""Searched for a header, where a recording's beginning is missing; and at the beginning of unknown data."""
TELL_SECONDS = 1.5
"""When a live client gets an error for a stream that makes no sense; a header may still follow until then."""
TELL_BYTES = 4096
"""The error comes only after this number of bytes."""
FRAMED_BYTES = 16 * 1024
"""What begins like MP3 or AAC has this many bytes to prove it: libav looks at several frames."""
MAX_RESTARTS = 256
"""Places to go on from that are kept until somebody asks; beyond, every other one is forgotten."""


class AvStream(DecoderStream):
    """One client's bytes: mostly one container, sometimes several after each other, with tags between them."""

    def __init__(self, options: AvOptions, offer: StreamOffer, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._offer = offer
        self._now = clock
        self._began: float | None = None
        """When the first byte came."""
        self._taken = 0
        """The client's bytes so far."""
        self._held = bytearray()
        """The last of them, which no demuxer has yet."""
        self._skip = 0
        """Bytes still to come that belong to a tag."""
        self._kept: Kept | None = None
        """A recording that only makes sense as a whole: kept until it is complete."""
        self._head = b""
        """The first bytes of the present container, for messages."""
        self._container: Container | None = None
        """The present one."""
        self._doubt: bytearray | None = None
        """All of its bytes, while nobody knows whether it is audio."""
        self._between = False
        """A container has ended: bytes that are not a container are ignored from here on."""
        self._reason: Undecodable | None = None
        """Why a container came to nothing."""
        self._heard = False
        self._barren = 0
        """Containers in a row without any audio."""
        self._failed: SessionError | None = None
        """What the next call raises."""
        self._cuts = Cuts()
        self._restarts: list[Restart] = []
        self._clock = 0
        """Samples told so far, with the gaps between them."""

    def feed(self, data: bytes) -> Iterable[Decoded]:
        if self._failed is not None:
            raise self._failed
        if self._began is None:
            self._began = self._now()
        for part, cut in self._cuts.split(data):
            self._held += part
            self._taken += len(part)
            yield from self._guarded(self._work())
            # With several containers in a row, the client knows only the first one's header.
            if cut is not None and self._container is not None and not self._between:
                # Nobody asks while the stream ends with its connection.
                if len(self._restarts) == MAX_RESTARTS:
                    del self._restarts[::2]
                self._restarts.append(Restart(self._cuts.header, cut, self._clock))

    def restarts(self) -> list[Restart]:
        found, self._restarts = self._restarts, []
        return found

    def finish(self) -> Iterable[Decoded]:
        if self._failed is not None:
            raise self._failed
        yield from self._guarded(self._finish())

    def close(self) -> None:
        if self._container is not None:
            self._container.demuxer.close()
        if self._kept is not None:
            self._kept.close()
        self._held.clear()

    def _guarded(self, items: Iterator[Decoded]) -> Iterator[Decoded]:
        """`items`, with account of what was told, and of what ended it."""
        try:
            for item in items:
                self._heard |= isinstance(item, np.ndarray)
                self._clock += (
                    len(item) if isinstance(item, np.ndarray) else item.length if isinstance(item, Gap) else 0
                )
                yield item
        except SessionError as error:
            self._failed = error
            raise

    # The stream ----------------------------------------------------------------------------------------------

    def _work(self, *, last: bool = False) -> Iterator[Decoded]:
        """What the held bytes hold, as far as they can be understood before more come; `last`: none will come."""
        while self._held:
            if self._kept is not None:
                self._keep()
            elif self._skip:
                dropped = min(self._skip, len(self._held))
                del self._held[:dropped]
                self._skip -= dropped
            elif self._container is not None:
                if not (yield from self._demux(self._container, last=last)):
                    return
            else:
                begun = yield from self._begin(last=last)
                if not begun:
                    return

    def _begin(self, *, last: bool) -> Generator[Decoded, None, bool]:
        """Find out what the held bytes are. Returns whether there is anything to do with them now."""
        if len(self._held) < NEEDED_BYTES and not last:
            return False
        start = bytes(self._held[:NEEDED_BYTES])
        self._skip = behind_length(start) if self._between else tag_length(start)
        if self._skip:
            return True
        if self._between and not self._find_next(last=last):
            return False
        choice = choose(bytes(self._held))
        self._head = bytes(self._held[:HEAD_BYTES])
        match choice:
            case Wait.MORE:
                self._check_held()
                return False
            case Wait.WHOLE_FILE:
                self._keep_from(self._taken - len(self._held))
            case Middle():
                return (yield from self._miss_beginning(choice, last=last))
            case Choice():
                self._start(choice)
        return True

    def _find_next(self, *, last: bool) -> bool:
        """Drop bytes that are not a container, up to the next one."""
        at = find_header(self._held)
        if at is None:
            at = len(self._held) if last else max(len(self._held) - MAX_HEADER_BYTES + 1, 0)
            del self._held[:at]
            return False
        del self._held[:at]
        return True

    def _miss_beginning(self, middle: Middle, *, last: bool) -> Generator[Decoded, None, bool]:
        at = find_header(self._held, 1)
        if at is not None:
            yield Note("skipped", f"it begins in the middle of {middle.kind}, which cannot be decoded")
            del self._held[:at]
            return True
        if last or len(self._held) >= MIDDLE_BYTES or self._waited(len(self._held)):
            raise self._headless(middle.kind)
        return False

    def _waited(self, size: int) -> bool:
        """Whether a client that sends `size` bytes which make no sense is to be told."""
        return self._began is not None and self._now() - self._began >= TELL_SECONDS and size >= TELL_BYTES

    def _start(self, choice: Choice) -> None:
        begin = self._taken - len(self._held)
        del self._held[: choice.offset]
        offer = self._offer
        opening = Opening(choice.format, choice.options, offer.channel, offer.last_channel, choice.seconds)
        self._container = Container(choice, Demuxer(opening, self._options.max_burst_seconds), begin)
        self._doubt = bytearray() if choice.format is None else None

    def _check_held(self) -> None:
        if len(self._held) > self._options.max_probe_bytes:
            if self._offer.file is None:
                raise self._undecodable(f"no audio stream within {len(self._held)} bytes")
            self._keep_from(self._taken - len(self._held))

    def _keep_from(self, begin: int) -> None:
        """Nothing can be said of what begins there in the client's bytes before it is complete."""
        self._kept = Kept(self._offer.file, self._options.max_file_bytes, begin)

    def _keep(self) -> None:
        assert self._kept is not None
        if not self._kept.add(bytes(self._held)):
            limit = self._options.max_file_bytes / MIB
            raise self._undecodable(f"its index is at the end, beyond {limit:.3g} MiB; {INDEX_FIRST}")
        self._held.clear()

    # A container ---------------------------------------------------------------------------------------------

    def _demux(self, container: Container, *, last: bool) -> Generator[Decoded, None, bool]:
        """Feed what belongs to the present container. Returns whether to go on with what is held then."""
        taken = container.take(self._held, last=last)
        if taken is None:
            return False
        piece, ends = taken
        demuxer = container.demuxer
        yield from demuxer.feed(piece)
        if self._doubt is not None:
            skipped = self._settle_doubt(container, piece)
            if skipped:
                yield Note("skipped", f"{skipped} bytes before the recording are no audio")
                return True
        if ends or demuxer.over:
            self._held[:0] = demuxer.unread()
            yield from self._end(container, early=not ends)
        elif not demuxer.opened and container.taken > self._options.max_probe_bytes:
            yield from self._want_whole(container, Undecodable(f"no audio stream within {container.taken} bytes"))
        return True

    def _settle_doubt(self, container: Container, piece: bytes) -> int:
        """Unknown data: it turns out to be audio, or to be followed by some; returns the bytes before.

        Raises `SessionError` when a client that is still sending is to know.
        """
        if container.demuxer.opened:
            self._doubt = None
            return 0
        assert self._doubt is not None
        self._doubt += piece
        at = find_header(self._doubt, 1)
        if at is not None:
            container.demuxer.close()
            self._container, self._held = None, self._doubt[at:] + self._held
            return at
        framed = MPEG_FRAME.match(self._doubt) and len(self._doubt) < FRAMED_BYTES
        if not container.demuxer.over and self._waited(container.taken) and not framed:
            if CLUSTER.search(self._doubt):
                raise self._headless("a WebM recording")
            raise self._undecodable("no audio found")
        return 0

    def _end(self, container: Container, *, early: bool) -> Iterator[Decoded]:
        """The container ends. One that lacks its own end counts as far as it goes; `early`: it takes no more bytes."""
        demuxer = container.demuxer
        yield from demuxer.finish()
        self._container, self._between = None, True
        self._barren = 0 if demuxer.heard else self._barren + 1
        failure = demuxer.failure
        if failure is None:
            return
        if self._heard:
            yield Note("cut_short", self._undecodable(str(failure)).message)
        elif self._offer.file is not None or early or isinstance(failure, TooMuch):
            yield from self._want_whole(container, failure)
        elif self._barren > MAX_BARREN:
            raise self._undecodable(f"{self._barren} containers in a row without audio")
        self._reason = failure

    def _want_whole(self, container: Container, failure: Undecodable) -> Iterator[Decoded]:
        """As a stream it makes no sense. Where there is a file, it is looked at once it is complete."""
        if self._offer.file is None or isinstance(failure, TooMuch):
            raise self._undecodable(str(failure)) from failure
        container.demuxer.close()
        self._container = None
        self._keep_from(container.begin)
        yield from ()

    # The end -------------------------------------------------------------------------------------------------

    def _finish(self) -> Iterator[Decoded]:
        yield from self._work(last=True)
        if self._container is not None:
            yield from self._end(self._container, early=False)
        if self._kept is None and self._held and not self._between:
            # The stream ended before a demuxer was chosen; now all its bytes are there.
            self._kept = Kept(None, self._options.max_file_bytes)
            self._keep()
        if self._kept is not None:
            yield from self._read_kept(self._kept)
        elif not self._heard and self._reason is not None:
            raise self._undecodable(str(self._reason)) from self._reason

    def _read_kept(self, kept: Kept) -> Iterator[Decoded]:
        try:
            yield from read_file(kept.file, kept.begin, kept.size, self._options.max_burst_seconds, self._offer)
        except Undecodable as failure:
            if not self._heard:
                raise self._undecodable(str(failure)) from failure
            yield Note("cut_short", self._undecodable(str(failure)).message)

    def _headless(self, kind: str) -> SessionError:
        return SessionError("undecodable_audio", f"this is the middle of {kind}; its first chunk is missing")

    def _undecodable(self, reason: str) -> SessionError:
        name = container_format(self._head)
        found = f"this {NAMES.get(name, name)} recording" if name else describe(self._head)
        known = name or found.startswith(("text", "markup"))
        if self._doubt is not None and not known and (raw := raw_samples(self._doubt)):
            reason = (
                f"this looks like raw samples ({raw}), which have to be announced: with ?format={raw} at /asr, "
                "with encoding and sample_rate at Deepgram's addresses; elsewhere send WAV"
            )
        return SessionError("undecodable_audio", f"cannot decode {found}: {reason}")
