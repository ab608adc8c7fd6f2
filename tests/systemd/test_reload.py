"""systemctl reload: applies what it can, refuses what is broken, interrupts nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.systemd


def test_reload(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted, options: {script: [" old"]}}'
systemctl start wlkd
stream --seconds 25 --started /out/started >/out/during &
within 20 test -e /out/started

# Broken: systemctl says so, and the daemon, asked behind its back, refuses too.
configure 'backend: {name: scripted, options: {nonsense: 1}}'
! systemctl reload wlkd
[ "$(property ActiveState)" = active ]
kill -HUP "$(property MainPID)"
within 10 said 'reload refused'
[ "$(http /readyz)" = 200 ]
stream --seconds 1 --pace 5 >/out/refused

# Good: limits and words change for newcomers, the port waits for a restart.
configure 'backend: {name: scripted, options: {script: [" new"], load_seconds: 2}}
server: {port: 7200}
sessions: {max_sessions: 3}
recognition: {language: de}'
systemctl reload wlkd
within 10 said 'reloaded: changed'
within 5 status_says '^serving . of 3 sessions'
stream --seconds 1 --pace 5 >/out/switched
! said 'closed the backend scripted'
wait %1
within 5 said 'closed the backend scripted (engine default) that a reload had replaced'

# No room.
configure 'backend: {name: scripted, options: {memory_bytes: 900000000000000}}'
systemctl reload wlkd
within 10 said 'the new model needs about 900000.0 GB beside the old one'
stream --seconds 1 --pace 5 >/out/no_room
[ "$(property NRestarts)" = 0 ]
journal >/out/journal
""")
    texts = {name: json.loads(result.text(name))["text"] for name in ("during", "refused", "switched", "no_room")}
    assert texts == {"during": " old" * 50, "refused": " old" * 2, "switched": " new" * 2, "no_room": " new" * 2}
    journal = result.text("journal")
    assert "/etc/wlkd.yaml:5: backend.options.nonsense: unknown option" in journal
    assert "a restart is needed for server.port" in journal
    assert "recognition.language, sessions.max_sessions" in journal
