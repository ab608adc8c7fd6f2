"""What travels between the parts."""

import pytest

from wlkd.contract.types import RecognitionParams


@pytest.mark.parametrize(
    ("languages", "code", "may"),
    [((), "en", True), ((), "la", False), (("en", "la"), "la", True), (("en", "la"), "de", False)],
)
def test_nobody_speaks_latin_unless_the_list_of_languages_says_so(languages, code, may):
    assert RecognitionParams(languages=languages).may_detect(code) is may
