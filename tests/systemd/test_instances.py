"""Two instances of wlkd@.service behind the HAProxy configuration of the documentation."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.systemd

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
UNITS = Path(__file__).resolve().parents[2] / "systemd"


@pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
def test_an_instance_is_restarted_while_clients_stream(container: Any) -> None:
    result = container.passes("""
install_wlkd
for number in 0 1; do
    configure "backend: {name: scripted}
server: {port: 710$((number + 1))}" /etc/wlkd/gpu$number.yaml
done
systemctl start wlkd@gpu0 wlkd@gpu1
systemd-sysusers --inline 'u haproxy -'  # as its package does
/usr/sbin/haproxy -db -q -f /opt/src/docs/haproxy.cfg &
haproxy=$!
within 10 answers /readyz 200
for number in 1 2 3 4; do
    stream --seconds 20 --started /out/started$number >/out/stream$number &
    streams+=($!)
done
for number in 1 2 3 4; do within 20 test -e /out/started$number; done
(while [ ! -e /out/restarted ]; do http /asr; echo; sleep 0.1; done) >/out/answers &
asking=$!
(while [ ! -e /out/restarted ]; do stream --seconds 1 --pace 5; done) >/out/newcomers &
coming=$!
sleep 2
systemctl restart wlkd@gpu0
sleep 3
touch /out/restarted
wait ${streams[*]} $asking $coming
kill $haproxy
systemctl stop wlkd@gpu0 wlkd@gpu1
journal wlkd@gpu0 >/out/journal
""")
    streams = [json.loads(result.text(f"stream{number}")) for number in range(1, 5)]
    assert Counter(stream["ended"] for stream in streams) == {"draining": 2, "ready_to_stop": 2}
    newcomers = [json.loads(line) for line in result.text("newcomers").splitlines()]
    words = re.findall(r"closed: reason=draining .* words=(\d+)", result.text("journal"))
    # A newcomer, too, may be in at that moment.
    drained = [len(stream["text"].split()) for stream in (*streams, *newcomers) if stream["ended"] == "draining"]
    assert sorted(map(int, words)) == sorted(drained) and all(stream["text"] for stream in streams)
    assert all(len(stream["text"].split()) == 40 for stream in streams if stream["ended"] == "ready_to_stop")
    # 426: it is a WebSocket, and it would have been accepted.
    assert set(result.text("answers").split()) == {"426"}, Counter(result.text("answers").split())
    undisturbed = [stream["text"] for stream in newcomers if stream["ended"] != "draining"]
    assert undisturbed and set(undisturbed) == {" one two"}, newcomers


def test_the_instance_unit_differs_in_its_files_only() -> None:
    one, many = ((UNITS / name).read_text() for name in ("wlkd.service", "wlkd@.service"))
    settings = [line for line in one.splitlines() if line and not line.startswith("#")]
    expected = [
        line.replace("/etc/wlkd.yaml", "/etc/wlkd/%i.yaml")
        .replace("run_wlk.env", "%i.env")
        .replace("RuntimeDirectory=wlkd", "RuntimeDirectory=wlkd-%i")
        for line in settings
    ]
    actual = [line for line in many.splitlines() if line and not line.startswith("#")]
    expected[1] += " (%i)"
    assert actual == expected
