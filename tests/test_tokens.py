"""Short-lived keys: sealed, bound to a token and to a time."""

from __future__ import annotations

import random
import string

import pytest

from wlkd.contract.errors import BadParameter, SessionRefused
from wlkd.sessions.continuation import Keys
from wlkd.sessions.tokens import MAX_CHARACTERS, MAX_NOTE_BYTES, Tokens

NOW = 1_800_000_000.0


def tokens(*known: str, keys: tuple[bytes, ...] = (b"secret",), now: float = NOW) -> Tokens:
    return Tokens(frozenset(known), Keys(keys), lambda: now)


def test_a_key_is_good_until_it_expires_on_every_machine_with_the_same_secret() -> None:
    key, expiry = tokens("sesame").grant("sesame", 60, "note")
    assert expiry == NOW + 60
    assert tokens("other", "sesame", now=NOW + 59).good(key)
    assert tokens("sesame").note(key) == "note"
    assert not tokens("sesame", now=NOW + 61).good(key)
    assert not tokens("sesame", keys=(b"another",)).good(key)
    assert tokens("sesame", keys=(b"new", b"secret")).good(key), "a secret can be changed"


def test_a_key_dies_with_its_token() -> None:
    key, _ = tokens("sesame", "poppy").grant("sesame", 60, "")
    assert not tokens("poppy").good(key)
    assert tokens("sesame", now=NOW + 61).good(key, expired=True)
    assert not tokens("poppy", now=NOW + 61).good(key, expired=True)


def test_only_a_token_makes_a_key() -> None:
    several = tokens("sesame")
    key, _ = several.grant("sesame", 60, "")
    for wrong in (key, "poppy", None):
        with pytest.raises(SessionRefused):
            several.grant(wrong, 60, "")


def test_where_everybody_may_connect_keys_still_carry_a_note_and_expire() -> None:
    key, _ = tokens().grant(None, 60, "note")
    assert tokens().note(key) == "note"
    assert not tokens(now=NOW + 61).good(key)
    assert tokens().good(None)
    assert tokens().note("anything") == ""


def without_order(characters: int) -> str:
    """A text that can hardly be compressed."""
    return "".join(random.Random(7).choices(string.ascii_letters + string.digits + "+/", k=characters))


def test_every_key_that_is_made_is_good_with_all_of_its_note() -> None:
    for note in ("n" * MAX_NOTE_BYTES, "注" * (MAX_NOTE_BYTES // 3), without_order(MAX_CHARACTERS - 200)):
        key, _ = tokens().grant(None, 60, note)
        assert tokens().note(key) == note
    with pytest.raises(BadParameter, match="it has 16385 bytes; a key takes 16384 at most"):
        tokens().grant(None, 60, "n" * (MAX_NOTE_BYTES + 1))
    with pytest.raises(BadParameter, match=r"it makes a key of \d+ characters; headers have room for 8000"):
        tokens().grant(None, 60, without_order(MAX_CHARACTERS + 200))


def test_a_token_of_the_operator_may_look_like_a_key() -> None:
    assert tokens("ek_mine").good("ek_mine")
    assert tokens("ek_mine").note("ek_mine") == ""


def test_nothing_in_a_key_can_be_changed() -> None:
    key, _ = tokens("sesame").grant("sesame", 60, "note")
    for place in range(3, len(key) - 1, 7):
        changed = key[:place] + ("A" if key[place] != "A" else "B") + key[place + 1 :]
        assert not tokens("sesame").good(changed)
