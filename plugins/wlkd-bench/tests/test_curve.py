"""Error against latency, without the drawing."""

import json

import pytest
from wlkd_bench.curve import read
from wlkd_bench.report import ReportError


def test_a_point_is_what_a_run_sums_up_to(tmp_path):
    run = tmp_path / "run.json"
    summary = {"wer": {"percent": 8.3}, "committed": {"p50": 0.46, "p95": 1.37}}
    run.write_text(json.dumps({"setup": {}, "summary": summary, "clips": []}))
    assert read(f"20, 15={run}") == ("20, 15", summary)


def test_what_is_no_run_is_told(tmp_path):
    run = tmp_path / "run.json"
    run.write_text("{}")
    with pytest.raises(ReportError, match="summary"):
        read(f"20, 15={run}")
