"""wlkd.service under a booted systemd: what it says of itself is true, and nothing that it received is lost."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.scripted import WORDS

pytestmark = pytest.mark.systemd


def script(seconds: float) -> str:
    """What the scripted backend says to so much audio."""
    count = -int(-seconds // 0.5)
    return "".join(f" {WORDS[index % len(WORDS)]}" for index in range(count))


def test_install_start_stream_stop_uninstall(container: Any) -> None:
    result = container.passes("""
install_wlkd
install_wlkd >/out/second
[ "$(stat -c %a /etc/wlkd.yaml)" = 644 ]
configure 'backend: {name: scripted}'
install_wlkd >/out/third
grep -q scripted /etc/wlkd.yaml
systemd-analyze verify wlkd.service wlkd@a.service wlkd.socket >/out/verify 2>&1
systemctl enable --now wlkd
[ "$(property ActiveState)" = active ]
within 5 status_says '^serving 0 of [0-9]* sessions, lag 0.0 s, wlkd [0-9.]*'
stream --seconds 3 --pace 3 >/out/stream
systemctl status --no-pager wlkd >/out/shown
systemctl stop wlkd
[ "$(property Result)/$(property ExecMainStatus)" = success/0 ]
journal >/out/journal
journalctl --no-pager -o json -u wlkd >/out/entries
bash /opt/src/scripts/uninstall.sh
! systemctl cat wlkd
[ -f /etc/wlkd.yaml ]
""")
    assert "nothing to do" in result.text("second")
    assert "was changed here and stays" not in result.text("second")
    assert result.text("verify") == ""
    stream = json.loads(result.text("stream"))
    assert (stream["text"], stream["ended"]) == (script(3), "ready_to_stop")
    assert re.search(r"Status: \"serving \d+ of", result.text("shown"))

    journal = result.text("journal").splitlines()
    assert any("session 1 opened: transport=websocket peer=127.0.0.1" in line for line in journal)
    closed = next(line for line in journal if "session 1 closed" in line)
    assert re.search(r"reason=finished after=\d\.\ds audio=3.0s words=6 lag=0.0s", closed)
    own = [json.loads(line) for line in result.text("entries").splitlines()]
    own = [entry for entry in own if entry.get("SYSLOG_IDENTIFIER") == "wlkd"]
    assert {entry["PRIORITY"] for entry in own if str(entry["MESSAGE"]).startswith("wlkd.")} == {"6"}
    assert not any(re.match(r"<\d>|\d\d:\d\d", str(entry["MESSAGE"])) for entry in own)


def test_nothing_is_removed_from_a_folder_that_is_not_wlkd_s(container: Any) -> None:
    result = container.passes("""
mkdir -p /srv/tools/bin /srv/tools/lib
echo theirs | tee /srv/tools/bin/python >/srv/tools/lib/notes
chmod +x /srv/tools/bin/python
if bash /opt/src/scripts/install.sh --prefix /srv/tools 2>/out/install; then fail "not refused"; fi
bash /opt/src/scripts/uninstall.sh --prefix /srv/tools 2>/out/uninstall
bash /opt/src/scripts/uninstall.sh --prefix /srv/nowhere >/out/nowhere
[ "$(cat /srv/tools/bin/python /srv/tools/lib/notes)" = "$(printf 'theirs\ntheirs')" ]
[ ! -e /srv/tools/share ] && [ ! -e /etc/wlkd.yaml ]
# What it made itself goes, and what somebody put beside it stays.
packages=/srv/ours/lib/python3.11/site-packages
mkdir -p /srv/ours/bin $packages/thing-1.0.dist-info /srv/ours/share/wlkd /srv/ours/share/man/man1
touch /srv/ours/pyvenv.cfg /srv/ours/share/wlkd/made-by-install.sh /srv/ours/notes /srv/ours/share/man/man1/thing.1
printf '%s,,\n' thing.py ../../../share/man/man1/thing.1 >$packages/thing-1.0.dist-info/RECORD
bash /opt/src/scripts/uninstall.sh --prefix /srv/ours 2>/out/ours
[ "$(ls -A /srv/ours)" = notes ]
""")
    assert "/srv/tools holds files that are not wlkd's" in result.text("install")
    assert "/srv/tools was not made by install.sh and stays" in result.text("uninstall")
    assert "nothing is installed in /srv/nowhere" in result.text("nowhere")
    assert "/srv/ours holds other files and stays: notes" in result.text("ours")


def test_uninstalling_leaves_what_the_operator_made_of_the_units(container: Any) -> None:
    result = container.passes("""
