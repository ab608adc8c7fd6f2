"""wlkd decoder: raw PCM, mu-law and A-law at any rate and channel count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry, StreamOffer


@hookimpl
def wlkd_register_decoders(register: Registry) -> None:
    from wlkd_pcm.decoder import Pcm

    register("pcm", Pcm)


@hookimpl
def wlkd_choose_decoder(offer: StreamOffer) -> str | None:
    from wlkd_pcm.formats import announced

    return "pcm" if announced(offer) is not None else None
