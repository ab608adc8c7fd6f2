"""What transports take for JSON."""

from __future__ import annotations

from typing import Any

import pytest

from wlkd.transports.client_json import parsed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 3 + "]" * 3, [[[]]]),
        ('{"a": 1}', {"a": 1}),
        (b'"\xc3\xa4"', "ä"),
        (r'"\ud83d\ude00 \u00e4"', "😀 ä"),
        ("null", None),
    ],
)
def test_json(text: str | bytes, said: Any) -> None:
    assert parsed(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        r'"\ud800"',
        r'{"\udc00": 1}',
        r'[["\ud800\ud800"]]',
        "[" * 100_000,
        "NaN",
        '{"a": -Infinity}',
        "[" * 102 + "]" * 102,
        '{"a":' * 101 + "1" + "}" * 101,
        "[" + "{}," * 10_000 + "{}]",
    ],
)
def test_what_is_none_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parsed(text)
