"""The instrument for GPUs: its sums by hand, and all of it on the CPU with a network that is small enough."""

import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("ctranslate2")
pytest.importorskip("jiwer")

from wlkd_bench.gpu.__main__ import main
from wlkd_bench.gpu.measure import MOST_BATCH_SECONDS, Times, streams
from wlkd_bench.gpu.roofline import Card, Roofline, Work, card
from wlkd_bench.gpu.shapes import SHAPES, Load
from wlkd_whisper.dims import WhisperDims

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = WhisperDims(
    n_mels=5,
    n_audio_ctx=1500,
    n_audio_state=10,
    n_audio_head=1,
    n_audio_layer=2,
    n_vocab=100,
    n_text_ctx=448,
    n_text_state=10,
    n_text_head=1,
    n_text_layer=3,
)


def test_the_roofline_by_hand():
    roofline = Roofline(SMALL)
    # Keys and values, three layers, a width of ten, two bytes.
    assert roofline.frame_bytes == 120
    assert roofline.stream_bytes(7, 3) == 1200
    # Three layers of 14 times ten times ten weights, 1000 for the scores; two rows that keep 1200 bytes each.
    # 4 * (3 + 7) * 10 operations of attention in each of three layers, for each row.
    assert roofline.tokens(2, 1, 3, 7) == Work(2 * 5200 + 2400, 2 * (2 * 5200 + 1200))
    # Two layers of 12 * 100, and convolutions of 150 and 300 weights, the first one on twice the frames.
    assert roofline.encoder(1, 4) == Work(2 * (2400 + 450), 4 * 2 * (2700 + 300) + 2 * 4 * 16 * 10)
    # 600 weights; four frames written, and two read and written.
    assert roofline.memory(1, 4, 2) == Work(1200 + 8 * 120, 4 * 2 * 600)


def test_the_slower_of_memory_and_arithmetic_decides():
    one = Card("one", bandwidth=10, peak=100)
    assert Work(20, 100).seconds(one) == 2
    assert Work(20, 500).seconds(one) == 5
    assert ((Work(1, 2) + Work(3, 4)) * 2) == Work(8, 12)


def test_cards_are_known_by_name():
    assert [found.name if (found := card(name)) else None for name in NAMES] == ["H100", "H200", "L4", "L40S", None]


NAMES = ["NVIDIA H100 80GB HBM3", "NVIDIA H200", "NVIDIA L4", "NVIDIA L40S", "NVIDIA GeForce RTX 3060"]


def test_large_v3_has_the_weights_that_are_published():
    dims = SHAPES["large-v3"]
    roofline = Roofline(dims)
    encoder, decoder = roofline.encoder(0, 0).bytes / 2, roofline.tokens(0, 0, 0, 0).bytes / 2
    crossing = roofline.memory(0, 0, 0).bytes / 2
    # 1543 million in all; positions, norms and biases are left out.
    assert (encoder + decoder + crossing) / 1e6 == pytest.approx(1540, abs=5)


def test_streams_lie_between_the_sizes_measured():
    load = Load(tokens=10)

    def measured(rows, seconds):
        return Times(rows, mel=0, encoder=seconds / 2, memory=0, prefix=0, growing=9, token=seconds / 20)

    assert streams([measured(8, MOST_BATCH_SECONDS / 2), measured(24, MOST_BATCH_SECONDS * 3 / 2)], load) == 16
    assert streams([measured(8, MOST_BATCH_SECONDS / 2)], load) == 8
    assert streams([measured(8, MOST_BATCH_SECONDS * 2)], load) == 4


def test_all_of_it_on_the_cpu(tmp_path, capsys):
    small = ["--frames", "60", "--prefix", "5", "--tokens", "4", "--streams", "1", "2", "--repeats", "1"]
    out = tmp_path / "gpu.md"
    nothing = ["--models", str(tmp_path)]
    given = ["--device", "cpu", "--shape", "test", *nothing, *small, "--bandwidth", "1", "--peak", "2"]
    assert main([*given, "--out", str(out)]) == 0
    written = out.read_text()
    for name in ("recorded tokens", "host copies per token", "memory per stream", "out of memory"):
        assert f"* ok: {name}: " in written
    assert "* not tried: encoders of base: " in written
    assert "* not tried: transcripts of base: " in written
    header, _, *rows = [line for line in written.splitlines() if line.startswith("|")]
    assert header.endswith("| batch at least |")
    assert [row.split("|")[1].strip() for row in rows] == ["1", "2"]
    # Some 25 for each of the two layers.
    assert 70 < int(re.search(r"(\d+) launches a token", written)[1]) < 110


def test_a_run_takes_no_more_tokens_than_there_is_room_for(tmp_path, capsys):
    """60 and 4 are the least room that is recorded; one more would be an assertion of CUDA's, which ends all checks."""
    small = ["--frames", "60", "--prefix", "60", "--tokens", "4", "--streams", "1", "--repeats", "1"]
    assert main(["--device", "cpu", "--shape", "test", "--models", str(tmp_path), *small]) == 0


def test_a_device_that_cannot_be_used_is_named(monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(SystemExit, match="2"):
        main(["--device", "cuda"])
    assert "CUDA_VISIBLE_DEVICES" in capsys.readouterr().err
