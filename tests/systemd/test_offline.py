"""A machine without internet: refused bundles leave it as it was; a good one is installed, started and transcribes.

The bundle is what `scripts/make_bundle.sh` wrote; WLKD_BUNDLE names it. It takes minutes and an index to make one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = [pytest.mark.systemd, pytest.mark.model]

SCRIPT = """
ip -brief link >/out/links
# The root is in memory; these grow large.
export TMPDIR=/out/tmp
mkdir $TMPDIR /out/opt
mount --bind /out/opt /opt/wlkd
install_offline() { bash /opt/src/scripts/install.sh --offline "$@"; }

untouched() {
    [ -z "$(ls -A /opt/wlkd)" ] || fail "$1: something in /opt/wlkd"
    [ -z "$(ls -A $TMPDIR)" ] || fail "$1: something left in $TMPDIR"
    for path in /etc/wlkd.yaml /etc/wlkd /etc/systemd/system/wlkd.service /etc/sysusers.d/wlkd.conf /data; do
        [ ! -e $path ] || fail "$1: $path was made"
    done
    ! id wlkd 2>/dev/null || fail "$1: the account was made"
}

# A bit flipped in the middle; half a copy; another tar file.
size=$(stat -c %s /bundle.tar)
cp /bundle.tar /out/damaged.tar
printf X | dd of=/out/damaged.tar bs=1 seek=$((size / 2)) conv=notrunc status=none
head -c $((size / 2)) /bundle.tar >/out/half.tar
tar -cf /out/foreign.tar -C /usr/lib os-release
for bundle in damaged half foreign absent; do
    if install_offline /out/$bundle.tar; then fail "$bundle was not refused"; fi
    untouched $bundle
done
rm /out/*.tar
if install_offline /bundle.tar --key /usr/lib/os-release; then fail "not signed, and not refused"; fi
untouched unsigned
if install_offline /bundle.tar --model medium; then fail "a model that is not there was not refused"; fi
untouched "no such model"

install_offline /bundle.tar
install_offline /bundle.tar >/out/second
wlkd models verify
systemctl enable --now wlkd
within 60 status_says 'serving 0 of .* sessions, lag 0.0 s, .* on cpu'
property StatusText >/out/status-text
wlkd transcribe --server ws://127.0.0.1:7100/asr /speech.flac >/out/text
systemctl stop wlkd
journal >/out/journal
/opt/wlkd/bin/python -c 'import wlkd, wlkd_websocket, torch; print(wlkd.__file__, torch.__file__)' >/out/origin
# The packed bundle's own copy of the installer does the same.
mkdir /out/unpacked && tar -xf /bundle.tar -C /out/unpacked
bash /out/unpacked/wlkd-offline/scripts/install.sh >/out/third
rm -rf /out/unpacked
"""


@pytest.fixture
def bundle() -> Path:
    named = os.environ.get("WLKD_BUNDLE")
    if not named:
        pytest.skip("WLKD_BUNDLE does not name a bundle of scripts/make_bundle.sh")
    return Path(named).resolve(strict=True)


def test_from_the_bundle_to_a_transcript(bare_machine, bundle: Path, speech_dir: Path) -> None:  # type: ignore[no-untyped-def]
    speech = next(speech_dir.glob("en_librispeech_test_clean/1089-134686-0015.flac"))
    machine = bare_machine({"/bundle.tar": bundle, "/speech.flac": speech.resolve()})
    result = machine.passes(SCRIPT, 900)
    # Loopback, and nothing else.
    assert [line.split()[0] for line in result.text("links").splitlines()] == ["lo"]
    assert "nothing to do" in result.text("second") and "nothing to do" in result.text("third")
    assert "dusk" in result.text("text").lower() and "schoolroom" in result.text("text").lower().replace(" ", "")
    assert all(path.startswith("/opt/wlkd/lib/") for path in result.text("origin").split())
    assert "device auto: no GPU here" in result.text("status-text")
