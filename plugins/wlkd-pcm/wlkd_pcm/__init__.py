"""wlkd decoder: raw PCM, mu-law and A-law at any rate and channel count."""

from wlkd import Registry, StreamOffer, hookimpl
from wlkd_pcm.decoder import Pcm
from wlkd_pcm.formats import announced


@hookimpl
def wlkd_register_decoders(register: Registry) -> None:
    register("pcm", Pcm)


@hookimpl
def wlkd_choose_decoder(offer: StreamOffer) -> str | None:
    return "pcm" if announced(offer) is not None else None
