"""Decoder `av`: any container that FFmpeg reads, and packets of Opus."""

from __future__ import annotations

from wlkd import Context, Decoder, DecoderStream, StreamOffer
from wlkd_av.options import AvOptions


class Av(Decoder[AvOptions]):
    encodings = ("opus",)

    async def provision(self, ctx: Context) -> None:
        """Import libav here: it takes a quarter of a second, and the first client should not pay for it."""
        import wlkd_av.packets  # noqa: F401

    def open(self, offer: StreamOffer) -> DecoderStream:
        # Not above: `wlkd check` needs no libav.
        from wlkd_av.packets import PacketStream
        from wlkd_av.stream import AvStream

        return AvStream(self.config, offer) if offer.encoding is None else PacketStream(self.config, offer)
