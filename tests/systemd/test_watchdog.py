"""A wlkd that hangs, in whatever way, is restarted by systemd."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.scripted import WORDS

pytestmark = pytest.mark.systemd


def test_a_stuck_worker_is_restarted(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted, options: {step_seconds: 3600}}
worker: {stall_seconds: 2}'
systemctl start wlkd
stream --seconds 60 >/dev/null &
within 25 said 'Scheduled restart job'
within 25 systemctl --quiet is-active wlkd
[ "$(property NRestarts)" = 1 ]
journal >/out/journal
""")
    journal = result.text("journal")
    assert re.search(r"inference has been stuck for \d s: asking systemd for a restart", journal)
    # Where it was stuck, for whoever has to mend it.
    assert "Fatal Python error: Aborted" in journal and "wlkd_scripted/backend.py" in journal


def test_a_stuck_event_loop_is_restarted(container: Any) -> None:
    container.passes("""
install_wlkd
site=$(echo /opt/wlkd/lib/python3*/site-packages)
mkdir "$site/blocker-1.dist-info"
printf 'Metadata-Version: 2.1\\nName: blocker\\nVersion: 1\\n' >"$site/blocker-1.dist-info/METADATA"
printf '[wlkd]\\nblocker = blocker\\n' >"$site/blocker-1.dist-info/entry_points.txt"
cat >"$site/blocker.py" <<'PYTHON'
import time
from wlkd import hookimpl

@hookimpl
def wlkd_session_opened(info):
    time.sleep(3600)
PYTHON
configure 'backend: {name: scripted}'
tune wlkd.service 'WatchdogSec=3'
systemctl start wlkd
sleep 5
[ "$(property NRestarts)" = 0 ]
stream --seconds 60 >/dev/null &
within 25 said 'Watchdog timeout'
within 25 systemctl --quiet is-active wlkd
[ "$(property NRestarts)" = 1 ]
""")


def test_a_stopped_process_is_restarted(container: Any) -> None:
    container.passes("""
install_wlkd
configure 'backend: {name: scripted}'
tune wlkd.service 'WatchdogSec=3'
systemctl start wlkd
stopped=$(property MainPID)
kill -STOP "$stopped"
within 25 said 'Watchdog timeout'
within 25 said 'Scheduled restart job'
within 25 systemctl --quiet is-active wlkd
[ "$(property MainPID)" != "$stopped" ]
[ "$(http /readyz)" = 200 ]
""")


def test_a_killed_process_is_restarted_and_its_clients_resume(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted}'
systemctl start wlkd
stream --seconds 5 --resume --started /out/resumable >/out/resumed &
within 20 test -e /out/resumable
kill -KILL "$(property MainPID)"
within 25 said 'Scheduled restart job'
within 25 systemctl --quiet is-active wlkd
wait
""")
    resumed = json.loads(result.text("resumed"))
    assert resumed["text"].split() == list(WORDS)
    assert resumed["said"][-1] == "connected again, and nothing is lost"
