"""FreeSWITCH's mod_audio_fork and mod_audio_stream: the first text is the caller's metadata, audio is binary.

Sources: the modules' READMEs (drachtio/drachtio-freeswitch-modules, amigniter/mod_audio_stream). Audio is 16-bit
little-endian at the rate that the command names (`8000`, `16k`), two channels for `stereo`. What the server sends as
text becomes an event of the module: mod_audio_fork reads `type` and `data`. No I/O here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wlkd import StreamOffer
from wlkd.transports.channels import channel_count
from wlkd.transports.client_json import parsed
from wlkd.transports.queries import whole_number

RATE = 8_000
"""Of a command that names none."""
NAMES = {
    "sampleRate": "sample_rate",
    "samplingRate": "sample_rate",
    "mixType": "mix",
    "call_id": "call",
    "callId": "call",
    "uuid": "call",
}
"""How metadata, such as that of jambonz, calls what the query of the address calls otherwise."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a stream is."""

    call: str
    offer: StreamOffer
    channels: int | None
    """That are told apart: `stereo` has the caller left and the callee right."""
    said: Mapping[str, str]
    """Query and metadata in one."""


def metadata(text: str) -> dict[str, str]:
    """The plain members of a first text that is a JSON object; any other text says nothing here."""
    try:
        fields = parsed(text)
    except ValueError:
        return {}
    if not isinstance(fields, dict):
        return {}
    plain = {name: value for name, value in fields.items() if isinstance(value, str | int)}
    return {NAMES.get(name, name): str(value) for name, value in plain.items()}


def opening(query: Mapping[str, str], told: Mapping[str, str]) -> Opening:
    """From the query of the address, and the metadata, which goes first. Raises `BadParameter`."""
    said = {**query, **told}
    channels = channel_count(said, 2 if said.get("mix") == "stereo" else 1)
    rate = said.get("sample_rate", "")
    if rate.lower().endswith("k"):
        said["sample_rate"] = f"{rate[:-1]}000"
    offer = StreamOffer(encoding="s16le", sample_rate=whole_number(said, "sample_rate", RATE), channels=channels)
    return Opening(
        call=said.get("call", ""),
        offer=offer,
        channels=channels if channels > 1 else None,
        said=said,
    )
