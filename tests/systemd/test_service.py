"""wlkd.service under a booted systemd: what it says of itself is true, and it comes back when it should."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.systemd


def passed(result):  # type: ignore[no-untyped-def]
    assert result.status == 0, result.log[-8000:]
    return result


def test_install_start_stream_stop(container) -> None:  # type: ignore[no-untyped-def]
    result = passed(
        container.run("""
install_wlkd
install_wlkd >/out/second
configure 'backend: {name: scripted}'
systemd-analyze verify wlkd.service wlkd@a.service wlkd.socket >/out/verify 2>&1
systemctl enable --now wlkd
[ "$(property ActiveState)" = active ]
within 5 status_says 'serving 0 of .* sessions, lag 0.0 s'
stream --seconds 3 --pace 3 >/out/stream
systemctl status --no-pager wlkd >/out/shown
systemctl stop wlkd
[ "$(property Result)/$(property ExecMainStatus)" = success/0 ]
journal >/out/journal
systemd-analyze security --no-pager wlkd >/out/security
tail -1 /out/security
""")
    )
    assert "nothing to do" in result.text("second")
    assert result.text("verify") == ""
    stream = json.loads(result.text("stream"))
    assert stream["text"] == " one two three four five six" and stream["ended"] == "ready_to_stop"
    assert "Status: " in result.text("shown")
    assert "session 1 closed: reason=finished" in result.text("journal")
    print(result.log)
