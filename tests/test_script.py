"""Chinese comes out in one script, with nothing between its characters, however the model wrote it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.whole_core import core
from wlkd.config.options import RecognitionOptions
from wlkd.contract.errors import SessionError
from wlkd.contract.text import text_of
from wlkd.contract.types import ChineseScript, Word
from wlkd.sessions.params import wishes
from wlkd.sessions.script import Script, _converter


def words(texts: Sequence[str]) -> list[Word]:
    return [Word(text, place, place + 1) for place, text in enumerate(texts)]


def written(script: Script, texts: Sequence[str], tail: Sequence[str] = "", language: str | None = "zh") -> str:
    committed, tentative = script.write(words(texts), words(tail), language)
    return f"{text_of(committed)}|{text_of(tentative)}"


@pytest.mark.parametrize(
    ("wanted", "heard", "expected"),
    [
        ("simplified", "這個軟體為什麼打不開", "这个软体为什么打不开"),
        ("simplified", "他看著显著的著作", "他看着显著的著作"),
        ("traditional", "这里面为什么", "這裡面為什麼"),
        ("traditional_hk", "这里面为什么", "這裏面為什麼"),
        ("as_heard", "這个为什麼", "這个为什麼"),
    ],
)
def test_everything_is_in_the_wanted_script(wanted: ChineseScript, heard: str, expected: str) -> None:
    assert written(Script(wanted), heard, heard) == f"{expected}|{expected}"


def test_a_character_is_chosen_by_what_surrounds_it() -> None:
    script = Script("traditional")
    assert written(script, "头", "发") == "頭|髮"
    assert written(script, "发", "展") == "髮|展"
    assert written(script, "发", "展") == "發|展"
    # The tail had said 干杯; what is committed stays when it turns out to be another word.
    assert written(script, "干", "杯") == "乾|杯"
    assert written(script, "什么") == "什麼|"


@pytest.mark.parametrize(
    "heard",
    [
        *("原著", "以风景著称", "专著", "当地土著", "论著", "编著", "译著", "遗著", "拙著", "成绩卓著", "他所著的书"),
        *("著书立说", "见微知著", "合著者", "著名作家", "名著", "著录", "最显著的", "著名单位", "他著有三本书"),
        *("司马光著《资治通鉴》", "朱熹著《四书》", "王力著《古代汉语》", "费孝通、李亦园、陈来著《书名》"),
        *("是么", "知道么", "干么", "好么", "什么女孩", "怎么弟弟没来", "那么多"),
        *("打坏了", "一坏就换", "坏子弟", "菜薹", "文徵明", "陆徵祥"),
        *("乾清宫", "乾隆年间", "乾县", "康乾盛世", "承乾宫", "李乾", "李乾说", "孙乾", "徐乾学", "王体乾", "李承乾"),
    ],
)
def test_simplified_text_stays(heard: str) -> None:
    assert written(Script("simplified"), heard) == f"{heard}|"


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("看著書，看著名單，拿著作業，抱著書", "看着书，看着名单，拿着作业，抱着书"),
        ("談論著，讨論著，合著眼，有所著落，沉著，執著於", "谈论着，讨论着，合着眼，有所着落，沉着，执着于"),
        ("翻譯著，彰顯著，混合著，不知著急", "翻译着，彰显着，混合着，不知着急"),
        ("原著，專著，著稱，著書，著錄，論著，編著，著述", "原著，专著，著称，著书，著录，论著，编著，著述"),
        ("司馬遷著《史記》，朱熹著《四書》", "司马迁著《史记》，朱熹著《四书》"),
        ("小王看著《新聞》，陳列著《論語》，魯迅著急", "小王看着《新闻》，陈列着《论语》，鲁迅着急"),
        ("是麼，為什麼，老么，么妹，么兒", "是么，为什么，老幺，幺妹，幺儿"),
        ("餅乾，乾淨，小李乾杯，乾媽，擦乾，頭髮乾了", "饼干，干净，小李干杯，干妈，擦干，头发干了"),
        ("象徵，麻痺，屋簷，反覆，毛坯", "象征，麻痹，屋檐，反复，毛坯"),
    ],
)
def test_traditional_text_is_simplified(heard: str, expected: str) -> None:
    assert written(Script("simplified"), heard) == f"{expected}|"


def test_what_simplified_text_has_too_is_right_in_traditional() -> None:
    heard = "原著以此著称是么打坏了看着李乾老么"
    assert written(Script("traditional"), heard) == "原著以此著稱是麼打壞了看著李乾老么|"
    assert written(Script("traditional_hk"), heard) == "原著以此著稱是麼打壞了看着李乾老幺|"


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("余先生，范老师，我们请于经理说，他姓游", "余先生，范老師，我們請于經理說，他姓游"),
        ("其余先生，对于老师，位于总部，于总部，模范老师", "其餘先生，對於老師，位於總部，於總部，模範老師"),
    ],
)
def test_surnames_stay_in_traditional_text(heard: str, expected: str) -> None:
    assert written(Script("traditional"), heard) == f"{expected}|"


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        (["你", " 好", " ", "吗", "?"], "你好吗？"),
        (["我", "用", " iPhone", " Pro", ",", " 你", "呢", "."], "我用iPhone Pro，你呢。"),
        (["3", ".", "5", "倍", ",", "10", ":", "30", "."], "3.5倍，10:30."),
        ([" Let", " It", " Go"], "Let It Go"),
        (["说", " I'm", " fine.", " Thank", " you,", ' "Zoë', ' K"', " 吗"], '说I\'m fine. Thank you, "Zoë K"吗'),
        (["好", "..."], "好..."),
        (["请", " Dr.", " 李", "来", " U.S.", " 开会", "方案", "A.", "好"], "请Dr.李来U.S.开会方案A。好"),
    ],
)
def test_no_stray_spaces_and_wide_punctuation(heard: list[str], expected: str) -> None:
    assert written(Script("simplified"), heard) == f"{expected}|"


def test_words_keep_their_times_and_those_of_only_space_are_gone() -> None:
    committed, _ = Script("simplified").write(words(["為", " ", "什"]), (), "zh")
    assert committed == (Word("为", 0, 1), Word("什", 2, 3))
    committed, _ = Script("simplified").write(words([" one", " "]), (), "en")
    assert committed == (Word(" one", 0, 1),)


def test_other_languages_are_left_alone() -> None:
    assert written(Script("simplified"), "學校", "學校", "ja") == "學校|學校"
    assert written(Script("simplified"), [" 學校,", " yes"], (), "en") == " 學校, yes|"


def test_an_undecided_language_is_chinese_when_it_looks_so() -> None:
    assert written(Script("simplified"), "", "學校", None) == "|学校"
    assert written(Script("simplified"), "", "學校へ", None) == "|學校へ"


def test_a_client_chooses_and_is_told_what_there_is() -> None:
    options = RecognitionOptions(chinese_script="traditional")
    assert wishes({}, options, {"zh"}, "live").chinese_script == "traditional"
    assert wishes({"chinese_script": "as_heard"}, options, {"zh"}, "live").chinese_script == "as_heard"
    tags = {"zh-TW": "traditional", "zh_Hant": "traditional", "zh-Hant-HK": "traditional_hk", "zh-CN": "simplified"}
    for tag, script in tags.items():
        params = wishes({"language": tag}, RecognitionOptions(chinese_script="as_heard"), {"zh"}, "live")
        assert (params.language, params.chinese_script) == ("zh", script)
    with pytest.raises(SessionError, match="language_scope=word: unknown; known: session, segment"):
        wishes({"language_scope": "word"}, options, {"zh"}, "live")
    with pytest.raises(SessionError, match="chinese_script=seal: unknown; known: simplified, traditional, trad"):
        wishes({"chinese_script": "seal"}, options, {"zh"}, "live")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("simplified", ["tw2s"]), ("traditional", ["tw2s", "s2tw"]), ("as_heard", [])],
)
async def test_the_tables_are_there_before_the_first_word(
    wanted: ChineseScript, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Loading holds the interpreter's lock for 0.1 s: live streams would wait.
    loaded: list[str] = []

    def noting(name: str) -> object:
        loaded.append(name)
        return _converter(name)

    monkeypatch.setattr("wlkd.sessions.script._converter", noting)
    async with core({"recognition": {"chinese_script": wanted}}):
        assert loaded == expected
