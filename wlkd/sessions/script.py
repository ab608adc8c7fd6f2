"""Chinese in one script, without stray spaces, with punctuation of its own width.

Models write simplified and traditional characters at random. Which one a character stands for depends on the others
beside it (发 is 發, but 髮 in 头发), so words are converted together with what was said before them and with the tail
that will probably follow; what is committed stays as it is whatever follows then. The tables are OpenCC's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from wlkd.contract.text import CHINESE, is_abbreviation, text_of
from wlkd.contract.types import ChineseScript, Word
from wlkd.transports.queries import choice

if TYPE_CHECKING:
    from opencc import OpenCC

SIMPLIFY = "tw2s"
"""OpenCC's name of the conversion that everything begins with. It knows what is written in Taiwan, 看著 for 看着 and
麻痺 for 麻痹, which `t2s` does not."""
FROM_SIMPLIFIED: Mapping[ChineseScript, str] = {"traditional": "s2tw", "traditional_hk": "s2hk"}
"""What follows. Traditional text is simplified before: taken for simplified, 萬里 becomes 萬裡. Of 49,238 phrases in
OpenCC's tables 1,160 change when they are converted again in one step, 30 in two, most of those for the better."""
SURNAMES = "李王张張刘劉陈陳杨楊赵趙黄黃周吴吳徐孙孫胡朱郭何罗羅郑鄭谢謝宋唐许許韩韓冯馮曹彭萧蕭董袁康伏"
ONGOING = (
    "看拿跟读讀抱带帶捧翻記记背唱听聽念唸写寫放播哼诵誦摆擺印戴题題贴貼挂掛刻演跳弹彈等绕繞随隨凭憑朝沿按抄追盯讲講学學聊谈談"
    "对對向照借藉依夹夾揣握指存藏载載标標吹奏品惦想说說画畫教守举舉当當用喊叫改编編练練录錄望思忙夸誇骂罵评評论論查找述列开開旋"
)
"""Verbs that 着 follows; a name seldom ends in one: 小王看着《新闻》."""
ZHU = (
    "(?<=[土原专專遗遺拙卓昭撰名巨鉅])著|(?<=微知)著|(?<=望素)著|(?<=明[较較])著|(?<=所)著(?![落手眼重想急])"
    "|(?<=[论論编編译譯显顯合])(?<![谈談讨討议議评評辩辯争爭改翻彰凸混融结結配聚组組].)著(?![眼双雙嘴掌拍])"
    "|著(?=[称稱录錄述者]|[书書]立|[于於]竹帛|作(?![业業文弊])|名(?!字|[单單](?![位曲一个個])))"
    "|(?<![看拿跟读讀抱带帶捧翻記记背])著(?=[书書])|(?<=[他她曾并並還还均各])著(?=有)|著(?=有《)"
    f"|(?<=[{SURNAMES}][^{ONGOING}])著(?=《)|(?<=[{SURNAMES}][^{ONGOING}][^{ONGOING}])著(?=《)|(?<=司[马馬].)著(?=《)"
)
"""著 as in 著作, "to write", and 显著, "visible". Any other is Taiwan's 着."""
QIAN = (
    "乾(?=[坤隆元卦嘉州造道陵旦曜清纲綱县縣象宁寧符封德统統祐佑安宅])|(?<=[康雍竺承])乾|(?<=尼)乾(?=[子陀])"
    f"|(?<=[{SURNAMES}])乾(?![杯净淨燥脆裂枯黑瘦了着著的得不洗掉酪发發粮糧咳旱娘爹妈媽爸儿兒女哥姐妹弟])"
    f"|(?<=[{SURNAMES}][振体體立道正秀丙孝])乾"
)
"""乾 as in 乾坤, and in names. Any other is the traditional 干, "dry"."""
KEPT = re.compile(f"({ZHU}|{QIAN}|[么坏薹]|(?<=文)徵(?=明)|(?<=[陆陸])徵(?=祥))")
"""What simplified text has too, while OpenCC takes it for traditional: 是么 for 是幺, 打坏 for 打坯, 菜薹 for 菜苔."""
YOUNGEST = re.compile(
    "(?:(?<=老)|(?<=十三)|(?<=呼))么|(?<![什甚怎这這那多要是道])么(?=[弟妹](?![弟妹])|兒(?!子)|女(?![人孩生]))"
)
"""Taiwan's 么 for 幺; any other is 麼."""
SURNAME = re.compile(
    "(?:(?<![\u3400-\u9fff])|(?<=[是请叫找问和跟与给让谢的]))[余于范游岳朴涂郁]"
    "(?=先生|女士|小姐|老师|教授|博士|经理|主任|总(?=[说您好，。！？]))"
    "|(?<=姓)[余于范游岳朴涂郁]"
)
"""Surnames that are the same in traditional text, where OpenCC writes another word's character: 餘先生 for 余先生."""
REMEMBERED_CHARACTERS = 12
"""Longer than nearly all of OpenCC's phrases."""
WIDE = {",": "，", "?": "？", "!": "！", ":": "：", ";": "；", ".": "。"}
MARKS = frozenset("，。？！：；、（）《》「」『』“”")
BY_SUBTAG: Mapping[str, ChineseScript] = {
    "hk": "traditional_hk",
    "mo": "traditional_hk",
    "hant": "traditional",
    "tw": "traditional",
    "hans": "simplified",
    "cn": "simplified",
    "sg": "simplified",
}
"""How Chinese is written by region or script of a language tag; the first that is in it decides (zh-Hant-HK)."""


