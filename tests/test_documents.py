"""The documents are true: their blocks run, print what the page shows, and their links lead somewhere.

A new block is covered by default. `sh` and `python` run against a daemon on port 7100; `console` does too, and must
print what stands below each `$ command` (`…` stands for anything); `yaml` must be a valid configuration; `json` and
`toml` must be well formed. A block that cannot run has the reason in the line above its fence:
`<!-- not run: needs root -->`. Even then wlkd's own commands in it must exist and know their options.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from wlkd_simulstreaming.metrics import Metrics as SimulstreamingMetrics

from tests.blocks import BLOCKS, DOCUMENTS, ROOT, Block, Call, calls, session
from wlkd.__main__ import parser
from wlkd.config import make_config
from wlkd.contract.errors import ConfigError
from wlkd.metrics import Metrics
from wlkd.plugins import load_plugins
from wlkd.testing import RunningDaemon, running_daemon, speech_like

ELSEWHERE = {
    ("docs/API.md", "python"): "plugins/wlkd-websocket/tests/test_api_document.py",
    ("docs/API.md", "js"): "plugins/wlkd-websocket/tests/test_api_document.py",
    ("docs/clients.md", "python"): "tests/test_clients_documentation.py",
    ("docs/clients.md", "bash"): "tests/test_clients_documentation.py",
    ("docs/plugins.md", "python"): "tests/test_plugins_documentation.py",
}
"""Examples that a test of their own runs, because what they must do is more than to end well."""

LANGUAGES = {"sh", "bash", "console", "python", "yaml", "json", "toml", "js", "haproxy", "nginx", "text"}
CHANGES = re.compile(r"\bsudo\b|systemctl|docker|kubectl|/etc/|/opt/|\bgit\b|\brm\b")
"""What no test may do to the machine that it runs on."""
VALUES = {"SECONDS": "1", "N": "1", "K": "1"}


def those(*languages: str, run: bool = False) -> list[Block]:
    wanted = [block for block in BLOCKS if block.language in languages and not (run and block.reason)]
    return [block for block in wanted if (str(block).partition(":")[0], block.language) not in ELSEWHERE]


def each(blocks: list[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", blocks, ids=str)


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page: Path) -> None:
    fences = sum(line.lstrip().startswith("```") for line in page.read_text(encoding="utf-8").splitlines())
    mine = [block for block in BLOCKS if block.page == page]
    assert fences == 2 * len(mine), (
        "a fence that is not closed, or a comment above it that is not `<!-- not run: … -->`"
    )
    unknown = [str(block) for block in mine if block.language not in LANGUAGES]
    assert not unknown, f"say what it is, one of {sorted(LANGUAGES)}: {unknown}"


@pytest.mark.parametrize(("page", "test"), sorted({(page, test) for (page, _), test in ELSEWHERE.items()}))
def test_examples_tested_elsewhere_are(page: str, test: str) -> None:
    assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


@each(those("js", "haproxy", "nginx"))
def test_what_nothing_here_can_run_says_why(block: Block) -> None:
    assert block.reason


@each(those("sh", "bash", "console"))
def test_commands_are_there_with_their_options(block: Block) -> None:
    for call in calls(block):
        check_call(call)


def check_call(call: Call) -> None:
    """Raises AssertionError, or SystemExit with argparse's message, where the program would refuse the words."""
    if call.program == "wlkd":
        command = next((word for word in call.words if not word.startswith("-")), None)
        parser(command).parse_args([VALUES.get(word, word) for word in call.words])
        return
    if call.program.startswith("wlkd_"):
        found = importlib.util.find_spec(call.program)
        if found and found.submodule_search_locations:
            found = importlib.util.find_spec(f"{call.program}.__main__")
        assert found and found.origin, call.program
        text = Path(found.origin).read_text(encoding="utf-8")
        # Several measurements have these from one place.
        for module, function in (("clips", "add_choice"), ("components", "add_options")):
            if f"{function}(" in text:
                text += inspect.getsource(getattr(importlib.import_module(f"wlkd_bench.{module}"), function))
    else:
        text = (ROOT / call.program).read_text(encoding="utf-8")
    options = {word.partition("=")[0] for word in call.words if word.startswith("-") and word != "-"}
    unknown = [option for option in options - {"--"} if not re.search(rf"(?<![\w-]){option}(?![\w-])", text)]
    assert not unknown, f"{call.program} knows no {unknown}"


@each(those("yaml", run=True))
def test_a_configuration_is_valid(block: Block) -> None:
    try:
        make_config(yaml.safe_load(block.text), load_plugins())
    except ConfigError as error:
        # Secrets that the page has the reader write.
        assert all("/etc/credstore/" in str(problem) for problem in error.problems), error


@each(those("json", run=True))
def test_json_can_be_read(block: Block) -> None:
    for document in re.split(r"\n(?=[{\[])", block.text):
        json.loads(document)


