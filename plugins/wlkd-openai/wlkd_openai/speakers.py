"""Speakers in the API's words: letters, or the names of those whom the client knows."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Collection, Sequence

from wlkd import BadParameter, KnownSpeaker
from wlkd.contract.types import MAX_KNOWN_SPEAKERS

NAMES, REFERENCES = "known_speaker_names", "known_speaker_references"
MAX_NAME_CHARACTERS = 100
MAX_REFERENCE_BYTES = 4 * 1024 * 1024
"""Of a data URL: ten seconds of stereo at 48 kHz and 24 bits take 3.8 MB."""


def known_speakers(names: Collection[str], references: Collection[str]) -> tuple[KnownSpeaker, ...]:
    """Whom a client knows. Raises `BadParameter`."""
    if len(names) != len(references):
        raise BadParameter(
            NAMES, f"{NAMES} has {len(names)} entries and {REFERENCES} {len(references)}: each needs one"
        )
    if len(names) > MAX_KNOWN_SPEAKERS:
        raise BadParameter(
            NAMES, f"{NAMES} has {len(names)} entries; at most {MAX_KNOWN_SPEAKERS} speakers can be known"
        )
    for name in names:
        if not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()):
            raise BadParameter(
                NAMES, f"{NAMES}: {name[:20]!r}: a name is one line of 1 to {MAX_NAME_CHARACTERS} characters"
            )
    if len(set(names)) < len(names):
        raise BadParameter(NAMES, f"{NAMES}: two speakers have the same name")
    return tuple(map(_known, names, references))


def who(speaker: int | None, known: Sequence[KnownSpeaker], member: str = "speaker") -> dict[str, str]:
    """The `member` that says who speaks: a name, or for others A, B, and after Z, AA; nothing for None."""
    if speaker is None:
        return {}
    if 1 <= speaker <= len(known):
        return {member: known[speaker - 1].name}
    if speaker < 1:
        return {member: "unknown"}
    # A name may be a letter; somebody whom nobody knows gets another one.
    names = {one.name for one in known}
    free = (letters for letters in map(_letters, itertools.count(1)) if letters not in names)
    return {member: next(itertools.islice(free, speaker - len(known) - 1, None))}


def _letters(number: int) -> str:
    letters = ""
    while number:
        number, place = divmod(number - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters


def _known(name: str, reference: str) -> KnownSpeaker:
    head, comma, data = reference.partition(",")
    scheme, _, media_type = head.partition(":")
    if not comma or scheme.lower() != "data" or not media_type.lower().endswith(";base64"):
        message = f"{REFERENCES}, of {name!r}: must be a data URL, such as data:audio/wav;base64,UklGR…"
        raise BadParameter(REFERENCES, message)
    try:
        recording = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise BadParameter(REFERENCES, f"{REFERENCES}, of {name!r}: its base64 is damaged: {error}") from None
    content_type = media_type.partition(";")[0].strip()
    return KnownSpeaker(name, recording, content_type if content_type.startswith(("audio/", "video/")) else None)