install_wlkd
tune wlkd.service 'LimitNOFILE=70000'
for unit in wlkd.service wlkd@gpu0.service wlkd@.service; do
    install -D -m 644 /opt/wlkd/share/wlkd/gpu.conf /etc/systemd/system/$unit.d/gpu.conf
done
tune wlkd@gpu0.service 'CPUQuota=50%'
bash /opt/src/scripts/uninstall.sh >/out/kept
[ "$(cd /etc/systemd/system && echo wlkd*/*)" = 'wlkd.service.d/test.conf wlkd@gpu0.service.d/test.conf' ]
[ "$(cd /etc/systemd/system && echo wlkd*)" = 'wlkd.service.d wlkd@gpu0.service.d' ]
bash /opt/src/scripts/uninstall.sh --purge
[ -z "$(find /etc/systemd/system /etc -maxdepth 1 -name 'wlkd*')" ]
""")
    units = "/etc/systemd/system/wlkd"
    assert result.text("kept") == (
        f"kept: /etc/wlkd.yaml, /etc/wlkd, {units}.service.d, {units}@gpu0.service.d, the models and the account wlkd\n"
    )


def test_a_models_folder_is_made_and_one_of_somebody_else_is_left_alone(container: Any) -> None:
    container.passes("""
install_wlkd
[ "$(stat -c '%U %a' /data /data/whisper_models)" = "$(printf 'root 755\nroot 755')" ]
rmdir /data/whisper_models
chown daemon:mail /data
chmod 750 /data
install_wlkd
[ -d /data/whisper_models ]
chown daemon /data/whisper_models
chmod 700 /data/whisper_models
install_wlkd
[ "$(stat -c '%U:%G %a' /data)" = 'daemon:mail 750' ]
[ "$(stat -c '%U %a' /data/whisper_models)" = 'daemon 700' ]
""")


def test_a_restart_in_the_middle_of_a_stream_loses_no_received_word(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted, options: {step_seconds: 0.3}}'
systemctl start wlkd
stream --seconds 20 --started /out/started >/out/stream &
within 20 test -e /out/started
systemctl restart wlkd
wait %1
journal >/out/journal
stream --seconds 2 >/out/after
""")
    stream = json.loads(result.text("stream"))
    closed = re.search(r"session 1 closed: reason=(\w+) .*audio=([\d.]+)s words=(\d+)", result.text("journal"))
    assert closed is not None, result.text("journal")
    received = float(closed[2])
    assert stream["ended"] == "draining" and 0 < received <= stream["sent"] < 20
    assert stream["text"] == script(received) and int(closed[3]) == len(stream["text"].split())
    assert json.loads(result.text("after"))["text"] == script(2)


def test_a_drain_ends_at_its_deadline_and_names_who_remains(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted, options: {step_seconds: 300}}
sessions: {drain_seconds: 6}
worker: {stall_seconds: 600}'
systemctl start wlkd
stream --seconds 4 >/out/stream &
within 20 said 'session 1 opened'
sleep 2
systemctl stop wlkd &
within 5 status_says '^draining, 1 sessions remain'
[ "$(http /readyz)/$(http /asr)/$(http /healthz)" = 503/503/200 ]
wait %2
[ "$(property Result)/$(property ExecMainStatus)" = success/0 ]
journal >/out/journal
""")
    journal = result.text("journal")
    assert "draining: 1 sessions to finish, at most 6 s" in journal
    assert "draining: 1 sessions remain: session 1 (websocket from 127.0.0.1, lag" in journal
    assert "abandoned at the deadline: session 1 (websocket from 127.0.0.1, lag" in journal


def test_it_waits_for_models_on_another_machine_and_starts_again_as_the_page_says(container: Any) -> None:
    container.passes("""
