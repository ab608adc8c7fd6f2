"""Replacements, profanity and fillers."""

from __future__ import annotations

import time

import pytest
from wlkd_text.fillers import Fillers, FillersOptions
from wlkd_text.profanity import Profanity, ProfanityOptions
from wlkd_text.replace import Replace, ReplaceOptions

from wlkd import SessionError, TextFilter, Word
from wlkd.testing import check_filter, spoken_words


def replacing(wish: str = "", **options: object) -> TextFilter:
    return Replace(ReplaceOptions.model_validate(options)).open(wish)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (" teh cat, Teh cat, TEH cat", " the cat, The cat, THE cat"),
        (" tehran and lateh", " tehran and lateh"),
        (" my wifi. Wifi!", " my Wi-Fi. Wi-Fi!"),
        (" in new york city, or New york", " in NYC, or NY"),
        (" new, york", " new, york"),
        (" say you know what", " say what"),
    ],
)
def test_words_are_replaced_in_their_case(said: str, written: str) -> None:
    table = {"teh": "the", "wifi": "Wi-Fi", "new york": "NY", "new york city": "NYC", "you know": ""}
    assert check_filter(replacing(words=table), spoken_words(said, "en"), "en") == written


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (" we, you know, think", " we, think"),
        (" You know, we think, you know.", " we think."),
        (" so, you know, you know, go", " so, go"),
        (" go, you know? Yes, you know what", " go? Yes, what"),
        (" go, you know, you know.", " go,."),
    ],
)
def test_what_is_left_out_takes_its_comma_with_it(said: str, written: str) -> None:
    assert check_filter(replacing(words={"you know": ""}), spoken_words(said, "en"), "en") == written
    gone = Profanity(ProfanityOptions(mask="remove", words=("you know", "那个"))).open("")
    assert check_filter(gone, spoken_words(said, "en"), "en") == written
    assert check_filter(gone, spoken_words("我，那个，去，那个。", "zh"), "zh") == "我，去。"


def test_a_list_may_be_for_one_language() -> None:
    german = replacing(words={"wifi": "WLAN"}, by_language={"de": {"strasse": "straße"}})
    assert check_filter(german, spoken_words(" Strasse wifi", "de"), "de") == " Straße WLAN"
    assert check_filter(german, spoken_words(" Strasse wifi", "en"), "en") == " Strasse WLAN"


def test_chinese_is_replaced_anywhere_in_the_text() -> None:
    table = replacing(words={"苹果表": "Apple Watch", "iphone": "iPhone"})
    assert check_filter(table, spoken_words("我的苹果表配iphone", "zh"), "zh") == "我的Apple Watch配iPhone"


@pytest.mark.parametrize(
    ("language", "said", "written"),
    [
        ("ja", "新しいiphoneをかう", "新しいiPhoneをかう"),
        ("ja", "アップルをつくるアップルパイ", "AppleをつくるAppleパイ"),
        ("ja", "これはりんごです。アップル", "これはApfelです。Apple"),
        ("th", " ผมชอบแอปเปิลมาก", " ผมชอบAppleมาก"),
        ("th", " ใช้iphoneครับ", " ใช้iPhoneครับ"),
        ("hi", " कमी कम", " कमी थोड़ा"),
        ("km", " ខ្ញុំស្រឡាញ់ផ្លែប៉ោមណាស់", " ខ្ញុំស្រឡាញ់Appleណាស់"),
    ],
)
def test_words_are_found_in_every_script(language: str, said: str, written: str) -> None:
    table = {"アップル": "Apple", "りんご": "Apfel", "แอปเปิล": "Apple", "คร": "X", "कम": "थोड़ा", "ផ្លែប៉ោម": "Apple"}
    filter_ = replacing(words={**table, "iphone": "iPhone"})
    assert check_filter(filter_, spoken_words(said, language), language) == written


@pytest.mark.parametrize(
    ("language", "said", "written"),
    [
        ("de", " Die Straße, STRAẞE", " Die Strasse, STRASSE"),
        ("tr", " İstanbul, istanbul", " Stadt, stadt"),
    ],
)
def test_small_letters_of_another_length_are_found(language: str, said: str, written: str) -> None:
    table = replacing(words={"straße": "strasse", "istanbul": "stadt"})
    assert check_filter(table, spoken_words(said, language), language) == written


