"""The page with the real model and real speech."""

from __future__ import annotations

import json
import re

import pytest

from wlkd.testing import running_daemon


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


@pytest.mark.model
@pytest.mark.parametrize("restart", [False, True], ids=["", "restart"])
async def test_the_words_on_the_page_are_the_words_spoken(restart, whisper, speech_dir, tmp_path, browse):
    np = pytest.importorskip("numpy")
    soundfile = pytest.importorskip("soundfile", reason="pip install wlkd-bench")
    jiwer = pytest.importorskip("jiwer", reason="pip install wlkd-bench")
    manifest = [json.loads(line) for line in (speech_dir / "manifest.jsonl").read_text().splitlines()]
    clip = next(c for c in manifest if c["set"] == "en_librispeech_test_clean" and 9 < c["seconds"] < 12)
    samples, rate = soundfile.read(speech_dir / clip["path"], dtype="float32")
    wav = tmp_path / "microphone.wav"
    # The browser plays the file again and again: quiet for longer than a restart takes on a busy machine.
    quiet = np.zeros((120 if restart else 2) * rate, dtype="float32")
    soundfile.write(wav, np.concatenate([samples, quiet]), rate, subtype="PCM_16")
    values = {
        **whisper,
        "transports": {"websocket": {}},
        "warmup": True,
    }
    async with browse(wav=wav) as visit:
        async with running_daemon(values) as daemon:
            await visit.goto(daemon.http)
            await visit.click("#record")
            # The clip plays once, in real time; stopping delivers what is not yet committed.
            await visit.has_recorded(5 if restart else round(clip["seconds"]) + 1)
            if not restart:
                found = await visit.finishes()
        if restart:
            async with running_daemon({**values, "server": {"port": daemon.port}}):
                await visit.is_in("recording")
                await visit.has_recorded(13)
                found = await visit.finishes()
    assert jiwer.wer(" ".join(words(clip["text"])), " ".join(found)) <= 0.15
