"""What a stream needs to go on elsewhere: small, versioned, and sealed so that only a daemon can have written it.

It travels with the client, so that no daemon has to remember a stream that it lost, nor ask another one about it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from wlkd.contract.errors import Code, SessionError
from wlkd.contract.types import Line, Restart, StreamOffer, Translation, Word
from wlkd.sessions.sealing import is_seal_of, seal_and_body, sealed

VERSION = 1
"""Of everything in here. Another one is refused: the client begins anew. So is one with a field that is not known."""
MAX_CHARACTERS = 48 * 1024
"""Characters of a sealed continuation at most. A minute of fast speech in one line takes 4,000; with all the voices
that a diarizer may tell apart and as many untranslated words as are kept, it takes 28,000; with the longest lines that
can be configured, nearly all."""
MAX_BYTES = 256 * 1024
"""Unpacked. Bounds what a small text can inflate to, although it is unpacked only once its seal has been found good."""
KEY_BYTES = 4


@dataclass(frozen=True, slots=True)
class Continuation:
    """One stream at one moment."""

    session: str
    """Names the session among all of the fleet."""
    node: str
    """What the daemon runs, for the log of another one: version and model."""
    offer: StreamOffer
    wishes: Mapping[str, str]
    """What the client asked for."""
    language: str | None
    settled: int
    """Samples of which nothing more will come than `told`."""
    restart: Restart
    context: str
    """Text before `settled`, the end of it."""
    told: tuple[Word, ...]
    """Words behind `settled` that were committed, as the model wrote them."""
    closed_lines: int
    open_line: Line | None
    transcript_end: int
    words: int
    """Committed so far."""
    speakers: Mapping[str, Any] = field(default_factory=dict)
    """What speaker labels need to stay the same."""
    kept: tuple[Line, ...] = ()
    """Lines behind the `closed_lines` that cannot get words any more, and wait for translations."""
    untranslated: int = 0
    """How many of the last words in `kept` and the open line are not translated yet."""


class Keys:
    """Of one fleet. The first seals, all of them open: so a key can be changed without refusing anybody."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys`: secrets of any length, at least one."""
        self._secrets = tuple(keys)
        self._keys = [hashlib.sha256(b"wlkd continuation\0" + key).digest() for key in keys]

    def are(self, other: Keys) -> bool:
        """Whether they are the same, in the same order."""
        return self._secrets == other._secrets

    def for_purpose(self, purpose: bytes) -> list[bytes]:
        """Keys for something else that is sealed, in the same order."""
        return [hmac.digest(key, purpose, "sha256") for key in self._secrets]

    def seal(self, continuation: Continuation) -> str:
        """As text for the client: the seal, and behind it the version, the name of the key, and the content."""
        content = zlib.compress(json.dumps(_packed(continuation), separators=(",", ":")).encode(), 6)
        key = self._keys[0]
        body = bytes([VERSION]) + _name(key) + content
        return sealed(key, body)

    def open(self, text: str) -> Continuation:
        """Raises `SessionError("cannot_resume")` with the reason, before anything inside is looked at."""
        if len(text) > MAX_CHARACTERS:
            raise _refused(f"it has {len(text)} characters; at most {MAX_CHARACTERS} are taken")
        try:
            seal, body = seal_and_body(text)
        except ValueError:
            raise _refused("it is damaged") from None
        version, name, content = body[:1], body[1 : 1 + KEY_BYTES], body[1 + KEY_BYTES :]
        if not content:
            raise _refused("it is cut short")
        if version != bytes([VERSION]):
            raise ForeignContinuation(
                f"it has version {version[0]}, and this server knows version {VERSION}",
                "it was sealed by another version of wlkd; machines between which clients may move need the same one",
            )
        key = next((key for key in self._keys if hmac.compare_digest(_name(key), name)), None)
        if key is None:
            raise ForeignContinuation(
                "the continuation was sealed by a server with another key",
                "none of our keys opens it; machines between which clients may move need the same "
                "auth.continuation_key, and one without keeps its own over a restart of the service only",
            )
        if not is_seal_of(seal, key, body):
            raise _refused("it was changed on the way")
        plain = json.loads(_inflated(content))
        try:
            return _unpacked(plain)
        except (KeyError, TypeError, ValueError):
            # Taken whole or not at all: what this release would leave out may be words, as in lines that wait for
            # translations.
            raise ForeignContinuation(
                "the continuation was sealed by another release of wlkd, and holds what this one does not know",
                f"it was sealed by {plain.get('node', 'another release')}, and holds what this release does not know; "
                "machines between which clients may move need the same one",
            ) from None


