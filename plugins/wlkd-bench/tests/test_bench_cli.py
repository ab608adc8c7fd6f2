"""`wlkd bench` from the command line: exit status, table, JSON, limits."""

import argparse
import asyncio
import json

import pytest
from wlkd_bench import command as bench
from wlkd_bench.clips import ManifestError, read_manifest, select
from wlkd_bench.limits import LIMITS, missed
from wlkd_bench.summary import summarize


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def wlkd_bench(fake_asr):
    """Runs the command against a made-up server; returns its exit status."""

    async def call(manifest, *options, **wishes):
        async with fake_asr(**wishes) as server:
            args = parsed(server.url, "--manifest", str(manifest), *options)
            return await asyncio.to_thread(bench.main, args)

    return call


ROW = {"id": "a", "seconds": 0.5, "text": "red sky", "word_ends": [0.2, 0.4]}


async def test_table_and_json(wlkd_bench, manifest, tmp_path, capsys):
    out = tmp_path / "out.json"
    status = await wlkd_bench(manifest(ROW), "--json", str(out), script=[(0.5, " Red", "")], rest=" Red sky.")
    assert status == 0
    table = capsys.readouterr().out
    assert "0.0 (0.0-0.0)" in table
    found = json.loads(out.read_text())
    assert found["summary"]["wer"]["percent"] == 0.0
    assert found["summary"]["committed"]["count"] == 2
    assert found["clips"][0]["hypothesis"] == " Red sky."
    assert found["setup"]["streams"] == 1
    assert list(found["sets"]) == ["s"]


async def test_a_missed_limit_is_named_and_is_status_1(wlkd_bench, manifest, capsys):
    status = await wlkd_bench(manifest(ROW), "--max-wer", "10", "--max-p95-stop", "9", rest=" Red.")
    assert status == 1
    assert capsys.readouterr().err.strip().splitlines()[-1] == "wlkd bench: missed --max-wer 10 %: it was 50 %"


async def test_one_failed_stream_of_two_is_status_1_unless_allowed(wlkd_bench, manifest, capsys):
    rows = [{"id": "a", "seconds": 0.25}, {"id": "b", "seconds": 0.75}]
    assert await wlkd_bench(manifest(*rows), fail_after=0.5) == 1
    assert "undecodable_audio" in capsys.readouterr().out
    assert await wlkd_bench(manifest(*rows), "--max-failed", "1", fail_after=0.5) == 0


async def test_a_full_server_is_status_2(wlkd_bench, manifest, capsys):
    assert await wlkd_bench(manifest(ROW), status=503) == 2
    assert "nothing was measured" in capsys.readouterr().err


async def test_webm_to_a_server_that_takes_pcm_only(wlkd_bench, manifest, capsys):
    assert await wlkd_bench(manifest(ROW), "--format", "webm", pcm=True) == 2
    assert "raw PCM only" in capsys.readouterr().err


async def test_webm(wlkd_bench, manifest):
    assert await wlkd_bench(manifest(ROW), "--format", "webm", pcm=False, rest="red sky") == 0


async def test_an_unknown_set_is_named_with_those_there_are(wlkd_bench, manifest, capsys):
    assert await wlkd_bench(manifest(ROW), "--set", "t") == 2
    assert "no set t in the manifest; it has s" in capsys.readouterr().err


def test_limit_takes_so_many_of_each_set(manifest):
    rows = [{"id": name, "set": name[0]} for name in ("x1", "x2", "y1", "y2")]
    clips = select(read_manifest(manifest(*rows)), limit=1)
    assert [clip.id for clip in clips] == ["x1", "y1"]


def test_a_broken_manifest_points_at_its_line(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('\n{"set": "s", "id": "a"}\n')
    with pytest.raises(ManifestError, match=r"m\.jsonl:2: the key 'path' is missing"):
        read_manifest(path)


def test_a_limit_on_what_was_not_measured_is_missed():
    nothing = summarize([])
    unmeasured = [limit for limit in LIMITS if limit.read(nothing) is None]
    assert len(missed(nothing, {limit.name: 1.0 for limit in LIMITS})) == len(unmeasured) > 0


async def test_a_result_that_has_no_place_to_go_is_said_before_the_run(wlkd_bench, manifest, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        await wlkd_bench(manifest(ROW), "--json", str(tmp_path / "no" / "out.json"))
    assert "there is no folder" in capsys.readouterr().err
