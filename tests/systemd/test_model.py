"""The unit as it is shipped, with the real base model: confined, and it transcribes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

pytestmark = [pytest.mark.systemd, pytest.mark.model]

CLIP = "/speech/en_librispeech_test_clean/1089-134686-0015.flac"
TEXT = "BUT THE DUSK DEEPENING IN THE SCHOOLROOM COVERED OVER HIS THOUGHTS THE BELL RANG"
SAID = TEXT.split()
WORST_EXPOSURE = 1.5


def heard(text: str) -> list[str]:
    return re.findall("[A-Z']+", text.upper())


def share_of_words(text: str) -> float:
    """How many of the words that were said are in `text`, 0 to 1."""
    words = heard(text)
    return sum(word in words for word in SAID) / len(SAID)


def test_install_start_transcribe_restart(model_container: Any) -> None:
    result = model_container.passes(
        f"""
install_wlkd --model base
sed -i 's/^    input: container/    input: pcm/' /etc/wlkd.yaml
systemctl enable --now wlkd
systemctl status --no-pager wlkd | head -12
systemd-analyze security --no-pager wlkd | tail -1 | tee /out/security
stream --file {CLIP} | tee /out/stream

# A restart in the middle: what was received is transcribed.
stream --file {CLIP} --started /out/started >/out/interrupted &
within 20 test -e /out/started
sleep 2
systemctl restart wlkd
wait %1
cat /out/interrupted
stream --file {CLIP} --pace 2 | tee /out/after
journal >/out/journal
property MemoryCurrent; property MemoryPeak || true
""",
        seconds=300,
    )
    exposure = re.search(r"Overall exposure level for wlkd.service: ([\d.]+)", result.text("security"))
    assert exposure is not None and float(exposure[1]) <= WORST_EXPOSURE
    stream, interrupted, after = (json.loads(result.text(name)) for name in ("stream", "interrupted", "after"))
    assert share_of_words(stream["text"]) > 0.8 and stream["ended"] == "ready_to_stop"
    assert share_of_words(after["text"]) > 0.8
    assert interrupted["ended"] == "draining"
    words = heard(interrupted["text"])
    assert len(words) >= len(SAID) * (interrupted["sent"] - 1.5) / 5.8 and share_of_words(interrupted["text"]) < 1
    assert not re.search(r"warning|Warning|denied|not permitted", result.text("journal")), result.text("journal")


def test_run_wlk(model_container: Any) -> None:
    result = model_container.passes(
        f"""
install_wlkd --model base
sed -i 's/^    input: container/    input: pcm/' /etc/wlkd.yaml
run_wlk.sh base --lan en --gpu none --port 7300
answers /readyz 000
stream --file {CLIP} --pace 2 ws://127.0.0.1:7300//asr | tee /out/stream
! run_wlk.sh nonsense 2>/out/nonsense
status=0
run_wlk.sh medium --models /srv 2>/out/missing || status=$?
[ $status = 66 ]
[ "$(http /readyz 7300)" = 200 ]
cat /etc/wlkd/run_wlk.env

# In the foreground: the service makes room, and Ctrl-C ends it.
timeout --signal=INT 120 run_wlk.sh base -f --lan en >/out/foreground 2>&1 &
within 110 answers /readyz 200
[ "$(property ActiveState)" = inactive ]
kill -INT %1
wait %1 || true
""",
        seconds=300,
    )
    assert share_of_words(json.loads(result.text("stream"))["text"]) > 0.8
    assert "base, small, medium, large-v3" in result.text("nonsense")
    missing = result.text("missing")
    assert "faster-whisper-medium and pytorch-whisper-medium" in missing and "download_decoder_pt.sh medium" in missing
    assert "serving on 0.0.0.0:7100" in result.text("foreground")


def test_a_reload_switches_the_model_beside_running_streams(model_container: Any) -> None:
    models = model_container.binds["/data/whisper_models"]
    if not (models / "faster-whisper-tiny.en" / "model.bin").is_file():
        pytest.skip(f"no tiny.en in {models} to switch to")
    result = model_container.passes(
        f"""
install_wlkd --model base
sed -i 's/^    input: container/    input: pcm/' /etc/wlkd.yaml
sed -i 's/^  max_sessions: auto/  max_sessions: 8/' /etc/wlkd.yaml
systemctl start wlkd
stream --file {CLIP} --pace 0.4 --started /out/started >/out/during &
within 30 test -e /out/started
sed -i '/^backend:/,$s/^    model: base/    model: tiny.en/' /etc/wlkd.yaml
systemctl reload wlkd
within 30 said 'reloaded: changed backend.options.model'
stream --file {CLIP} --pace 2 >/out/after
wait %1
within 10 said 'closed the backend simulstreaming'
[ "$(property NRestarts)" = 0 ]
http /metrics
""",
        seconds=200,
    )
    for name in ("during", "after"):
        stream = json.loads(result.text(name))
        assert share_of_words(stream["text"]) > 0.7 and stream["ended"] == "ready_to_stop", stream
