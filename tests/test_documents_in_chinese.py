"""The Chinese documents say what the English ones say: the same headings, code, tables, lists and links, in order.

What the sentences mean a test cannot know. A page whose English twin gained a section, an option or an example fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHINESE = sorted([*ROOT.glob("*.zh.md"), *ROOT.glob("docs/*.zh.md")])
TRANSLATED = (
    "README",
    "docs/API",
    "docs/operations",
    "docs/clients",
    "docs/plugins",
    "docs/fleet",
    "docs/text",
    "docs/container",
    "docs/offline",
    "docs/speakers",
)

COMMENT = {mark: re.compile(rf"(?:(?<=\s)|^){mark} .*$") for mark in ("#", "//")}
LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass
class Page:
    """What a page and its translation have in common, each part in the order of the page."""

    headings: list[str] = field(default_factory=list)
    """One `#…` a heading."""

    code: list[str] = field(default_factory=list)
    """The lines of all fenced blocks, the fences included, without their comments."""

    tables: list[str] = field(default_factory=list)
    """For each table, its rows and columns in words."""

    items: list[str] = field(default_factory=list)
    """For each list item, the heading that it stands under."""

    anchors: set[str] = field(default_factory=set)
    """What a link may name behind `#`."""

    links: list[str] = field(default_factory=list)


def read(text: str) -> Page:
    page = Page()
    fenced = False
    comment = COMMENT["#"]
    columns: list[int] = []
    for line in [*text.splitlines(), ""]:
        if line.lstrip().startswith("```"):
            fenced = not fenced
            comment = COMMENT["//" if line.strip() == "```js" else "#"]
            page.code.append(line.strip())
        elif fenced:
            if code := comment.sub("", line).rstrip():
                page.code.append(code)
        else:
            page.links += LINK.findall(line)
            if re.match(r"\s*([*-]|\d+\.) ", line):
                page.items.append(f"under heading {len(page.headings)}")
            if heading := re.match(r"(#+) +(.*)", line):
                page.headings.append(heading[1])
                page.anchors.add(re.sub(r"[^\w\- ]", "", heading[2].lower()).replace(" ", "-"))
            if line.lstrip().startswith("|"):
                columns.append(line.count("|") - line.count("\\|") - 1)
            elif columns:
                page.tables.append(f"{len(columns)} rows of {'/'.join(map(str, sorted(set(columns))))} columns")
                columns = []
    return page


def english_of(chinese: Path) -> Path:
    return chinese.with_name(chinese.name.replace(".zh.md", ".md"))


def first_difference(english: Page, chinese: Page) -> str | None:
    for kind in ("headings", "code", "tables", "items"):
        pairs = zip_longest(getattr(english, kind), getattr(chinese, kind), fillvalue="nothing")
        for number, (mine, theirs) in enumerate(pairs, start=1):
            if mine != theirs:
                unit = {"headings": "heading", "code": "line of code", "tables": "table", "items": "list item"}[kind]
                return f"{unit} {number}: {mine!r} in English, {theirs!r} in Chinese"
    return None


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_page_is_there_in_chinese(name: str) -> None:
    assert (ROOT / f"{name}.zh.md").is_file()


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.name)
def test_both_languages_have_the_same_parts(path: Path) -> None:
    english, chinese = (read(page.read_text(encoding="utf-8")) for page in (english_of(path), path))
    difference = first_difference(english, chinese)
    assert difference is None, f"{path.relative_to(ROOT)}: {difference}"


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.name)
def test_links_lead_somewhere_and_to_chinese_where_there_is_some(path: Path) -> None:
    page = read(path.read_text(encoding="utf-8"))
    for link in page.links:
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        if target.suffix == ".md":
            twin = target.with_name(f"{target.stem}.zh.md")
            assert twin not in CHINESE or twin == path, f"{link}: there is {twin.name}"
            assert not anchor or anchor in read(target.read_text(encoding="utf-8")).anchors, link


ENGLISH = (
    "# Title\n\n```sh\nwlkd check  # all of it\n# only a comment\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n* one\n"
)


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("# all of it", "# 全部", None),
        ("# only a comment\n", "", None),
        ("# Title", "## 标题", "heading 1: '#' in English, '##' in Chinese"),
        ("check", "chekc", "line of code 2: 'wlkd check' in English, 'wlkd chekc' in Chinese"),
        ("wlkd check  # all of it\n", "", "line of code 2: 'wlkd check' in English, '```' in Chinese"),
        ("check", "check // 2", "line of code 2: 'wlkd check' in English, 'wlkd check // 2' in Chinese"),
        ("| 1 | 2 |\n", "", "table 1: '3 rows of 2 columns' in English, '2 rows of 2 columns' in Chinese"),
        ("* one\n", "", "list item 1: 'under heading 1' in English, 'nothing' in Chinese"),
        ("| 1 | 2 |", "| 1 |", "table 1: '3 rows of 2 columns' in English, '3 rows of 1/2 columns' in Chinese"),
    ],
)
def test_the_first_difference_is_named(old: str, new: str, difference: str | None) -> None:
    assert first_difference(read(ENGLISH), read(ENGLISH.replace(old, new, 1))) == difference