install_wlkd
configure 'backend: {name: scripted}'
units=/etc/systemd/system
cat >$units/network-storage.service <<'TEXT'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sleep 3
TEXT
cat >$units/data-whisper_models.mount <<'TEXT'
[Unit]
Requires=network-storage.service
After=network-storage.service
Before=remote-fs.target
DefaultDependencies=no
[Mount]
What=tmpfs
Where=/data/whisper_models
Type=tmpfs
TEXT
mkdir -p $units/remote-fs.target.wants
ln -s ../data-whisper_models.mount $units/remote-fs.target.wants/
tune wlkd.service 'ExecStartPre=/usr/bin/mountpoint -q /data/whisper_models'
systemctl start remote-fs.target wlkd
[ "$(property NRestarts)" = 0 ]
systemctl stop wlkd data-whisper_models.mount

# What stays away for longer.
! systemctl start wlkd
within 60 said 'Start request repeated too quickly'
systemctl start data-whisper_models.mount
! systemctl start wlkd
systemctl reset-failed wlkd
systemctl start wlkd
""")


def test_a_broken_configuration_keeps_the_service_down(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted, options: {step_second: 1}}'
! systemctl start wlkd
sleep 3
[ "$(property ActiveState)/$(property ExecMainStatus)/$(property NRestarts)" = failed/78/0 ]
journalctl --no-pager -o cat -p err -u wlkd >/out/errors
configure 'backend: {name: scripted}'
systemctl start wlkd
""")
    assert "/etc/wlkd.yaml:5: backend.options.step_second: unknown option" in result.text("errors")


def test_systemd_waits_for_a_large_model_and_ready_means_ready(container: Any) -> None:
    container.passes("""
install_wlkd
configure 'backend: {name: scripted, options: {load_seconds: 12}}'
tune wlkd.service 'TimeoutStartSec=5'
systemctl start --no-block wlkd
within 20 status_says 'loading the script'
sleep 6
[ "$(property ActiveState)" = activating ]
[ "$(http /readyz)" = 000 ]
within 20 systemctl --quiet is-active wlkd
[ "$(http /readyz)/$(property NRestarts)" = 200/0 ]

# A stop while it loads does not wait for the end of the loading.
systemctl restart --no-block wlkd
within 20 status_says 'loading the script'
systemctl stop wlkd
[ "$(property Result)" = success ]
said 'stopped while starting'
""")


def test_secrets_come_from_the_credential_store(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted}
auth: {tokens_file: wlkd.tokens}
server: {tls_certificate: wlkd.tls-certificate, tls_key: wlkd.tls-key}'
mkdir -p -m 700 /etc/credstore
echo sesame >/etc/credstore/wlkd.tokens
printf '[req]\ndistinguished_name=dn\n[dn]\n' >/tmp/openssl.cnf
openssl req -config /tmp/openssl.cnf -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
    -keyout /etc/credstore/wlkd.tls-key -out /etc/credstore/wlkd.tls-certificate 2>/dev/null
chmod 600 /etc/credstore/*
wlkd check
systemctl start wlkd
curl -sk -o /dev/null -w '%{http_code}' https://127.0.0.1:7100/asr >/out/without
curl -sk -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer sesame' https://127.0.0.1:7100/asr >/out/with
systemctl stop wlkd
rm /etc/credstore/wlkd.tokens
! systemctl start wlkd
journalctl --no-pager -o cat -p err -u wlkd >/out/errors
""")
    assert (result.text("without"), result.text("with")) == ("401", "426")
    assert "auth.tokens_file" in result.text("errors") and "wlkd.tokens" in result.text("errors")


def test_the_gpu_drop_in_opens_no_more_than_it_says(container: Any) -> None:
    result = container.passes("""
install_wlkd
configure 'backend: {name: scripted}'
install -D -m 644 /opt/wlkd/share/wlkd/gpu.conf /etc/systemd/system/wlkd.service.d/gpu.conf
systemctl daemon-reload
systemd-analyze verify wlkd.service >/out/verify 2>&1
systemctl start wlkd
systemd-analyze security --no-pager wlkd | tail -1 >/out/security
property DeviceAllow >/out/devices
stream --seconds 1 --pace 5 >/out/stream
""")
    assert result.text("verify") == ""
    exposure = re.search(r"level for wlkd.service: ([\d.]+)", result.text("security"))
    assert exposure is not None and float(exposure[1]) <= 2.0, result.text("security")
    devices = {line.split()[0] for line in result.text("devices").splitlines()}
    # ProtectClock= lists the clock itself, to be read.
    assert {device for device in devices if not device.startswith("char-nvidia")} <= {"char-rtc"}
    assert json.loads(result.text("stream"))["text"] == script(1)