@each(those("toml", run=True))
def test_toml_can_be_read(block: Block) -> None:
    tomllib.loads(block.text)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the reader of these pages has it: a checkout that is set up, and a recording."""
    folder = tmp_path_factory.mktemp("reader")
    for name in (".venv", "etc", "scripts"):
        (folder / name).symlink_to(Path(sys.prefix) if name == ".venv" else ROOT / name)
    for name in ("talk.wav", "speech.wav"):
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes((speech_like(2) * 32767).astype("<i2").tobytes())
    return folder


@pytest.fixture
async def daemon() -> AsyncIterator[RunningDaemon]:
    async with running_daemon({"vad": {"name": "none"}, "transports": {"websocket": {}, "openai": {}}}) as running:
        yield running


async def ends_well(command: list[str], place: Path, daemon: RunningDaemon, status: set[int] = {0}) -> str:  # noqa: B006
    """What `command` prints on both, in `place`, with the daemon where the pages have it."""
    environment = {**os.environ, "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}", "COLUMNS": "120"}
    source = [word.replace("7100", str(daemon.port)) for word in command]
    process = await asyncio.create_subprocess_exec(
        *source, cwd=place, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode in status, output.decode()
    return output.decode().replace(str(daemon.port), "7100")


@each(those("sh", "bash", "console", run=True))
def test_a_block_that_would_change_the_machine_is_marked(block: Block) -> None:
    assert not CHANGES.search(block.text), f"{block}: say above the fence why it is not run"


@each(those("sh", "bash", run=True))
async def test_a_shell_block_runs(block: Block, place: Path, daemon: RunningDaemon) -> None:
    assert not CHANGES.search(block.text)
    await ends_well(["bash", "-euo", "pipefail", "-c", block.text], place, daemon)


@each(those("console", run=True))
async def test_a_command_prints_what_the_page_shows(block: Block, place: Path, daemon: RunningDaemon) -> None:
    assert not CHANGES.search(block.text)
    before = [other for other in those("yaml", run=True) if other.page == block.page and other.line < block.line]
    if before:
        (place / "wlkd.yaml").write_text(before[-1].text, encoding="utf-8")
    for command, output in session(block):
        printed = await ends_well(["bash", "-c", command], place, daemon, status=set(range(126)))
        shown = re.escape(output.rstrip()).replace("…", ".*")
        assert re.fullmatch(shown, printed.rstrip(), re.S), f"{block}: {command}\nprints:\n{printed}"


@each(those("python", run=True))
async def test_a_python_example_hears_the_words(block: Block, place: Path, daemon: RunningDaemon) -> None:
    printed = await ends_well([sys.executable, "-c", block.text, "speech.wav"], place, daemon)
    assert "one two three four" in printed


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ +(.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", ["operations.md", "offline.md"])
def test_the_way_back_leads_to_the_version_before_the_last_update(page: str, tmp_path: Path) -> None:
    def run(block: Block) -> None:
        """Copying, moving and removing only, in a machine of its own."""
        lines = [line.removeprefix("sudo ") for line in block.text.splitlines()]
        script = "\n".join(line for line in lines if re.match(r"(cp|mv|rm) .*(/opt|/etc)/wlkd", line))
        script = re.sub("(?=/opt/|/etc/)", str(tmp_path), script)
        subprocess.run(["sh", "-eu", "-c", script], check=True)

    update = next(block for block in BLOCKS if block.page.name == page and "cp -a /opt/wlkd" in block.text)
    back = next(block for block in BLOCKS if "mv /opt/wlkd.before" in block.text)
    program, configuration = tmp_path / "opt/wlkd/version", tmp_path / "etc/wlkd.yaml"
    for file in (program, configuration):
        file.parent.mkdir(parents=True)
    for version in ("first", "second", "third"):
        program.write_text(version)
        configuration.write_text(version)
        if version != "third":
            run(update)
    run(back)
    assert (program.read_text(), configuration.read_text()) == ("second", "second")


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), link


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`((?:container|docs|etc|plugins|scripts|tests|wlkd)/[\w./-]+\.\w+)`", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_operations_lists_every_metric() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    registry = Metrics().registry
    SimulstreamingMetrics(registry)
    names = [family.name for family in registry.collect() if family.name.startswith("wlkd_")]
    assert [name for name in names if not re.search(rf"`{name}(_total)?[`{{]", page)] == []


def test_a_wrong_command_is_found() -> None:
    def found(text: str) -> list[Call]:
        return list(calls(Block(ROOT / "README.md", 1, "sh", text, None)))

    assert found("sudo -u wlkd wlkd check  # all\ncat x | .venv/bin/wlkd listen - &") == [
        Call("wlkd", ("check",)),
        Call("wlkd", ("listen", "-")),
    ]
    assert found("A=1 ./scripts/run \\\n  --model base") == [Call("scripts/run", ("--model", "base"))]
    for wrong in (
        "wlkd chekc",
        "wlkd check --hots",
        "python -m wlkd_bench.simulate --modles x",
        "scripts/rnu",
        "scripts/run --prot 1",
    ):
        with pytest.raises((AssertionError, SystemExit, argparse.ArgumentError, OSError)):
            check_call(found(wrong)[0])
