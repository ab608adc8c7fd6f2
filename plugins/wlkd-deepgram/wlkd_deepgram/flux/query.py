"""What a client asks for in the query of `/v2/listen`, and what it may change later by `Configure`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from multidict import MultiMapping

from wlkd import BadParameter, StreamOffer
from wlkd_deepgram.query import audio_offer, check_names
from wlkd_deepgram.text import text_wishes

MODELS = re.compile(r"flux(-.*)?")
"""Deepgram's own, which mean the default engine here, or that of the language."""
MULTILINGUAL = "flux-general-multi"
USED = frozenset(
    [
        "model",
        "encoding",
        "sample_rate",
        "eot_threshold",
        "eager_eot_threshold",
        "eot_timeout_ms",
        "keyterm",
        "language_hint",
        "numerals",
        "profanity_filter",
        "token",
    ]
)
NO_EFFECT = frozenset(["mip_opt_out", "tag"])

DEFAULT_EOT = 0.7
RANGES = {"eot_threshold": (0.5, 1.0), "eager_eot_threshold": (0.3, 0.9), "eot_timeout_ms": (500, 60_000)}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on a turn is over."""

    eot_threshold: float = DEFAULT_EOT
    """Confidence that ends it; 1: none does."""
    eager_eot_threshold: float | None = None
    """Confidence at which a client may begin to prepare its reply; None: it does not want to know."""
    eot_timeout_ms: int = 5_000
    """Silence that ends it in any case."""

    def with_values(self, values: Mapping[str, object]) -> Thresholds:
        """With those of `values` that are thresholds. Raises `BadParameter`."""
        read = {name: _number(name, values[name]) for name in RANGES if values.get(name) is not None}
        if "eot_timeout_ms" in read:
            read["eot_timeout_ms"] = round(read["eot_timeout_ms"])
        changed = replace(self, **read)  # type: ignore[arg-type]
        if (changed.eager_eot_threshold or 0.0) > changed.eot_threshold:
            raise BadParameter("eager_eot_threshold", "eager_eot_threshold must not be above eot_threshold")
        return changed

    def fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in RANGES if getattr(self, name) is not None}


@dataclass(frozen=True, slots=True)
class FluxQuery:
    """A client's query, checked."""

    offer: StreamOffer
    model: str = ""
    """As the client calls it."""
    thresholds: Thresholds = Thresholds()
    keyterms: tuple[str, ...] = ()
    language_hints: tuple[str, ...] = ()
    wishes: dict[str, str] = field(default_factory=dict)
    """For `Sessions.open`."""


def parse_flux(query: MultiMapping[str]) -> FluxQuery:
    """Read the query of one request. Raises `SessionError("bad_request")` for what makes no sense."""
    check_names(query, USED, NO_EFFECT)
    model, hints = query.get("model", ""), tuple(query.getall("language_hint", []))
    if hints and model != MULTILINGUAL:
        raise BadParameter("language_hint", f"language_hint is for model={MULTILINGUAL}")
    keyterms = tuple(query.getall("keyterm", []))
    wishes = text_wishes(query) | _language(model, hints)
    if keyterms:
        wishes["hotwords"] = ",".join(keyterms)
    thresholds = Thresholds().with_values(query)
    return FluxQuery(audio_offer(query, None, True), model, thresholds, keyterms, hints, wishes)


def _language(model: str, hints: tuple[str, ...]) -> dict[str, str]:
    if len(hints) == 1:
        return {"language": hints[0]}
    if model == MULTILINGUAL:
        return {"language": "auto", "language_scope": "segment"} | ({"languages": ",".join(hints)} if hints else {})
    # `flux-general-en` names its language; another model has that of the configuration.
    return {"language": "en"} if model.startswith("flux-") and model.endswith("-en") else {}


def _number(name: str, value: object) -> float:
    least, most = RANGES[name]
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not least <= number <= most:
        raise BadParameter(name, f"{name}={value}: must be a number from {least} to {most}")
    return number