def test_a_client_adds_to_the_list() -> None:
    table = replacing("teh:the, k8s:Kubernetes,basically", words={"teh": "zhe", "wifi": "Wi-Fi"})
    assert check_filter(table, spoken_words(" teh k8s is basically wifi", "en"), "en") == " the Kubernetes is Wi-Fi"
    with pytest.raises(SessionError, match="does not say what to replace"):
        replacing(":the")


def test_a_phrase_is_found_whose_end_may_begin_another() -> None:
    table = replacing(words={"new york": "NY", "york university": "YU", "苹果表": "A", "表的": "B"})
    assert check_filter(table, spoken_words(" in new york today", "en"), "en") == " in NY today"
    assert check_filter(table, spoken_words("吃苹果表吧", "zh"), "zh") == "吃A吧"


def test_a_long_list_is_ready_at_once() -> None:
    began = time.process_time()
    replacing(",".join(f"w{number}:x" for number in range(500)))
    # Every other session waits meanwhile: 0.04 s.
    assert time.process_time() - began < 1.0


def test_what_may_become_a_phrase_waits() -> None:
    table = replacing(words={"new york": "NY", "苹果表": "Apple Watch"})
    assert table.settled(spoken_words(" in new", "en"), "en") == 1
    assert table.settled(spoken_words(" in renew", "en"), "en") == 2
    assert table.settled(spoken_words(" in new,", "en"), "en") == 2
    assert table.settled(spoken_words("吃苹果", "zh"), "zh") == 1


def test_profanity_is_masked_in_its_length() -> None:
    masked = Profanity(ProfanityOptions()).open("")
    assert check_filter(masked, spoken_words(" Oh shit, Shitake", "en"), "en") == " Oh s***, Shitake"
    assert check_filter(masked, spoken_words("真他妈的贵", "zh"), "zh") == "真他**贵"
    assert check_filter(masked, spoken_words(" Scheiße, scheisse!", "de"), "de") == " S******, s*******!"
    assert check_filter(masked, spoken_words(" Oh shit", "sv"), "sv") == " Oh shit"
    stars = Profanity(ProfanityOptions(words=("frak",))).open("stars")
    assert check_filter(stars, spoken_words(" Frak! shit", "en"), "en") == " ****! ****"
    gone = Profanity(ProfanityOptions(mask="remove")).open("")
    assert check_filter(gone, spoken_words(" the fucking car", "en"), "en") == " the car"
    with pytest.raises(SessionError, match="unknown mask 'beep'; known: first_letter, stars, remove"):
        Profanity(ProfanityOptions()).open("beep")


@pytest.mark.parametrize(
    ("language", "said", "written"),
    [
        ("en", " Um, so we, uh, think.", " So we, think."),
        ("en", " We did, um. And uh-huh, mhm.", " We did. And uh-huh, mhm."),
        ("en", " Um... Uh, the umbrella", " The umbrella"),
        ("en", " Um so, we think, um well, yes", " So, we think, well, yes"),
        ("de", " Ähm, das um sieben", " Das um sieben"),
        ("zh", "呃，我嗯想", "我嗯想"),
        ("zh", "用Python呃，呃Django呃想OK呃", "用Python Django想OK"),
        ("en", " Um - well - um - yes", " Well - yes"),
        ("fr", " Euh ... bon, on y va euh ? Oui, euh !", " Bon, on y va ? Oui!"),
        ("en", " Um, iPhone users went to the ER.", " iPhone users went to the ER."),
        ("en", " a 35 mm lens, 5 um chairs, mm, yes", " a 35 mm lens, 5 chairs, yes"),
        ("sv", " um ehm", " um ehm"),
    ],
)
def test_fillers_are_left_out(language: str, said: str, written: str) -> None:
    fillers = Fillers(FillersOptions()).open("")
    assert check_filter(fillers, spoken_words(said, language), language) == written


def test_a_blank_word_behind_a_filler_is_no_error() -> None:
    words = [Word(text, place, place + 1) for place, text in enumerate([" so", " um", " ", " well", "呃", "", " x"])]
    for language in ("en", "zh"):
        assert "well" in check_filter(Fillers(FillersOptions()).open(""), words, language)


def test_a_filler_waits_for_its_neighbours() -> None:
    fillers = Fillers(FillersOptions()).open("")
    assert fillers.settled(spoken_words(" so we um", "en"), "en") == 2
    assert fillers.settled(spoken_words(" so we, um", "en"), "en") == 1
    assert fillers.settled(spoken_words(" so we, um go", "en"), "en") == 4
