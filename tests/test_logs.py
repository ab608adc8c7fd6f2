"""What reaches the journal: one line an event, its priority, nothing idle from libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging, os, sys, warnings
if {journal}:
    status = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{{status.st_dev}}:{{status.st_ino}}"
from wlkd.host.logs import complain, set_up_logging
set_up_logging("info")
logging.getLogger("wlkd.sessions.session").info("opened")
logging.getLogger("wlkd_tcp").debug("too much")
logging.getLogger("wlkd.daemon.app").error("two\\nlines")
logging.getLogger("library").info("chatter")
logging.getLogger("library").warning("serious")
logging.getLogger("aiohttp.websocket").warning("Client protocols ['secret'] don't overlap server-known ones ()")
warnings.warn("old", stacklevel=1)
from aiohttp.multipart import parse_content_disposition
parse_content_disposition("form-data; secret")
complain("a.yaml:1: wrong\\na.yaml:2: wrong")
"""


def output(*, journal: bool) -> list[str]:
    program = PROGRAM.format(journal=journal)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == ""
    return result.stderr.splitlines()


def test_under_systemd_lines_have_priorities_and_no_time() -> None:
    lines = output(journal=True)
    assert lines[:4] == [
        "<6>wlkd.sessions.session: opened",
        "<3>wlkd.daemon.app: two",
        "<3>lines",
        "<4>library: serious",
    ]
    assert lines[4].startswith("<4>py.warnings: ") and "old" in lines[4]
    assert lines[-2:] == ["<3>a.yaml:1: wrong", "<3>a.yaml:2: wrong"]


def test_on_a_terminal_lines_have_the_time_and_words() -> None:
    lines = output(journal=False)
    assert lines[0].endswith(" INFO    wlkd.sessions.session: opened") and lines[0][2] == ":"
    assert not any(line.startswith("<") for line in lines)
    assert lines[-2:] == ["a.yaml:1: wrong", "a.yaml:2: wrong"]


def test_what_clients_offer_as_subprotocols_or_write_into_forms_is_kept_out() -> None:
    assert "secret" not in "\n".join(output(journal=True))


@pytest.mark.parametrize("journal", [True, False])
def test_libraries_are_quiet_below_warnings(journal: bool) -> None:
    assert not any("chatter" in line or "too much" in line for line in output(journal=journal))


def test_what_a_plugin_prints_is_written_at_once() -> None:
    source = "import os; from wlkd.host.logs import set_up_logging; set_up_logging('info'); print('said'); os._exit(0)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "said\n"
