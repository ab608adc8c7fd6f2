"""Numbers as digits, in a whole text and in one that comes word by word."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from wlkd_text.numbers import Numbers, NumbersOptions

from wlkd import Context, SessionError, TextFilter
from wlkd.testing import check_filter, spoken_words


@pytest.fixture
async def numbers(tmp_path: Path) -> TextFilter:
    component = Numbers(NumbersOptions())
    await component.provision(Context(tmp_path, CollectorRegistry(), lambda words: None))
    return component.open("")


@pytest.mark.parametrize(
    ("language", "said", "written"),
    [
        ("en", " I have twenty three apples, and one hundred and five pears.", " I have 23 apples, and 105 pears."),
        ("en", " from nineteen ninety nine to twenty twenty four", " from 1999 to 2024"),
        ("en", " nineteen oh five", " 1905"),
        ("en", " call five five five one two oh four now", " call 5551204 now"),
        ("en", " the twenty-first of twenty-three", " the 21st of 23"),
        ("en", " three point one four percent", " 3.14 percent"),
        ("en", " one of them, wait a second, a hundred dollars, half a million", None),
        ("en", " 25 thousand", None),
        ("fr", " quatre-vingt-dix-neuf et trois virgule cinq", " 99 et 3,5"),
        ("de", " dreiundzwanzig Komma fünf und ein Haus", " 23,5 und ein Haus"),
        ("es", " treinta y tres", " 33"),
        ("sv", " tjugotre", None),
        ("zh", "一九九零年后出生的人口", "1990年后出生的人口"),
        ("zh", "一三一五零八八一八零七", "13150881807"),
        ("zh", "四十六岁的国企出纳员，利润的三分之二", "46岁的国企出纳员，利润的2/3"),
        ("zh", "百分之二十五点三，三点一四，两点五", "25.3%，3.14，2.5"),
        ("zh", "二零二四年三月五日三点十五分", "2024年3月5日3点15分"),
        ("zh", "两百块钱，三万五千六百，一千万，一亿二千万", "200块钱，35600，1000万，12000万"),
        ("zh", "三萬兩千", "32000"),
        ("zh", "我们一起去，一个人，万一，十分好，千万不要，三四十个，二三十年，七七八八，下午三点半", None),
        ("zh", "F零十五的设计", None),
        ("ja", "二十三", None),
    ],
)
def test_numbers_become_digits(numbers: TextFilter, language: str, said: str, written: str | None) -> None:
    words = spoken_words(said, language)
    assert check_filter(numbers, words, language) == (said if written is None else written)


def test_a_number_spans_the_words_that_made_it(numbers: TextFilter) -> None:
    words = spoken_words(" I have twenty three.", "en")
    number = numbers.rewrite(words, "en")[-1]
    assert (number.text, number.start, number.end) == (" 23.", words[2].start, words[3].end)


def test_a_number_that_may_go_on_waits(numbers: TextFilter) -> None:
    assert numbers.settled(spoken_words(" we saw one hundred and", "en"), "en") == 2
    assert numbers.settled(spoken_words(" we saw one hundred and cats", "en"), "en") == 6
    assert numbers.settled(spoken_words("利润的百分", "zh"), "zh") == 3
    assert numbers.settled(spoken_words("利润的百分之二十的", "zh"), "zh") == 9


def test_it_takes_no_value() -> None:
    with pytest.raises(SessionError, match="takes no value"):
        Numbers(NumbersOptions()).open("roman")
