"""What travels with a client: it is taken as it was sealed, by whoever has the key, and else refused in words."""

import base64
import hashlib
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.resuming_client import SECRET, Client, node, undisturbed
from tests.whole_core import PCM, pcm
from wlkd.config.options import SessionOptions
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Line, Restart, Word
from wlkd.sessions.continuation import KEY_BYTES, VERSION, Continuation, Keys
from wlkd.sessions.sealing import MAC_BYTES, seal_and_body, sealed
from wlkd.sessions.transcript import MOST_KEPT_WORDS


@pytest.mark.parametrize("max_line_seconds", [30, 240])
def test_the_largest_continuation_is_taken(max_line_seconds: float) -> None:
    SessionOptions(max_line_seconds=max_line_seconds)
    spoken = round(2 * max_line_seconds * 180 / 60)
    chance = random.Random(1)

    def words(count: int) -> tuple[Word, ...]:
        times = [(at * 5_000, at * 5_000 + chance.randint(1_000, 5_000)) for at in range(10**6, 10**6 + count)]
        letters = "".join(map(chr, range(0x4E00, 0x5800)))
        return tuple(Word("".join(chance.choices(letters, k=2)), *time, round(chance.random(), 3), 1) for time in times)

    def line(count: int) -> Line:
        return Line(0, 0, words(count), "zh")

    largest = Continuation(
        session="a" * 16,
        node="wlkd",
        offer=PCM,
        wishes={"hotwords": chance.randbytes(1500).hex()},
        language="zh",
        settled=0,
        restart=Restart(),
        context="",
        told=words(60),
        closed_lines=0,
        open_line=line(spoken),
        transcript_end=0,
        words=0,
        speakers={"voices": {str(number): base64.b64encode(chance.randbytes(193)).decode() for number in range(32)}},
        kept=tuple(line(30) for _ in range(MOST_KEPT_WORDS // 30)),
    )
    keys = Keys([SECRET.encode()])
    assert keys.open(keys.seal(largest)) == largest


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[:80] + ("A" if text[80] != "A" else "B") + text[81:], "changed on the way"),
        (lambda text: text[:12], "cut short"),
        (lambda text: "no base64!", "damaged"),
        (lambda text: "A" * 50_000, "at most"),
    ],
)
async def test_a_continuation_that_was_tampered_with_is_refused(key: Path, change: Any, reason: str) -> None:
    client = Client(pcm(2))
    async with node(key) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 1)
        assert client.seam is not None
        with pytest.raises(SessionError, match=reason) as caught:
            async with admission.open(PCM, transport="test", peer="x", resume=change(client.seam.continuation)):
                pass
        assert caught.value.code == "cannot_resume"


def of_another_version(continuation: str) -> str:
    sealed = bytearray(base64.b64decode(continuation + "==", altchars=b"-_"))
    sealed[MAC_BYTES] = VERSION + 1
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def of_a_later_release(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """As a release writes it that adds something, while everything before keeps its meaning."""

    def changed(continuation: str) -> str:
        _, body = seal_and_body(continuation)
        head, content = body[: 1 + KEY_BYTES], body[1 + KEY_BYTES :]
        plain = json.loads(zlib.decompress(content))
        change(plain)
        key = hashlib.sha256(b"wlkd continuation\0" + SECRET.strip().encode()).digest()
        return sealed(key, head + zlib.compress(json.dumps(plain).encode()))

    return changed


@pytest.mark.parametrize(
    ("same_key", "change", "reason", "told"),
    [
        (False, str, "another key", "the same auth.continuation_key"),
        (True, of_another_version, f"version {VERSION + 1}, and this server knows", "another version of wlkd"),
        (True, of_a_later_release(lambda plain: plain.update(mood="calm")), "another release", "sealed by wlkd"),
        (True, of_a_later_release(lambda plain: plain["restart"].append(1)), "another release", "sealed by wlkd"),
    ],
)
async def test_a_continuation_of_another_fleet_is_refused_and_the_log_says_so_once(
    key: Path,
    caplog: pytest.LogCaptureFixture,
    same_key: bool,
    change: Callable[[str], str],
    reason: str,
    told: str,
) -> None:
    client = Client(pcm(2))
    async with node(key) as admission, client.connected(admission) as session:
        await client.hear(session, 1)
    assert client.seam is not None
    foreign = change(client.seam.continuation)
    async with node(key if same_key else None) as stranger:
        for _ in range(2):
            with pytest.raises(SessionError, match=reason) as caught:
                async with stranger.open(PCM, transport="test", peer="here", resume=foreign):
                    pass
            assert caught.value.code == "cannot_resume"
    assert caplog.text.count(told) == 1


async def test_a_stream_from_a_machine_with_another_model_goes_on_and_the_log_says_so_once(
    key: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audio = pcm(4)
    client = Client(audio)
    async with node(key) as admission, client.connected(admission) as session:
        await client.hear(session, 2)
    keys = Keys([SECRET.strip().encode()])
    assert client.seam is not None
    sealed = keys.open(client.seam.continuation)
    large = keys.seal(replace(sealed, node="wlkd 0.2.0 simulstreaming large-v3"))
    async with node(key) as admission:
        for last in (False, True):
            client.seam = replace(client.seam, continuation=large)
            async with client.connected(admission) as session:
                if last:
                    await client.hear_the_end(session)
    assert client.words == (await undisturbed(audio)).words
    assert caplog.text.count(f"from a machine with wlkd 0.2.0 simulstreaming large-v3; this one has {sealed.node}") == 1


async def test_a_key_can_be_changed_without_refusing_anybody(key: Path, tmp_path: Path) -> None:
    client = Client(pcm(3))
    async with node(key) as admission, client.connected(admission) as session:
        await client.hear(session, 1)
    both = tmp_path / "both"
    both.write_text("# the new one first\nanother secret of thirty-two characters and more\n" + SECRET)
    async with node(both) as admission, client.connected(admission) as session:
        await client.hear_the_end(session)
    assert len(client.words) == 6


def test_a_continuation_keeps_all_of_a_word() -> None:
    word = Word(" yes", 0, 1600, 0.9, speaker=1, speaker_confidence=0.75, also_speaker=2)
    line = Line(0, 1600, (word, Word(" no", 1600, 3200)), "en")
    one = Continuation("s", "n", PCM, {}, "en", 0, Restart(), "", (), 0, line, line.end, len(line.words))
    keys = Keys([SECRET.encode()])
    assert keys.open(keys.seal(one)).open_line == line


@pytest.mark.parametrize(
    ("values", "query", "reason"),
    [
        ({"engines": {"small": {"name": "scripted"}}}, {"model": "small"}, "there is no model 'small'"),
        # A backend refuses a language that was detected elsewhere in the same way.
        ({}, {"task": "translate"}, "task translate: not in the script"),
    ],
)
async def test_a_machine_that_cannot_do_what_another_one_did_lets_the_client_begin_anew(
    key: Path, caplog: pytest.LogCaptureFixture, values: dict[str, Any], query: dict[str, str], reason: str
) -> None:
    client = Client(pcm(2))
    async with node(key, **values) as admission, client.connected(admission, query=query) as session:
        await client.hear(session, 1)
    assert client.seam is not None
    poor = {"backend": {"name": "scripted", "options": {"tasks": ["transcribe"]}}}
    async with node(key, **poor) as stranger:
        for _ in range(2):
            with pytest.raises(SessionError, match=reason) as caught:
                async with stranger.open(PCM, transport="test", peer="here", resume=client.seam.continuation):
                    pass
            assert caught.value.code == "cannot_resume"
    assert caplog.text.count("the same configuration, models and plugins") == 1
