"""Numbers in figures, as a Chinese speaker reads them out; cn2an spells, this module decides what is read how.

What can be read in several ways stays as it is: 3-5, 3:30, F015. 萬 and 億 stay where they were written; else they come
out as 万 and 亿.
"""

from __future__ import annotations

import re

import cn2an

from wlkd.contract.text import Edit

NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,12})(?:\.[0-9]{1,12})?"
PATTERN = re.compile(
    r"(?<![A-Za-z0-9.,:/%％\-])(?:"
    r"(?P<above>[0-9]{1,12})/(?P<below>[0-9]{1,12})"
    rf"|(?P<sign>[￥¥$€£])?(?P<minus>-)?(?P<number>{NUMBER})(?P<scale>[十百千万亿萬億])?(?P<percent>[%％])?"
    r")(?![A-Za-z0-9:/%％]|[.,\-][0-9])"
)
OPEN = re.compile(r"第?(?:[A-Za-z0-9.,:/%％￥¥$€£\-]*[0-9.,:/%％￥¥$€£\-](?:(?<=2)[年次小公])?)?$")
"""An end of a text that may be a part of a number, or of a name such as No.5, or says how a two is read; or empty."""
MONEY = {"￥": "元", "¥": "元", "$": "美元", "€": "欧元", "£": "英镑"}
FIGURES = "零一二三四五六七八九"
COUNTED = (*"个個只隻本张張次年天块塊条條位家种種台辆輛点點倍岁歲件周週碗杯斤米分秒", "小时", "小時", "公里", "公斤")
"""Before these, a two is 两."""
NAMED = ("年级", "年級", "次方", "次元")
"""Before these it is not: 二年级. Nor behind 第."""
MOST_FIGURES = 6
"""What has more, and no commas, is a number of a telephone or an account, and read figure by figure."""


class Spelling:
    """See the module."""

    def edits(self, text: str) -> list[Edit]:
        return [Edit(match.start(), match.end(), _spelt(match)) for match in PATTERN.finditer(text)]

    def settled(self, text: str) -> int:
        match = OPEN.search(text)
        return match.start() if match else len(text)


def _spelt(match: re.Match[str]) -> str:
    if match["above"]:
        return f"{_cardinal(match['below'])}分之{_cardinal(match['above'])}"
    digits, scale = match["number"].replace(",", ""), match["scale"] or ""
    before, behind = match.string[: match.start()], match.string[match.end() :]
    said = _number(digits, scale, before, behind, has_commas="," in match["number"])
    unit = MONEY.get(match["sign"], "")
    if behind.startswith(unit):
        unit = ""
    return f"{'百分之' if match['percent'] else ''}{'负' if match['minus'] else ''}{said}{unit}"


def _number(digits: str, scale: str, before: str, behind: str, *, has_commas: bool) -> str:
    whole, _, fraction = digits.partition(".")
    if fraction:
        return f"{_cardinal(whole)}点{_figures(fraction)}{scale}"
    is_year = len(whole) == 4 and behind.startswith("年")
    is_code = whole[0] == "0" or (len(whole) > MOST_FIGURES and not has_commas and not whole.endswith("000"))
    if not scale and len(whole) > 1 and (is_year or is_code):
        return _figures(whole)
    is_counted = behind.startswith(COUNTED) and not behind.startswith(NAMED) and not before.endswith("第")
    if whole == "2" and (scale in tuple("千万亿萬億") or (not scale and is_counted)):
        return f"两{scale}"
    if scale in ("万", "萬") and len(whole) > 4:
        return _cardinal(f"{whole}0000").replace("万", scale)
    return f"{_cardinal(whole)}{scale}"


def _figures(digits: str) -> str:
    return "".join(FIGURES[int(digit)] for digit in digits)


def _cardinal(digits: str) -> str:
    said: str = cn2an.an2cn(int(digits))
    return re.sub("^二(?=[千万亿])", "两", said)
