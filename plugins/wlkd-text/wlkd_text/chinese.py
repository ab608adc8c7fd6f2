"""Chinese numerals, simplified and traditional; cn2an reads them, this module decides which are numbers at all."""

from __future__ import annotations

import re

import cn2an

from wlkd.contract.text import Edit

DIGIT = "零〇一幺二三四五六七八九两兩"
SCALE = "十百千万亿萬億"
SEVERAL = "几幾数數"
NUMERAL = f"[{DIGIT}{SCALE}]+"
FIGURE = "(?:[零〇二三四五六七八九]|一(?![起定直样樣般些切边邊共同旦点點滴线線下路半致向律会會]|[个個](?!百)))"
"""One of a decimal's. 两 is none, nor is the 一 of 一起 in 早一点一起去; 三点一个百分点 is 3.1, 三点一个人 a time."""
DECIMAL = f"{NUMERAL}(?:[点點]{FIGURE}++(?![刻点點十百]|千(?![米克瓦卡帕万萬])|分之))?"
"""Not 三点一刻, 八点三十, 一点三百块."""
MINUTE = "[二三四五]?十[一二三四五六七八九]?"
"""No decimal has a ten in it: 八点三十 is a time of the day."""
OH_FIVE = f"[零〇][零〇一二三四五六七八九](?![{DIGIT}{SCALE}点點])"
"""Minutes: 十点零五."""
MEASURED = "[分秒个個元块塊毛角美欧歐英港日米厘公克斤吨噸度倍升毫平立级級折成版%％]"
"""Behind 十点零五 they say that it is 10.05, except in the afternoon."""
VERY = (
    "[难難复複严嚴紧緊危简簡]|重[要视視]|[关關][键鍵心]|明[显顯确確白]|清[楚晰]|高[兴興]|感[谢謝动動]|[满滿]意|必要"
    "|有[趣用效]"
)
"""Behind 十分 they say that it is not ten minutes, as in 有一点十分重要."""
CLOCK = "(?:(?<=[午晨夜])|(?<=[早晚]上)|(?<=[今昨明][早晚]))"
"""What follows is a time: 下午三点五个人."""
BIT = (
    f"(?:(?<=[这這那哪每另])|(?<=(?<![今昨明])[早晚])|(?<=[快慢])(?!一[点點](?:[二三四五]?十|[零〇])))"
    f"一[点點](?!{FIGURE}++[万亿萬億倍公吨噸度元米])"
)
"""A little, or a point that was made, but 1.5 in 这一点五万元."""
HOUR_OR_DATE = "(?:二?十[一二三四五六七八九]?[点點号號]|三十一?[号號]|[一二三四五六七八九两兩][点點])"
WEEKDAYS = (
    "[一二三四五六](?:(?<=一)二(?!十))?(?:(?<=[一二])三(?!十一?[号號]))?(?:(?<=[一二三])四)?(?:(?<=[一二三四])五)?"
    "(?:(?<=[一二三四五])六)?"
)
"""One or several in their order: 周一三五."""
WEEKDAY = (
    f"(?:(?:星期|[礼禮]拜)(?:{WEEKDAYS}(?={HOUR_OR_DATE}|[^{SCALE}点點号號]|$)|[一二三四五六])"
    f"|[周週]{WEEKDAYS}(?:(?={HOUR_OR_DATE})|(?<![周週].)(?![{SCALE}点點号號])))"
)
"""Their figures are no part of what follows: 星期三十点 is Wednesday at ten, and 每周三十个小时 are thirty hours."""
HOURS = frozenset(map(str, range(25)))
MONTH_AND_DAY = (
    f"(?:十[一二]?|(?<![{DIGIT}{SCALE}])[一二三四五六七八九])月"
    f"(?:二?十[一二三四五六七八九]?|三十一?)(?![{DIGIT}{SCALE}点點几幾分])"
)
"""A day need not say that it is one: 三月二十一. What is below ten stays, as in 三月五."""
BEFORE = "第初正腊臘大午晨夜早晚上今昨明这這那哪每另快慢双雙庆慶"
"""What decides about a number behind it waits for it."""
TWO_DIGITS = re.compile("[一二三四五六七八九]{2}")
TAEL = re.compile("[两兩](?![百千万亿萬億])")
"""Within a numeral: 三百两 are not 302, nor 一两年 twelve years."""
YEAR = re.compile("年(?![级級])")
ABOUT = frozenset(["三四", "三五", "四五", "五六", "六七", "七八", "八九"])
"""Before 年 they may be years that passed, or one of the last century. Two or three are 两三."""
SIMPLE = str.maketrans("〇幺两兩萬億", "零一二二万亿")
VALUE = {digit: str(value) for value, digit in enumerate("零一二三四五六七八九")}
AND_SOME = re.compile("[零〇].(?=[个個天周週小分秒块塊毛角米厘寸公斤两兩钱錢])")
"""一年零三个月 are one year and three months."""
WHOLE = re.compile(f"(?<![{DIGIT}{SCALE}])[{DIGIT}][米块塊]$")
"""What stays in characters before 零五, in 两米零五, keeps it there."""
OVER = re.compile(f"[{DIGIT}{SCALE}][几幾]$")
"""Behind 十几 a number is no exact one: 十几二十个人."""
IDIOMS = frozenset(["七七八八", "一五一十", "三三两两", "三三兩兩", "九九八十一", "千千万万", "千千萬萬", "一五一零"])
FIXED = (
    "三十而立|四十不惑|四十而不惑|五十知天命|五十而知天命|六十耳顺|六十耳順|六十而耳顺|六十而耳順"
    "|七十古来稀|七十古來稀|七十从心所欲|七十從心所欲|七十而从心所欲|七十而從心所欲|五十步笑百步"
    "|三百六十行|三十六计|三十六計|七十二变|七十二變|十八变|十八變|十八般武艺|十八般武藝|十八罗汉"
    "|十八羅漢|十八层地狱|十八層地獄|三十年河东|三十年河東|三十年河西|十万八千里|十萬八千里|十万火急"
    "|十萬火急|十二万分感谢|十二萬分感謝|十万个为什么|十萬個為什麼|一千零一夜|二万五千里长征|二萬五千里長征"
    "|二十四史|二十四孝|二十四节气|二十四節氣|十二生肖|一百个不愿|一百個不願|一百个放心|一百個放心"
    "|一万个不愿|一萬個不願|十一黄金周|十一黃金周|十一长假|十一長假|十一国庆|十一國慶|十一期间|十一期間"
    "|十一假期|十一放假|十一小长假|十一小長假|十一前后|十一前後|九一八事变|九一八事變|一二八事变|一二八事變"
    "|一二九运动|一二九運動|十八大|十九大|二十大"
    "|七零八落|七零八碎|零零散散|零零星星|零零碎碎|零零落落|三六九等|十三陵"
)
"""Sayings, titles and events, which GB/T 15835 writes in characters. They begin with the numeral."""
HOLIDAY = (
    f"(?<=[双雙])(?<![{DIGIT}{SEVERAL}这這那哪每][双雙])十[一二](?![点點月万萬千百])"
    "|(?<=[庆慶])十一(?![点點月号號日年天个個人名位家座所次万萬千百])"
)
"""双十一 is a day of shopping, and 国庆十一 the first of October; 一双十二块钱 and 重庆十一个区 are none."""
LUNAR = (
    f"(?:(?<=[正腊臘]月)|(?<=大年)|(?<=初))[{DIGIT}{SCALE}]++(?![月日号號])|(?<![{DIGIT}{SCALE}])八月十五(?![日号號])"
)
"""正月十五 and 大年三十 are days of the lunar calendar, and 八月十五 is a feast."""
OCTOBER = f"(?<![第{DIGIT}{SCALE}])十一(?=[去我你他她咱要想玩旅休放])"
"""Where nothing is counted, as in 我们十一去旅游, 十一 is the holiday."""
FOOL = (
    f"二百五(?![{DIGIT}{SCALE}点點到至左以个個人名位元块塊毛角分钱錢米公里千厘毫升斤克吨噸度平亩畝天小秒年月号號页頁层層家台辆輛张張"
    "本件条條份次倍])"
)
"""It is also what people call a fool; a number where it is counted or measured."""
DOTTED = f"(?<![{DIGIT}{SCALE}]){NUMERAL}+(?:[点點]{NUMERAL}+)+[点點]{FIGURE}++(?![{SCALE}刻点點])"
"""三点二点一 and 三点十一点二 are a version or a list of times, but never 3点2.1 or 3点11点二."""
VERSION = (
    f"(?:(?<=版本)|(?={NUMERAL}(?:[点點]{NUMERAL}){{2,}}版本))"
    f"(?P<version>{NUMERAL}+(?:[点點]{NUMERAL}+)++)(?![刻点點分])"
)
"""版本三点十一点二 is 3.11.2, and 三点十一点二版本, too. 三点十二版本 may be a time of the day."""
BEGINNINGS = sorted({name[:length] for name in FIXED.split("|") for length in range(2, len(name))})
FIXED_OPEN = re.compile(f"(?<![{DIGIT}{SCALE}])(?:{'|'.join(BEGINNINGS)})$")
"""The beginning of one, at the end of a text."""
TOP = f"(?:一百|[二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九两兩])(?:[点點]{FIGURE}++)?"
RANGE_END = "(?=$|\\W|[之左的以不是都就吧吗嗎呢了])"
"""Behind the upper end of a range, where no measure word follows: 百分之三十到四十个人 may be forty people."""
RANGE_OPEN = re.compile(f"百分之{DECIMAL}[到至](?:{TOP}[点點之]?)?$")
RANGE = (
    f"(?<![第初])(?!一[到至])(?!{NUMERAL}[点點]{OH_FIVE}[到至])(?P<low>(?>{DECIMAL}))(?P<unit>[日号號月点點岁歲度年])?(?P<joint>[到至比乘])"
    f"(?P<high>(?>{DECIMAL}))(?![点點][{DIGIT}十])(?(unit)(?=(?P=unit)))"
)
"""十到十五, 五号到十五号, 十六比九; 一到十二点 may be as soon as it is twelve."""
MULTIPLIED = re.compile(f"([{DIGIT}十]+)[十百千]")
"""五到八千 may be 5 or 5000 to 8000."""
PATTERN = re.compile(
    f"{VERSION}"
    f"|(?P<fixed>(?<![{DIGIT}{SCALE}])(?:{FIXED}|{HOLIDAY}|{FOOL})|{LUNAR}|{OCTOBER}|{DOTTED})"
    f"|(?P<bit>{BIT})"
    f"|(?P<weekday>{WEEKDAY})"
    f"|{RANGE}"
    f"|(?P<percent>百分之)(?P<share>{DECIMAL})(?:(?P<to>[到至])(?P<top>{TOP}){RANGE_END})?"
    f"|(?P<below>{NUMERAL})分之(?P<above>{NUMERAL})"
    f"|(?:(?P<clock>{CLOCK})|(?<!第)(?<!版本))(?P<hour>{NUMERAL})(?P<point>[点點])(?!十分(?:{VERY}))"
    f"(?P<minute>(?:[零〇]?[{DIGIT}]|{MINUTE})(?=分(?![之钟鐘]))|{MINUTE}(?![{DIGIT}{SCALE}分])"
    f"|(?(clock)|(?<![零〇][点點])){OH_FIVE}(?(clock)|(?!{MEASURED})))"
    f"|(?P<date>{NUMERAL}(?:[年月]{NUMERAL})+(?:(?P<day>[日号號])[到至]{NUMERAL}(?=(?P=day)))?(?=[月日号號])|{MONTH_AND_DAY})"
    f"|(?:(?<=第)|{CLOCK})(?P<whole>{NUMERAL})(?=[点點])"
    f"|(?P<main>{NUMERAL})(?P<of>[块塊度])(?P<part>[一二三四五六七八九])(?=$|\\W|毛(?![{DIGIT}])|[的钱錢左吧吗嗎呢了就是])"
    f"|(?P<number>{DECIMAL})"
)
OPEN = re.compile(
    f"(?:百分之?|版本?|星期?|[礼禮]拜?|[周週]|[{BEFORE}{DIGIT}{SCALE}点點分之年月日号號岁歲度米块塊毛到至比乘{SEVERAL}]|(?<=[点點]一)[个個]|(?<=[点點]十分)[重关關明清高感满滿必有])++$"
)
"""An end of a text in which a number may go on."""
ALONE = re.compile(f"[{BEFORE}{DIGIT}{SCALE}{SEVERAL}星礼禮周週版]|百分")