class ForeignContinuation(SessionError):
    """Sealed by a daemon that differs from this one: by its key or its release."""

    def __init__(self, reason: str, remedy: str) -> None:
        """`reason`: for the client; `remedy`: for the log."""
        super().__init__(Code.CANNOT_RESUME, f"cannot resume: {reason}")
        self.remedy = remedy


def _refused(reason: str) -> SessionError:
    return SessionError(Code.CANNOT_RESUME, f"cannot resume: {reason}")


def _name(key: bytes) -> bytes:
    """Tells keys apart and gives nothing away."""
    return hashlib.sha256(b"name\0" + key).digest()[:KEY_BYTES]


def _inflated(content: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    plain = unpacking.decompress(content, MAX_BYTES)
    if unpacking.unconsumed_tail:
        raise _refused("it is too large")
    return plain


def _packed(one: Continuation) -> dict[str, Any]:
    # Only what there is: a daemon of the version before knows nothing of translations.
    translation = {"kept": [_packed_line(line) for line in one.kept], "untranslated": one.untranslated}
    return {
        "session": one.session,
        "node": one.node,
        "offer": [one.offer.content_type, one.offer.encoding, one.offer.sample_rate, one.offer.channels],
        "wishes": dict(one.wishes),
        "language": one.language,
        "settled": one.settled,
        "restart": list(asdict(one.restart).values()),
        "context": one.context,
        "told": _packed_words(one.told),
        "closed_lines": one.closed_lines,
        "open_line": None if one.open_line is None else _packed_line(one.open_line),
        "transcript_end": one.transcript_end,
        "words": one.words,
        "speakers": dict(one.speakers),
        **{name: value for name, value in translation.items() if value},
    }


def _unpacked(plain: dict[str, Any]) -> Continuation:
    content_type, encoding, sample_rate, channels = plain["offer"]
    return Continuation(
        **{
            **plain,
            "offer": StreamOffer(content_type, encoding, sample_rate, channels),
            "restart": Restart(*plain["restart"]),
            "told": _unpacked_words(plain["told"]),
            "open_line": None if plain["open_line"] is None else _unpacked_line(plain["open_line"]),
            "kept": tuple(map(_unpacked_line, plain.get("kept", ()))),
        }
    )


def _packed_line(line: Line) -> list[Any]:
    packed = [line.start, line.end, line.language, _packed_words(line.words)]
    if line.translations:
        packed.append([[one.start, one.end, one.text] for one in line.translations])
    return packed


def _unpacked_line(packed: Sequence[Any]) -> Line:
    start, end, language, words, *rest = packed
    return Line(start, end, _unpacked_words(words), language, tuple(Translation(*one) for one in next(iter(rest), ())))


def _packed_words(words: Sequence[Word]) -> list[list[Any]]:
    return [_packed_word(word) for word in words]


def _packed_word(word: Word) -> list[Any]:
    """All of it; of a confidence what clients get, because further digits cannot be compressed."""
    packed = [round(value, 3) if isinstance(value, float) else value for value in astuple(word)]
    while packed[-1] is None:
        packed.pop()
    return packed


def _unpacked_words(words: Sequence[Sequence[Any]]) -> tuple[Word, ...]:
    return tuple(Word(*word) for word in words)
