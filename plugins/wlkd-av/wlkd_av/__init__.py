"""wlkd decoder: WebM, Ogg, MP4, MP3, FLAC, WAV and AAC as a stream, and packets of Opus, through PyAV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry, StreamOffer


@hookimpl
def wlkd_register_decoders(register: Registry) -> None:
    from wlkd_av.decoder import Av

    register("av", Av)


@hookimpl(trylast=True)
def wlkd_choose_decoder(offer: StreamOffer) -> str | None:
    # Last, for everything that no other decoder recognized: libav looks at the bytes, not at the type. Not for raw
    # samples of an encoding that nobody knows: it would look for a container in them. `opus`: packets (packets.py).
    return "av" if offer.encoding in (None, "opus") else None