class Numerals:
    """See the module; numbers below `least` that stand alone stay."""

    def __init__(self, least: int) -> None:
        self._least = least

    def edits(self, text: str) -> list[Edit]:
        edits = []
        for match in PATTERN.finditer(text):
            if written := _written(match, self._least):
                edits.append(Edit(match.start(), match.end("share") if match["to"] else match.end(), written))
            if match["to"] and (top := _joined("{}%", match["top"])):
                edits.append(Edit(*match.span("top"), top))
        return edits

    def settled(self, text: str) -> int:
        begun = min(
            (match.start() for match in (FIXED_OPEN.search(text), RANGE_OPEN.search(text)) if match), default=None
        )
        match = OPEN.search(text, 0, len(text) if begun is None else begun)
        if match and (begun is not None or ALONE.search(match[0])):
            # 星期三十而: what is before a saying's beginning may be a part of the number.
            return match.start()
        return len(text) if begun is None else begun


def _written(match: re.Match[str], least: int) -> str | None:
    """Digits for what was found, or None: it stays as it is."""
    if match["fixed"] or match["bit"] or match["weekday"]:
        return None
    before = match.string[: match.start()]
    if OVER.search(before) or match.string[match.end() : match.end() + 1] in ("几", "幾"):
        # 十几二十个人, 二十几岁, 一九九几年.
        return None
    if match["version"]:
        parts = re.split("[点點]", match["version"])
        return _joined(".".join("{}" for _ in parts), *parts)
    if match["joint"]:
        return _range(match)
    if match["percent"]:
        return _joined("{}%", match["share"])
    if match["below"]:
        return _joined("{}/{}", match["above"], match["below"])
    if match["hour"]:
        # 二十五点零五 is 25.05.
        point = "." if (_number(match["hour"]) or "") not in HOURS else match["point"]
        return _joined(f"{{}}{point}{{}}", match["hour"], match["minute"])
    if match["date"]:
        return _joined(re.sub(NUMERAL, "{}", match["date"]), *re.findall(NUMERAL, match["date"]))
    if match["main"]:
        # 十五块八 and 三十七度五, but 三块五 as it was spoken.
        return None if len(match["main"]) == 1 else _joined(f"{{}}{match['of']}{{}}", match["main"], match["part"])
    numeral = match["whole"] or match["number"]
    if len(numeral) == 1 or numeral in IDIOMS:
        return None
    if len(numeral) == 2 and (
        AND_SOME.match(match.string, match.start()) or (numeral[0] in "零〇" and WHOLE.search(before))
    ):
        return None
    if _is_pair(numeral) and (numeral in ABOUT or not YEAR.match(match.string, match.end())):
        # 一一, 三四: one by one, three or four.
        return None
    if before.endswith(tuple(SEVERAL)) and not set(numeral) & set(DIGIT):
        # 几十万 is not of how many ten thousands.
        return None
    written = _number(numeral)
    return None if written is None or (written.isdigit() and written[0] != "0" and int(written) < least) else written


