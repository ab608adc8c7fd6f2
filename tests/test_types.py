"""What travels between the parts."""

import pytest

from wlkd.contract.errors import SessionError
from wlkd.contract.types import RecognitionParams


@pytest.mark.parametrize(
    ("languages", "code", "may"),
    [((), "en", True), ((), "la", False), (("en", "la"), "la", True), (("en", "la"), "de", False)],
)
def test_nobody_speaks_latin_unless_the_list_of_languages_says_so(languages, code, may):
    assert RecognitionParams(languages=languages).may_detect(code) is may


def test_a_message_is_one_line_whatever_a_client_wrote():
    error = SessionError("bad_request", "mode=x\nsession 1 closed\x1b[31m\u2028 é: unknown")
    assert error.message == str(error) == "mode=x\\nsession 1 closed\\x1b[31m\\u2028 é: unknown"
