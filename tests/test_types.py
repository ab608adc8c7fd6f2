"""What travels between the parts."""

from dataclasses import replace

import pytest

from wlkd.contract.errors import SessionError
from wlkd.contract.types import Note, RecognitionParams


@pytest.mark.parametrize(
    ("languages", "code", "may"),
    [((), "en", True), ((), "la", False), (("en", "la"), "la", True), (("en", "la"), "de", False)],
)
def test_nobody_speaks_latin_unless_the_list_of_languages_says_so(languages, code, may):
    assert RecognitionParams(languages=languages).may_detect(code) is may


def test_a_message_is_one_line_whatever_a_client_wrote():
    error = SessionError("bad_request", "mode=x\nsession 1 closed\x1b[31m\u2028 é: unknown")
    assert error.message == str(error) == "mode=x\\nsession 1 closed\\x1b[31m\\u2028 é: unknown"


def test_a_message_of_megabytes_is_cut():
    for repeated in ("x" * 5_000_000, "\0" * 5_000_000):
        error = SessionError("bad_request", f"mode={repeated}: unknown")
        assert (len(error.message), error.message[:5], error.message[-1]) == (4000, "mode=", "…")


def test_a_note_is_one_line_whatever_a_recording_says_of_itself():
    note = Note("tracks", "audio track 1 of 2 is transcribed (a\nsession 1 closed\x1b[31m)")
    assert note.message == "audio track 1 of 2 is transcribed (a\\nsession 1 closed\\x1b[31m)"
    assert replace(note, start=1).message == note.message
