"""Opus packets without a container, as telephony and WebRTC send them (RFC 6716): each behind its length.

A client may call Ogg or WebM "opus" too: what begins like a container is one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.packet import Packet

from wlkd import SAMPLE_RATE, Decoded, DecoderStream, Gap, Note, SessionError, StreamOffer
from wlkd_av.options import AvOptions
from wlkd_av.reading import Voice
from wlkd_av.stream import AvStream

ENCODING = "opus"
LENGTH = struct.Struct(">I")
MAX_PACKET_BYTES = 64 * 1024
"""More than the largest that the codec can make; what is announced to be longer is not a packet."""
CONTAINERS = (b"OggS", b"\x1aE\xdf\xa3", b"RIFF", b"RIFX", b"caff")
"""How Ogg, WebM, WAV and CAF begin. The first byte would be a packet of a sort that nobody sends in a call."""
SIGNATURE_BYTES = 4
"""Of each."""
STEREO = 0x04
"""A bit of a packet's first byte (RFC 6716, section 3.1)."""
HOPELESS_PACKETS = 50
"""From the start on: a stream in whose first second nothing is decoded is not Opus."""
RATE = 48_000
"""What Opus is decoded to, whatever rate it was made from."""


class PacketStream(DecoderStream):
    """One client's packets, or the container that they turn out to be."""

    def __init__(self, options: AvOptions, offer: StreamOffer) -> None:
        self._options = options
        self._offer = offer
        self._container: AvStream | None = None
        self._held = bytearray()
        self._codec: AudioCodecContext | None = None
        self._voice = Voice(floats=False, only=offer.channel, last=offer.last_channel)
        self._last = SAMPLE_RATE // 50
        """Samples of the last good packet: the assumed length of a bad one."""
        self._bad = 0
        """Packets that failed, until one did not."""
        self._heard = False

    def feed(self, data: bytes) -> Iterator[Decoded]:
        for packet in self._packets(data):
            if self._container is not None:
                yield from self._container.feed(packet)
            elif packet:
                yield from self._decode(packet)

    def finish(self) -> Iterator[Decoded]:
        if self._container is not None:
            yield from self._container.finish()
            return
        yield from self._voice.rest()

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._held.clear()

    def _packets(self, data: bytes) -> Iterator[bytes]:
        """Whole packets; of a container, whose pieces may be of any length, what there is of them."""
        self._held += data
        while len(self._held) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._held)
            end = LENGTH.size + length
            beginning = self._held[LENGTH.size : min(end, LENGTH.size + SIGNATURE_BYTES)]
            if self._container is None and self._codec is None and beginning.startswith(CONTAINERS):
                self._container = AvStream(self._options, replace(self._offer, encoding=None))
            packet = bytes(self._held[LENGTH.size : end])
            if len(packet) == length:
                del self._held[:end]
                yield packet
            elif self._container is not None:
                self._held[:] = LENGTH.pack(length - len(packet))
                yield packet
                return
            elif length > MAX_PACKET_BYTES and (self._codec is not None or len(beginning) == SIGNATURE_BYTES):
                remedy = "send packets, each behind its length; a recording need not be announced as opus"
                raise SessionError("undecodable_audio", f"{length} bytes are no Opus packet: {remedy}")
            else:
                return

    def _decode(self, data: bytes) -> Iterator[Decoded]:
        codec = self._codec = self._codec or _decoder(self._offer.channels or (2 if data[0] & STEREO else 1))
        try:
            frames = codec.decode(Packet(data))
        except av.error.FFmpegError:
            yield from self._fail()
            return
        self._heard, self._bad = True, 0
        for frame in frames:
            self._last = frame.samples * SAMPLE_RATE // RATE
            yield from self._voice.take(frame)

    def _fail(self) -> Iterator[Decoded]:
        """A packet that makes no sense leaves a hole of its length."""
        self._bad += 1
        if not self._heard and self._bad >= HOPELESS_PACKETS:
            raise SessionError("undecodable_audio", "these are no Opus packets, one a message, nor a container")
        if self._bad == 1:
            yield Note("damaged", "an Opus packet cannot be decoded", length=self._last)
        yield from self._voice.rest()
        yield Gap(self._last)


def _decoder(channels: int) -> AudioCodecContext:
    codec = av.CodecContext.create("libopus", "r")
    assert isinstance(codec, AudioCodecContext)
    # RFC 7845, section 5.1: without such a header libav takes everything for mono.
    codec.extradata = b"OpusHead" + struct.pack("<BBHIhB", 1, min(channels, 2), 0, RATE, 0, 0)
    return codec
