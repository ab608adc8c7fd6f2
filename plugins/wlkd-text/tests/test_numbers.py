"""Numbers as digits and as words, in a whole text and in one that comes word by word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from wlkd_text.numbers import Numbers, NumbersOptions

from wlkd import Context, SessionError, TextFilter, Word
from wlkd.testing import check_filter, spoken_words


@pytest.fixture
async def component(tmp_path: Path) -> Numbers:
    component = Numbers(NumbersOptions())
    await component.provision(Context(tmp_path, CollectorRegistry(), lambda words: None))
    return component


@pytest.fixture
def numbers(component: Numbers) -> TextFilter:
    return component.open("")


@pytest.fixture
def spelling(component: Numbers) -> TextFilter:
    return component.open("words")


@pytest.mark.parametrize(
    ("language", "said", "written"),
    [
        ("en", " I have twenty three apples, and one hundred and five pears.", " I have 23 apples, and 105 pears."),
        ("en", " from nineteen ninety nine to twenty twenty four", " from 1999 to 2024"),
        (
            "en",
            " March twenty-first twenty twenty-five, May fifth, two thousand six",
            " March 21st 2025, May fifth, 2006",
        ),
        (
            "en",
            " July fourth seventeen seventy-six, the third of May nineteen ten",
            " July fourth 1776, the third of May 1910",
        ),
        ("en", " June the twelfth nineteen oh five, March twenty one twenty ten", " June the 12th 1905, March 21 2010"),
        ("en", " May five nineteen ninety, Q three twenty twenty-five", " May five 1990, Q three 2025"),
        (
            "en",
            " March twenty-twenty-five, twenty-twenty-five people, fifty-fifty",
            " March 2025, twenty-twenty-five people, 50-50",
        ),
        (
            "en",
            " nine eleven, a seven-eleven, room two twelve, one twenty, ten-four",
            " nine eleven, a seven-eleven, room two twelve, one twenty, ten-four",
        ),
        (
            "en",
            " two ten-year-olds, at seven-thirty, nineteen-ninety-nine, twenty-oh-eight",
            " two 10-year-olds, at 7:30, 1999, 2008",
        ),
        (
            "en",
            " it costs ten to twenty thousand, five to ten million, two or three hundred, between one and two thousand",
            None,
        ),
        (
            "en",
            " ten thousand to twenty thousand, fifteen hundred to two thousand, one to a hundred, ten to twelve",
            " 10000 to 20000, 1500 to 2000, one to a hundred, 10 to 12",
        ),
        ("en", " in two thousand oh eight, May second two thousand zero nine", " in 2008, May second 2009"),
        ("en", " version three point eleven, one point twenty-five percent", " version 3.11, 1.25 percent"),
        (
            "en",
            " three point eleven point two, three point twenty-five million",
            " 3.11.2, three point twenty-five million",
        ),
        (
            "en",
            " one point two point ten, ten point zero point zero point one, two point oh point one, two point zero",
            " 1.2.10, 10.0.0.1, two point oh point one, 2.0",
        ),
        (
            "en",
            " one nine two point one six eight point one point one hundred and one, two point zero point one point of",
            " 192.168.1.101, 2.0.1 point of",
        ),
        (
            "en",
            " call one eight hundred five five five one two oh two, or eight hundred five five five twelve twelve",
            " call 18005551202, or 8005551212",
        ),
        (
            "en",
            " call one eight hundred two five five, nine hundred five",
            " call one eight hundred two five five, 905",
        ),
        (
            "en",
            " oh two oh seven nine four six oh nine five eight, double oh four four two oh seven nine four six nine",
            " 02079460958, 00442079469",
        ),
        (
            "en",
            " five five double oh two one, five oh oh two, five triple oh one, oh five five six, double oh seven",
            " 550021, 5002, 50001, oh 556, double oh seven",
        ),
        ("en", " nineteen oh five, nineteen oh-five, nineteen-oh-five", " 1905, 1905, 1905"),
        ("en", " at eleven oh five, or eleven oh-five", " at 11:05, or 11 05"),
        ("en", " the nineteen eighties, the twenty-twenties, the nineties", " the 1980s, the 2020s, the nineties"),
        ("en", " two hundredths, nineteen twentieths, one hundredth of it, tens of thousands", None),
        ("en", " fifteen twenty minutes, nineteen ninety nine dollars, twenty twenty five percent", None),
        ("en", " our one hundredth, the nineteen hundreds, twenty tens", " our 100th, the 1900s, 2010s"),
        ("en", " triple five one two three four, two double nine five five", None),
        ("en", " the seventeenth nineties, four nineteen sixties", " the 17th nineties, four 1960s"),
        ("en", " call five five five one two oh four now", " call 5551204 now"),
        ("en", " the twenty-first of twenty-three", " the 21st of 23"),
        ("en", " a thirty second delay of twenty seconds", " a 30 second delay of 20 seconds"),
        ("en", " the thirty-second of May, a thirty-second time", " the 32nd of May, a 32nd time"),
        ("en", " three point one four percent", " 3.14 percent"),
        ("en", " one of them, wait a second, a hundred dollars, half a million", None),
        ("en", " a hundred and twenty of a thousand two hundred, in a house", " 120 of 1200, in a house"),
        (
            "en",
            " several hundred thousand, a hundred million, one hundred thousand",
            " several hundred thousand, a hundred million, 100000",
        ),
        ("en", " at seven forty five, until seven oh five tomorrow", " at 7:45, until 7:05 tomorrow"),
        ("en", " seven forty-five p.m. and ten fifteen am on Monday", " 7:45 p.m. and 10:15 am on Monday"),
        ("en", " at seven forty five year olds, at one fifty dollars", " at seven 45 year olds, at one fifty dollars"),
        ("en", " at seven forty-five-year-olds, at ten fifteen or thirty", " at seven 45-year-olds, at 10 15 or 30"),
        ("en", " at seven forty five hundred, at six thirty second breaks", " at seven 4500, at six 30 second breaks"),
        ("en", " we meet at one fifty, see you at one fifty then", " we meet at 1:50, see you at 1:50 then"),
        ("en", " at nine oh five from Rome, at one fifty a man came", " at 9:05 from Rome, at 1:50 a man came"),
        ("en", " it sells at one fifty, priced at two seventy five, I bought them at three ten", None),
        ("en", " one fifty per unit, at one fifty a share, at forty nine ninety five a month", None),
        ("en", " he sold it. At one fifty they traded twenty three", " he sold it. At 1:50 they traded 23"),
        ("en", " at three thirty a, at seven thirty until nine forty", " at three 30 a, at 7:30 until 9:40"),
        (
            "en",
            " at three ten point second, three point two point second",
            " at three 10 point second, three point two point second",
        ),
        (
            "en",
            " version three point two point one, three point two, point one",
            " version 3.2.1, 3.2, point one",
        ),
        ("en", " at twelve o'clock, at nineteen forty five", " at 12 o'clock, at 1945"),
        ("de", " eine Million zweihunderttausend, zwei Komma null", " 1200000, 2,0"),
        ("de", " fünf und achtzig Leute, am ein und zwanzigsten Mai", " 85 Leute, am 21. Mai"),
        ("fr", " zéro six vingt-deux soixante quatre-vingt-dix vingt et un", " 06 22 60 90 21"),
        ("fr", " plus de cent mille", " plus de 100000"),
        ("en", " zero tolerance, O Canada, five zero", None),
        ("en", " zero five and zero point five", " 05 and 0.5"),
        ("en", " open twenty four seven, at three twenty five", " open 24 seven, at 3:25"),
        ("en", " four hundred and four hundred, seventy and one hundred", " 400 and 400, 70 and 100"),
        ("en", " one hundred fifty one hundred and fifty-five", " 150 155"),
        ("en", " one hundred and twenty thousand and two thousand and one", " 120000 and 2001"),
        ("fr", " quatre cents et deux cents, deux cents et cent", " 400 et 200, 200 et cent"),
        ("it", " duecento e cento", " 200 e cento"),
        ("en", " five thousand four million, fifty thousand and forty eight hundred", " 5000 4000000, 50000 and 4800"),
        ("en", " ninety-six thousand and eighty six million, two thousand million", " 96000 and 86000000, 2000000000"),
        ("en", " one thousand twenty-one hundred", " 1000 2100"),
        ("en", " nine million three billion", " 9000000 3000000000"),
        ("en", " zero four thousand, zero five hundred hours", " zero 4000, 0500 hours"),
        ("en", " one point two million, zero point five million", " 1.2 million, 0.5 million"),
        ("en", " point five million, one point twenty five million", None),
        ("en", " at twelve thirty, from eleven twelve", " at 12:30, from 11 12"),
        ("de", " drei Komma fünf Millionen, null und achtzig", " 3,5 Millionen, null und 80"),
        ("de", " dreihundertsechs dreißig, dreihundertsechs und dreißig", " 306 30, 336"),
        ("fr", " deux virgule cinq millions, cinq mille quatre millions", " 2,5 millions, 5000 4000000"),
        ("fr", " quatre-vingt-dix et deux mille, soixante et onze, deux mille et cent", " 90 et 2000, 71, 2100"),
        ("es", " cien tres, cien mil, cinco mil cuatro millones", " cien tres, 100000, 5004000000"),
        ("it", " nove milioni tre milioni, zero milioni", " 9000000 3000000, zero milioni"),
        ("pt", " vinte e sete mil e cem", " 27100"),
        ("nl", " drieduizendvijf dertig, eenentachtig en honderd", " 3005 30, 81 en honderd"),
        ("en", " 25 thousand", None),
        ("en", " Boeing 747 twenty times", " Boeing 747 20 times"),
        ("fr", " quatre-vingt-dix-neuf et trois virgule cinq", " 99 et 3,5"),
        ("de", " dreiundzwanzig Komma fünf und ein Haus", " 23,5 und ein Haus"),
        ("es", " treinta y tres", " 33"),
        ("sv", " tjugotre", None),
        ("zh", "一九九零年后出生的人口", "1990年后出生的人口"),
        ("zh", "一三一五零八八一八零七", "13150881807"),
        ("zh", "四十六岁的国企出纳员，利润的三分之二", "46岁的国企出纳员，利润的2/3"),
        ("zh", "百分之二十五点三，三点一四，两点五", "25.3%，3.14，2.5"),
        ("zh", "今年三月二十一开会，十二月二十五，一月三十一到", "今年3月21开会，12月25，1月31到"),
        ("zh", "三月二十几号，三月二十一二号，三月五，八月十五", None),
        ("zh", "三个月二十天，三月三十二，三月二十五分", "三个月20天，三月32，三月25分"),
        ("zh", "二零二四年三月五日三点十五分", "2024年3月5日3点15分"),
        ("zh", "两百块钱，三万五千六百，一千万，一亿二千万", "200块钱，35600，1000万，12000万"),
        ("zh", "三萬兩千", "32000"),
        ("zh", "八点三十开会，下午三点四十五，十點二十到", "8点30开会，下午3点45，10點20到"),
        ("zh", "十点零五，我们十點零五开会，二十点零八到", "10点05，我们10點05开会，20点08到"),
        ("zh", "早上九点零五出发，今晚八点零八，凌晨零点零五", "早上9点05出发，今晚8点08，凌晨0点05"),
        ("zh", "零点零五，十点零五公里，二十五点零五，三点零五六", "0.05，10.05公里，25.05，3.056"),
        ("zh", "版本三点零二，百分之十点零五，晚上八点零五美国队", "版本3.02，10.05%，晚上8点05美国队"),
        ("zh", "十到十五个，五到十二，十六比九，七乘二十四，三到五个", "10到15个，5到12，16比9，7乘24，三到五个"),
        ("zh", "三月五号到十号，五号到十五号，十点到十二点", "3月5号到10号，5号到15号，10点到12点"),
        ("zh", "五到八千，两到三百，三五到七八个，几十到二十", None),
        ("zh", "一到十二点，十到二十万，初五到十五，十点零五到十一点", "一到12点，10到20万，初五到15，10点05到11点"),
        (
            "zh",
            "七零八落，零零散散，三六九等，正月十五，大年三十，八月十五，我们十一去旅游，二十几岁，一九九几年",
            None,
        ),
        ("zh", "幺三八零零一三八零零零，老幺十岁，十五块八，三十七度五", "13800138000，老幺十岁，15块8，37度5"),
        ("zh", "十五块八毛，三块五，三十块三个，八月十五号", "15块8毛，三块五，30块三个，8月15号"),
        ("zh", "一千萬，三億，十點十五分", "1000萬，3億，10點15分"),
        ("zh", "十点二，一点五千米，三点二十万", "10.2，1.5千米，三点20万"),
        ("zh", "四百五十九五千七百六十七万零七百，一百五六十", None),
        ("zh", "我们一起去，一个人，万一，十分好，千万不要，三四十个，二三十年，七七八八，下午三点半", None),
        ("zh", "F零十五的设计", None),
        ("zh", "两米零五，两块零五，十几二十个人，十几二十块五，百分之十几，十到二十几岁", None),
        ("zh", "十二米零五，茶几二十块，三米二十个", "12米05，茶几20块，三米20个"),
        ("zh", "一年零三个月，一小时零五分，三块零五毛，五天零六小时", None),
        ("zh", "零五年，零五后，零三号文件，九点零五分", "05年，05后，03号文件，9点05分"),
        ("zh", "星期三十点开会，礼拜六十点半，下周四十一点见", "星期三十点开会，礼拜六十点半，下周四11点见"),
        ("zh", "星期五二十号，禮拜三十五号，每周三十个小时", "星期五20号，禮拜三15号，每周30个小时"),
        ("zh", "过了两三年，一两年前，三五年内，七八年，五六年级，一二年级，两两一组", None),
        ("zh", "三百两银子，一万兩黄金，半斤十两，二两三钱", None),
        ("zh", "二四年，九八年，两千两百，五万两千三百", "24年，98年，2200，52300"),
        ("zh", "我晚一点一定来，早一点一起去，他一点一点地吃，好一点一样，一点一滴，三点一线", None),
        ("zh", "这一点三个人都同意，快一点五个人，晚一点八成会来，早一点七点到，一点也不，差一点，一点点", None),
        ("zh", "这一点十分重要，這一點十分重要，有一点十分清楚，第三点十分关键，这三点十分复杂，他十分高兴", None),
        ("zh", "三点一刻，十點一刻，十点一刻，两点半，下午一点两点，下午三点五个人，晚上三点一个人", None),
        ("zh", "晚一点二十个人来，这一点二十个人，便宜一点三百块", "晚一点20个人来，这一点20个人，便宜一点300块"),
        ("zh", "这一点百分之八十的人，一点三分之一，百分之一点五", "这一点80%的人，一点1/3，1.5%"),
        ("zh", "这一点五万元，一点五倍，有一点五公里，三点五个小时", "这1.5万元，1.5倍，有1.5公里，3.5个小时"),
        ("zh", "三点一个百分点，三点五分钟，三点五分，第十二点三个人", "3.1个百分点，3.5分钟，3点5分，第12点三个人"),
        ("zh", "今晚一点二十到，快一点二十了，明早七点五十", "今晚1点20到，快1点20了，明早7点50"),
        (
            "zh",
            "三点十分高铁，早上十点十分，下午两点零五分，十二点一刻",
            "3点10分高铁，早上10点10分，下午2点05分，12点一刻",
        ),
        ("zh", "几十万人，数十亿元，花了十万，人数十五万", "几十万人，数十亿元，花了10万，人数15万"),
        ("zh", "百分之三十到四十，百分之五至十左右", "30%到40%，5%至10%左右"),
        ("zh", "百分之二点五到三点五之间，百分之八十到一百的人", "2.5%到3.5%之间，80%到100%的人"),
        ("zh", "百分之三十到四十个人，百分之三十到四月", "30%到40个人，30%到四月"),
        ("zh", "三十而立，四十不惑，五十步笑百步，十全十美，三心二意，一千零一夜，十万火急", None),
        ("zh", "十九大报告，九一八事變，三十六计，二十四节气，十一长假", None),
        ("zh", "三十而已，五十步远，二十四小时，十一长，十二万分之一", "30而已，50步远，24小时，11长，1/12万"),
        ("zh", "百分之四十而不，星期三十而气，四百分之两至长", "40%而不，星期三十而气，2/400至长"),
        ("zh", "三十六计之首，十二万分感谢", None),
        ("zh", "版本三点二点一，三点四点五点", "版本3.2.1，三点四点五点"),
        ("zh", "版本三点十一点二，版本三点十二，版本三点一刻", "版本3.11.2，版本3.12，版本三点一刻"),
        ("zh", "三点十二点一版本，三点二点一版本，三点十二版本", "3.12.1版本，3.2.1版本，3点12版本"),
        ("zh", "Python三点十一点二，三点十二点一二三四发布，十点二十点零五", None),
        ("zh", "周一三五上课，星期二四六，周一二三四五，星期一二三四五，禮拜一三五十點見", None),
        (
            "zh",
            "周一三点十分，下周三五点四十五，周五三十一号，周一三五十一点",
            "周一3点10分，下周三5点45，周五31号，周一三五11点",
        ),
        ("zh", "星期一二十号，星期三五百人，一周三百次，周五三百人", "星期一20号，星期三500人，一周300次，周五三百人"),
        ("zh", "双十一促销，去年双十二，雙十一，国庆十一，十一期间，十一放假，六一儿童节", None),
        (
            "zh",
            "一双十二块钱，这双十二码，国庆十一点，重庆十一个区，十一期",
            "一双12块钱，这双12码，国庆11点，重庆11个区，11期",
        ),
        ("zh", "他就是个二百五，别二百五了", None),
        ("zh", "二百五十块，二百五公里，二百五到三百，一千二百五", "250块，250公里，250到300，1250"),
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
    assert numbers.settled(spoken_words(" we saw a", "en"), "en") == 2
    assert numbers.settled(spoken_words(" we saw a hundred", "en"), "en") == 2
    assert numbers.settled(spoken_words(" at this point", "en"), "en") == 2
    assert numbers.settled(spoken_words(" at this point nineteen", "en"), "en") == 2
    assert numbers.settled(spoken_words("利润的百分", "zh"), "zh") == 3
    assert numbers.settled(spoken_words("利润的百分之二十的", "zh"), "zh") == 9
    assert numbers.settled(spoken_words("我今晚", "zh"), "zh") == 1
    assert numbers.settled(spoken_words("有一点十分重", "zh"), "zh") == 1


def test_a_loop_of_the_model_costs_no_time(numbers: TextFilter) -> None:
    assert numbers.settled(spoken_words("百分之" * 200 + "好", "zh"), "zh") == 601


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [
        (
            "en",
            " I have 23 apples, and 1,105 pears.",
            " I have twenty-three apples, and one thousand one hundred and five pears.",
        ),
        (
            "en",
            " from 1999 to 2024, in 1905 and 2005",
            " from nineteen ninety-nine to twenty twenty-four, in nineteen oh five and two thousand and five",
        ),
        (
            "en",
            " call 5551204 or 555-1204, agent 007",
            " call five five five one two zero four or five five five one two zero four, agent zero zero seven",
        ),
        ("en", " the 21st, in the 1990s and 80s", " the twenty-first, in the nineteen nineties and eighties"),
        ("en", " 3.14, 25% and 1.5 %", " three point one four, twenty-five percent and one point five percent"),
        (
            "en",
            " $5, $1.50, £0.01, $2.5 million.",
            " five dollars, one dollar and fifty cents, one penny, two point five million dollars.",
        ),
        ("en", " at 2:30, 2:05, 2:00, and 2:00 p.m.", " at two thirty, two oh five, two o'clock, and two p.m."),
        ("en", " They left. 20 came, No. 5 stayed.", " They left. Twenty came, No. five stayed."),
        ("en", " It took approx. 5 years, e.g. 3 of Dr. 2.", " It took approx. five years, e.g. three of Dr. two."),
        ("en", " (They left.) 20 came.", " (They left.) Twenty came."),
        ("en", " a 5-year plan", " a five-year plan"),
        ("en", " 10-12, 3/4, 2024-03-05, A380, COVID-19, 1.2.3, 10:20:30, 5kg, #1, 6'2, 1990's", None),
        ("zh", "二零二四年, 2024年3月5日3点15分", "二零二四年, 二零二四年三月五日三点十五分"),
        ("zh", "25.3%，1/3，-5度，第3名", "百分之二十五点三，三分之一，负五度，第三名"),
        ("zh", "10年前，电话13150881807，007", "十年前，电话一三一五零八八一八零七，零零七"),
        ("zh", "1000万，12000万，3.5亿，1,234，3萬", "一千万，一亿二千万，三点五亿，一千二百三十四，三萬"),
        (
            "zh",
            "2个人，2月，200块，2万，￥99.5，$5万，￥20元",
            "两个人，二月，二百块，两万，九十九点五元，五万美元，二十元",
        ),
        ("zh", "第2天，第2次，第2个人，第2条，第2位，第2年级", "第二天，第二次，第二个人，第二条，第二位，第二年级"),
        ("zh", "2年级，2年級，2次方，2次元", "二年级，二年級，二次方，二次元"),
        ("zh", "2小时，2小時，2公里，2公斤，2年，2次，2天", "两小时，两小時，两公里，两公斤，两年，两次，两天"),
        ("zh", "2小学，2公分，12年级，第", "二小学，二公分，十二年级，第"),
        ("zh", "F015，3-5天，3:30，5G，没有数字", None),
        ("de", " 23 Häuser", None),
    ],
)
def test_numbers_become_words(spelling: TextFilter, language: str, written: str, said: str | None) -> None:
    words = spoken_words(written, language)
    assert check_filter(spelling, words, language) == (written if said is None else said)


def test_words_for_a_number_keep_its_time(spelling: TextFilter) -> None:
    words = spoken_words(" I have 23.", "en")
    assert spelling.rewrite(words, "en")[-1] == replace(words[-1], text=" twenty-three.")


def test_a_number_in_digits_waits_for_what_follows(spelling: TextFilter) -> None:
    assert spelling.settled(spoken_words(" It cost $5", "en"), "en") == 2
    assert spelling.settled(spoken_words(" It cost $5 million", "en"), "en") == 4
    assert spelling.settled(spoken_words("去年有2", "zh"), "zh") == 3
    assert spelling.settled(spoken_words("去年有2年", "zh"), "zh") == 3
    assert spelling.settled(spoken_words("他的第", "zh"), "zh") == 2
    # What stays as it is waits as a whole.
    assert spelling.settled([Word(text, 0, 0) for text in ("香", "No.")], "zh") == 1
    assert spelling.settled([Word(text, 0, 0) for text in ("香", "No.", "5")], "zh") == 1
    assert spelling.settled([Word(text, 0, 0) for text in ("香", "No.", "5", "号")], "zh") == 4


def test_another_form_is_refused(component: Numbers) -> None:
    with pytest.raises(SessionError, match="unknown form 'roman'; known: digits, words"):
        component.open("roman")
