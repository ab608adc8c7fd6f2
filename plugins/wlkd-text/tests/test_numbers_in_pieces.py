"""What numbers become depends on their words alone, not on how the stream was cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wlkd_text.numbers import Numbers, NumbersOptions

from wlkd import TextFilter, Word
from wlkd.contract.text import text_of
from wlkd.testing import spoken_words

SPOKEN = {
    "de": "null ein eine zwei fünf zehn zwanzig einundzwanzig hundert dreihundertfünf tausend zweitausend Million "
    "Millionen Milliarde und Komma zweite zwanzigste Haus, Prozent",
    "en": "zero oh two five ten fifteen twenty forty-five hundred thousand million and point a an at until first "
    "second seven-eleven twenty-twenty-five hundredths thirty-second nineties March tens "
    "of double to or sold it share dollars p.m. we every, stop.",
    "es": "cero un dos cinco diez veinte treinta cien ciento doscientos mil millones y coma primero casa, para",
    "fr": "zéro un deux quatre onze dix-sept vingt vingts soixante quatre-vingt-dix cent cents mille millions milliard "
    "et virgule deuxième maison, pour",
    "it": "zero un due otto dieci venti ventuno cento duecento mille duemila diecimila milioni miliardi e virgola "
    "secondo casa, per",
    "nl": "nul een twee vijf tien eenentwintig dertig honderd driehonderdvijf duizend tweeduizend miljoen en komma "
    "tweede huis, procent",
    "pt": "zero um dois cinco dez vinte cem cento duzentos mil milhão milhões e vírgula segundo casa, para",
    "zh": "零 一 二 三 五 十 百 千 万 点 零五 分 之 百分之 年 月 号 个 人 块 周 星期 半 版 本 第 双 国 庆 这 到 "
    "比 初 正 毛 度 几 幺 去 ， 。",
}


def in_pieces(numbers: TextFilter, words: list[Word], sizes: list[int], language: str) -> str:
    """What goes out when so many words come at a time, and the rest one by one."""
    held: list[Word] = []
    given_out: list[Word] = []
    while words:
        size = sizes.pop(0) if sizes else 1
        held, words = [*held, *words[:size]], words[size:]
        count = numbers.settled(held, language)
        given_out += numbers.rewrite(held[:count], language)
        held = held[count:]
    return text_of([*given_out, *numbers.rewrite(held, language)])


def told(language: str, said: list[str]) -> list[Word]:
    return [Word(text if language == "zh" else f" {text}", place, place + 1) for place, text in enumerate(said)]


@pytest.mark.parametrize("language", SPOKEN)
@settings(max_examples=100, derandomize=True)
@given(data=st.data())
def test_numbers_are_the_same_in_all_pieces(language: str, data: st.DataObject) -> None:
    numbers = Numbers(NumbersOptions()).open("")
    words = told(language, data.draw(st.lists(st.sampled_from(SPOKEN[language].split()), min_size=2, max_size=8)))
    sizes = data.draw(st.lists(st.integers(1, 4), max_size=4))
    assert in_pieces(numbers, words, sizes, language) == text_of(numbers.rewrite(words, language))


@pytest.mark.parametrize(
    ("language", "said", "written"),
    [
        ("de", " tausend zwanzig und Milliarde", " 1020 und Milliarde"),
        ("de", " Milliarde und zweitausend hundert Milliarde", " 1000002000 hundert Milliarde"),
        ("en", " zero hundred and thousand, at six forty a seven", " 0100 and thousand, at 6:40 a seven"),
        ("es", " cien y coma primero ciento, cero veintiuno y millones", " cien y coma primero ciento, 021 y millones"),
        ("fr", " cinquante et quatre vingts, mille cinq et milliards", " 50 et 80, 1005 et milliards"),
        ("fr", " vingts et virgule milliard quatre-vingt", " 20 et virgule milliard quatre-vingt"),
        ("it", " zero milioni due, diecimila milioni otto miliardi", " zero milioni due, 10000000000 8000000000"),
        ("nl", " nul twee en miljoen", " 02 en miljoen"),
        ("pt", " milhão vinte e bilhões", " 1000020 e bilhões"),
    ],
)
def test_numbers_in_a_list_are_read_apart(language: str, said: str, written: str) -> None:
    numbers = Numbers(NumbersOptions()).open("")
    words = spoken_words(said, language)
    whole = text_of(numbers.rewrite(words, language))
    assert in_pieces(numbers, words, [], language) == whole
    assert whole == written