def _is_pair(numeral: str) -> bool:
    return len(numeral) == 2 and not set(numeral) & set(SCALE + "零〇")


def _range(match: re.Match[str]) -> str | None:
    """Both numbers in digits, unless both stay in characters."""
    low, high = match["low"], match["high"]
    if len(low) == len(high) == 1 or _is_pair(low) or _is_pair(high):
        return None
    if match.string[: match.start()].endswith(tuple(SEVERAL)):
        return None
    first, multiplied = _number(low), MULTIPLIED.fullmatch(high)
    if multiplied and first and match["joint"] in "到至":
        multiplier = _number(multiplied[1])
        if multiplier and float(multiplier) > float(first.rstrip(SCALE)):
            return None
    return _joined(f"{{}}{match['unit'] or ''}{match['joint']}{{}}", low, high)


def _joined(form: str, *numerals: str) -> str | None:
    values = [_number(numeral) for numeral in numerals]
    return None if None in values else form.format(*values)


def _number(numeral: str) -> str | None:
    """Digits for a numeral; None: it is none, as in 千万不要 and 三四十."""
    whole, _, fraction = numeral.replace("點", "点").partition("点")
    if len(whole) > 1 and (TAEL.search(whole) or ("幺" in whole and set(whole) & set(SCALE))):
        # 老幺十岁: 幺 is a one among figures only.
        return None
    whole = whole.translate(SIMPLE)
    after = "." + "".join(VALUE[digit] for digit in fraction.translate(SIMPLE)) if fraction else ""
    if not set(whole) & set("十百千万亿"):
        return "".join(VALUE[digit] for digit in whole) + after
    if whole[0] in "百千万亿" or TWO_DIGITS.search(whole):
        # 三四十, and 四百五十九五千 which are two: cn2an adds them up.
        return None
    try:
        value = int(cn2an.cn2an(whole, "normal"))
    except (ValueError, KeyError):  # what cn2an raises for text that is not a numeral
        return None
    for name, traditional, size in (("亿", "億", 10**8), ("万", "萬", 10**4)):
        if not after and value and value % size == 0:
            return f"{value // size}{traditional if traditional in numeral else name}"
    return f"{value}{after}"