def load_tables(wanted: ChineseScript) -> None:
    """Load what the first Chinese word in the `wanted` script would have to wait for, and every stream with it.

    OpenCC lets no other thread run while it loads: 0.1 s for traditional characters, more where processors are busy."""
    if wanted != "as_heard":
        Script(wanted).write([Word("中", 0, 0)], (), "zh")


def _script_of_tag(tag: str) -> ChineseScript | None:
    language, *subtags = tag.lower().replace("_", "-").split("-")
    return next((script for name, script in BY_SUBTAG.items() if language in CHINESE and name in subtags), None)


def script_of(query: Mapping[str, str], default: ChineseScript) -> ChineseScript:
    """What a client's `query` asks for: by `chinese_script`, or else by a `language` that says how it is written.

    Raises `BadParameter`."""
    told = _script_of_tag(query.get("language", ""))
    return choice(query, "chinese_script", get_args(ChineseScript), told or default)


class Script:
    """One stream's Chinese, in the `wanted` script. The text of other languages passes, less what is only space."""

    def __init__(self, wanted: ChineseScript, before: str = "") -> None:
        """`before`: what was said elsewhere."""
        self.wanted = wanted
        self._before = before[-REMEMBERED_CHARACTERS:]
        """What the model wrote last."""
        self._last = before[-1:]
        """The last character given out."""

    def write(
        self, words: Sequence[Word], tentative: Sequence[Word], language: str | None
    ) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        """Newly committed words and the tail behind them as they are to be read."""
        if not (words or tentative):
            return (), ()
        if language not in CHINESE and not (language is None and _is_chinese(text_of((*words, *tentative)))):
            self._before = self._last = ""
            return _visible(words), _visible(tentative)
        heard = [word.text for word in (*words, *tentative)]
        written = _spaced(self._converted(heard), self._last)
        both = [replace(word, text=text) for word, text in zip((*words, *tentative), written, strict=True)]
        committed, tail = _visible(both[: len(words)]), _visible(both[len(words) :])
        self._before = (self._before + text_of(words))[-REMEMBERED_CHARACTERS:]
        self._last = text_of(committed)[-1:] or self._last
        return committed, tail

    def _converted(self, texts: Sequence[str]) -> list[str]:
        if self.wanted == "as_heard":
            return list(texts)
        whole = self._before + "".join(texts)
        converted = self._convert(whole)
        if len(converted) != len(whole):
            # The phrase has another length: nobody can say which character became which.
            return [self._convert(text) for text in texts]
        pieces, at = [], len(self._before)
        for text in texts:
            pieces.append(converted[at : at + len(text)])
            at += len(text)
        return pieces

    def _convert(self, text: str) -> str:
        simplified = _simplified(text)
        following = FROM_SIMPLIFIED.get(self.wanted)
        if not following:
            return simplified
        converted = str(_converter(following).convert(simplified))
        if len(converted) == len(simplified):
            for surname in SURNAME.finditer(simplified):
                converted = converted[: surname.start()] + surname[0] + converted[surname.end() :]
        return converted


def _simplified(text: str) -> str:
    pieces = KEPT.split(YOUNGEST.sub("幺", text))
    # Every second one is kept. OpenCC would see 著作 in 看著作业.
    pieces[::2] = [_converter(SIMPLIFY).convert(piece.replace("著", "着")) for piece in pieces[::2]]
    return "".join(pieces)


@functools.cache
def _converter(name: str) -> OpenCC:
    from opencc import OpenCC

    return OpenCC(name)


def _visible(words: Sequence[Word]) -> tuple[Word, ...]:
    return tuple(word for word in words if word.text.strip())


def _spaced(texts: Sequence[str], before: str) -> list[str]:
    """`texts` without spaces beside Chinese characters and with wide punctuation; `before`: the character before."""
    done: list[str] = []
    for number, text in enumerate(texts):
        bare = text.strip()
        space = " " if text[:1].isspace() and _parts_words(before, bare[:1]) else ""
        following = "".join(texts[number + 1 :]).lstrip()[:1]
        around = before + bare + following
        start = len(before)
        # Dr. 李 is one person, and no sentence that ends; 方案A. is one.
        keeps_stop = len(bare) > 2 and is_abbreviation(bare, None)
        written = "".join(
            WIDE.get(letter, letter)
            if _is_chinese_place(around[:place][-1:], around[place + 1 :][:1]) and not (keeps_stop and letter == ".")
            else letter
            for place, letter in enumerate(bare, start)
        )
        done.append(space + written)
        before = written[-1:] or before
    return done


def _is_chinese_place(left: str, right: str) -> bool:
    """Whether punctuation between two characters is part of Chinese, not of 3.5, 10:30, v2.0 or an ellipsis."""
    return right != "." and (_is_han(left) or _is_han(right))


def _parts_words(left: str, right: str) -> bool:
    """Whether a space between two characters stays: in English, marks included, not beside Chinese nor outside."""
    return bool(left and right) and not _is_han(left) and not _is_han(right)


def _is_han(letter: str) -> bool:
    """Chinese characters (Unicode's Han blocks), and the marks that Chinese is written with."""
    return "㐀" <= letter <= "鿿" or "豈" <= letter <= "﫿" or "𠀀" <= letter <= "𲎯" or letter in MARKS


def _is_chinese(text: str) -> bool:
    """Whether `text` of an undecided language has Chinese characters and none of Japanese."""
    return any(map(_is_han, text)) and not any("぀" <= letter <= "ヿ" for letter in text)
