"""The fenced blocks of the documents, and what their shell lines call."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("container/**/*.md")]
    if not path.name.endswith(".zh.md")  # the same blocks: test_documents_in_chinese.py compares them
)

FENCE = re.compile(
    r"^(?P<indent> *)(?:<!-- not run: (?P<reason>.+?) -->\n *)?```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.M | re.S
)
OURS = re.compile(r"(?:.*/)?(wlkd|run_wlk\.sh)|(?:\./)?(scripts/\S+|container/\S+\.sh)|wlkd-offline/(scripts/\S+)")


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    page: Path
    line: int
    """Of the opening fence."""
    language: str
    text: str
    reason: str | None
    """Why it cannot run here: the page says so, in a comment above the fence that its reader does not see."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Call:
    """One command of ours in a shell block."""

    program: str
    """`wlkd`, `wlkd_bench.simulate`, or the path of a script in the repository."""
    words: tuple[str, ...]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text[: found.start()].count("\n") + 1, found["language"], found["text"], found["reason"])
        for found in FENCE.finditer(text)
    ]


BLOCKS = [block for page in DOCUMENTS for block in blocks_of(page)]


def session(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that the page shows for it."""
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def calls(block: Block) -> Iterator[Call]:
    """What a `sh` or `console` block calls of ours, wherever in its lines it stands."""
    lines = "\n".join(command for command, _ in session(block)) if block.language == "console" else block.text
    for line in lines.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for word in [*_words(line), ";"]:
            if not re.fullmatch(r"[;&|()<>]+", word):
                words.append(word)
                continue
            if call := _call(words):
                yield call
            words = []


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # a quotation over several lines: none of ours
        return []


def _call(words: list[str]) -> Call | None:
    for at, word in enumerate(words):
        if word in ("sudo", "-u") or "=" in word or (at and words[at - 1] == "-u"):
            continue
        if word.endswith("python") and words[at + 1 : at + 2] == ["-m"]:
            name = words[at + 2]
            return Call(name, tuple(words[at + 3 :])) if name.startswith("wlkd_") else None
        if found := OURS.fullmatch(word):
            name = "scripts/run_wlk.sh" if found[1] == "run_wlk.sh" else found[1] or found[2] or found[3]
            return Call(name, tuple(words[at + 1 :]))
        return None
    return None
