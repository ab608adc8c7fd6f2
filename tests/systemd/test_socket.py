"""wlkd.socket: the listening socket stays with systemd, so that a restart refuses nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scripted import WORDS

pytestmark = pytest.mark.systemd


def test_a_restart_refuses_no_connection_and_its_own_clients_resume(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted, options: {load_seconds: 2}}'
systemctl enable --now wlkd.socket
[ "$(property ActiveState)" = inactive ]
stream --seconds 1 --pace 5 >/out/first     # the connection itself starts the service
[ "$(property ActiveState)" = active ]

stream --seconds 10 --started /out/started >/out/during &
stream --seconds 10 --resume --started /out/resumable >/out/resumed &
within 20 test -e /out/started
within 20 test -e /out/resumable
(while [ ! -e /out/restarted ]; do
    curl -s -o /dev/null -m 60 -w '%{http_code} %{exitcode}\\n' http://127.0.0.1:7100/healthz
    sleep 0.05
done) >/out/answers &
sleep 1
systemctl restart wlkd &
restart=$!
sleep 1.5
stream --seconds 1 --pace 5 >/out/waited    # comes while nobody serves
wait "$restart"
sleep 1
touch /out/restarted
wait
! said 'error'
curl -s http://127.0.0.1:7100/metrics | grep 'wlkd_sessions_resumed_total{from="elsewhere"}' >/out/resumptions
""")
    answers = result.text("answers").split("\n")[:-1]
    assert len(answers) > 20 and set(answers) == {"200 0"}, set(answers)
    assert json.loads(result.text("first"))["text"] == " one two"
    assert json.loads(result.text("during"))["ended"] == "draining"
    resumed = json.loads(result.text("resumed"))
    assert resumed["ended"] == "ready_to_stop"
    assert resumed["text"].split() == 2 * list(WORDS)
    assert resumed["said"][-1] == "connected again, and nothing is lost"
    assert float(result.text("resumptions").split()[-1]) >= 1
    assert json.loads(result.text("waited")) | {"updates": 0} == {
        "text": " one two",
        "ended": "ready_to_stop",
        "updates": 0,
        "sent": 1.0,
    }


def test_the_tcp_transport_is_kept_over_restarts_too(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted, options: {load_seconds: 2}}'
sed -i 's/^transports:.*/transports: {websocket: {}, tcp: {}}/' /etc/wlkd.yaml
mkdir /etc/systemd/system/wlkd.socket.d
printf '[Socket]\\nListenStream=43007\\nListenStream=43999\\n' >/etc/systemd/system/wlkd.socket.d/ports.conf
systemctl daemon-reload
systemctl start wlkd.socket wlkd
systemctl restart wlkd &
/opt/wlkd/bin/python - >/out/lines <<'PYTHON'
import socket
with socket.create_connection(("127.0.0.1", 43007)) as connection:
    connection.sendall(bytes((0, 0x20)) * 16000)
    connection.shutdown(socket.SHUT_WR)
    with connection.makefile() as lines:
        print(*lines, end="")
PYTHON
wait
systemctl is-active wlkd
said 'nothing serves \\[::\\]:43999'
""")
    lines = [json.loads(line) for line in result.text("lines").splitlines()]
    assert "".join(line.get("text", "") for line in lines) == " one two"
