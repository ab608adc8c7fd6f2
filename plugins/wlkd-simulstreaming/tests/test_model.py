"""The real base model on real speech."""

import asyncio
import difflib
import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from wlkd_simulstreaming.backend import SimulStreaming
from wlkd_simulstreaming.beam import BeamSearch
from wlkd_simulstreaming.checkpoint import load_checkpoint
from wlkd_simulstreaming.crew import Crew
from wlkd_simulstreaming.encoder import STRIDE, CTranslate2Encoder, TorchEncoder
from wlkd_simulstreaming.layers import FloatLinear, Int8Linear
from wlkd_simulstreaming.mel import MAX_MEL_FRAMES, LogMel
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.padded import BEHIND, PaddedEncoder
from wlkd_whisper.folder import decoder_file

from wlkd import Context, Frame, Pause, ProvisionError, RecognitionParams, SessionError, StepPlan
from wlkd.config.options import WorkerOptions
from wlkd.host.cpu import cores
from wlkd.inference.capacity import listeners, speak_to
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics

pytestmark = pytest.mark.model
SECOND = 16000


def provisioned(models_dir, registry, **options):
    backend = SimulStreaming(SimulStreamingOptions(device="cpu", **options))
    asyncio.run(backend.provision(Context(models_dir, registry, lambda words: None)))
    return backend


def changed(models_dir, folder, **settings):
    """A models folder with base, whose encoder's `config.json` has other `settings`."""
    (folder / "pytorch-whisper-base").symlink_to(models_dir.resolve() / "pytorch-whisper-base")
    encoder = folder / "faster-whisper-base"
    encoder.mkdir()
    for file in (models_dir.resolve() / encoder.name).iterdir():
        (encoder / file.name).symlink_to(file)
    config = json.loads((encoder / "config.json").read_text()) | settings
    (encoder / "config.json").unlink()
    (encoder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.usefixtures("one_thread")
def test_each_thread_computes_on_as_many_as_its_own_model_wants(backend):
    """Another engine, of a larger model, may have been loaded in between."""
    torch.set_num_threads(2)
    with ThreadPoolExecutor(1) as inference:
        inference.submit(backend.warm_up).result()
        assert inference.submit(torch.get_num_threads).result() == 1


def test_a_fine_tuned_model_may_come_without_suppressed_tokens(models_dir, tmp_path):
    folder = changed(models_dir, tmp_path, suppress_ids=None, suppress_ids_begin=None)
    backend = provisioned(folder, CollectorRegistry())
    backend.warm_up()
    asyncio.run(backend.close())


def test_a_model_without_alignment_heads_is_refused(models_dir, tmp_path):
    with pytest.raises(ProvisionError, match="alignment_heads"):
        provisioned(changed(models_dir, tmp_path, alignment_heads=[]), CollectorRegistry())


@pytest.fixture(scope="module")
def registry():
    """Of the metrics of `backend`."""
    return CollectorRegistry()


@pytest.fixture(scope="module")
def backend(models_dir, registry):
    backend = provisioned(models_dir, registry)
    yield backend
    asyncio.run(backend.close())


@pytest.fixture(scope="module")
def speech(manifest, speech_dir):
    """Reads clips: (manifest row, samples)."""

    def read(name, *places):
        rows = [row for row in manifest if row["set"] == name]
        return [(rows[place], soundfile.read(speech_dir / rows[place]["path"], dtype="float32")[0]) for place in places]

    return read


def stream(backend, audio, params=None, pieces=None, spare=0.6):
    """The commits of one recording, cut into `pieces` (sizes in samples, repeated)."""
    recognizer = backend.open(params or RecognitionParams(language="en"))
    at, commits, sizes = 0, [], itertools.cycle(pieces or [SECOND])
    while at < len(audio):
        end = min(at + next(sizes), len(audio))
        recognizer.accept(Frame(at, audio[at:end]))
        if end == len(audio):
            recognizer.end_segment(end)
        commits += backend.run([StepPlan(recognizer, spare)])
        at = end
    return commits


def text(commits):
    return "".join(word.text for commit in commits for word in commit.words)


def plain(words):
    return "".join(letter for letter in words.lower() if letter.isalnum() or letter == " ").split()


def test_speech_becomes_its_words(backend, speech):
    import jiwer

    clips = speech("en_librispeech_test_clean", 0, 1, 3, 7)
    reference = [" ".join(plain(row["text"])) for row, _ in clips]
    heard = [" ".join(plain(text(stream(backend, audio)))) for _, audio in clips]
    assert jiwer.wer(reference, heard) < 0.12


def test_words_are_timed_within_the_audio_and_settled_as_they_come(backend, speech):
    [(row, audio)] = speech("en_librispeech_test_clean", 0)
    commits = stream(backend, audio)
    words = [word for commit in commits for word in commit.words]
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0 and times[-1] <= len(audio)
    assert all(0 < word.confidence <= 1 for word in words)
    assert [commit.until for commit in commits] == sorted(commit.until for commit in commits)
    assert commits[-1].until == len(audio)
    spoken, said = plain(row["text"]), ["".join(plain(word.text)) for word in words]
    errors = [
        abs(row["word_ends"][block.a + step] - words[block.b + step].end / SECOND)
        for block in difflib.SequenceMatcher(None, spoken, said, autojunk=False).get_matching_blocks()
        for step in range(block.size)
    ]
    assert len(errors) > 0.8 * len(spoken)
    assert np.median(errors) < 0.3


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.integers(SECOND // 4, 2 * SECOND), min_size=1, max_size=4), pause=st.booleans())
def test_however_audio_is_cut_nothing_committed_is_lost_or_repeated(backend, speech, pieces, pause):
    import jiwer

    [(row, audio)] = speech("en_librispeech_test_clean", 3)
    if pause:
        audio = np.concatenate([audio, np.zeros(SECOND // 2, np.float32)])
    commits = stream(backend, audio, pieces=pieces)
    until = [commit.until for commit in commits]
    assert until == sorted(until)
    assert jiwer.wer(" ".join(plain(row["text"])), " ".join(plain(text(commits)))) < 0.3


def test_a_batch_says_what_its_streams_say_alone(backend, speech):
    clips = [audio for _, audio in speech("en_librispeech_test_clean", 0, 3, 7)]
    alone = [text(stream(backend, audio)) for audio in clips]
    recognizers = [backend.open(RecognitionParams(language="en")) for _ in clips]
    together = [""] * len(clips)
    for at in range(0, max(map(len, clips)), SECOND):
        batch = [index for index, audio in enumerate(clips) if at < len(audio)]
        for index in batch:
            recognizers[index].accept(Frame(at, clips[index][at : at + SECOND]))
            if at + SECOND >= len(clips[index]):
                recognizers[index].end_segment(len(clips[index]))
        for index, commit in zip(batch, backend.run([StepPlan(recognizers[i], 0.6) for i in batch]), strict=True):
            together[index] += text([commit])
    assert together == alone


def test_two_steps_at_once_say_what_they_say_one_after_the_other(backend, speech):
    assert backend.concurrency == (2 if cores() > 1 else 1)
    clips = [audio for _, audio in speech("en_librispeech_test_clean", 0, 3)]
    one_by_one = [text(stream(backend, audio)) for audio in clips]
    with ThreadPoolExecutor(2) as threads:
        at_once = [text(commits) for commits in threads.map(lambda audio: stream(backend, audio), clips)]
    assert at_once == one_by_one


def encoded(backend, registry, audio, rows, spare, upload=False):
    """Seconds sent through the encoder for each of `rows` streams of `audio`."""
    recognizers = [backend.open(RecognitionParams(language="en")) for _ in range(rows)]
    for recognizer in recognizers:
        recognizer.accept(Frame(0, audio))
    before = registry.get_sample_value("wlkd_simulstreaming_encoded_audio_seconds_total")
    backend.run([StepPlan(recognizer, spare, upload) for recognizer in recognizers])
    return (registry.get_sample_value("wlkd_simulstreaming_encoded_audio_seconds_total") - before) / rows


def test_with_time_to_spare_a_batch_is_encoded_at_length(models_dir, speech):
    registry = CollectorRegistry()
    backend = provisioned(models_dir, registry, encoder="torch")
    audio = speech("en_librispeech_test_clean", 0)[0][1][: 2 * SECOND]
    assert [encoded(backend, registry, audio, rows, spare=1) for rows in (1, 2, 3, 8)] == [15, 8, 5, 3]
    assert [encoded(backend, registry, audio, 1, spare) for spare in (0.95, 0.875, 0.8, 0)] == [15, 8, 3, 3]
    assert encoded(backend, registry, audio, 1, spare=1, upload=True) == 3


def test_with_time_to_spare_a_cpu_hears_windows_as_if_30_seconds_long(backend, registry, speech):
    import jiwer

    clips = speech("en_librispeech_test_clean", 0, 3)
    audio = clips[0][1][: 2 * SECOND]
    assert [encoded(backend, registry, audio, rows, spare=0.8) for rows in (1, 8)] == [2.5, 2.5]
    assert encoded(backend, registry, audio, 1, spare=0.79) == 3
    assert encoded(backend, registry, audio[: SECOND // 5], 1, spare=1) == 1, "the decoder's silence begins there"
    assert encoded(backend, registry, audio, 1, spare=1, upload=True) == 3
    reference = [" ".join(plain(row["text"])) for row, _ in clips]
    heard = [" ".join(plain(text(stream(backend, audio, pieces=[SECOND // 2], spare=1.0)))) for _, audio in clips]
    assert jiwer.wer(reference, heard) < 0.12


@pytest.mark.parametrize(("options", "seconds"), [({"min_encoded_seconds": 0}, 3), ({"encode": "full"}, 30)])
def test_time_to_spare_changes_nothing_where_windows_are_not_to_be_encoded_at_length(
    models_dir, speech, options, seconds
):
    registry = CollectorRegistry()
    backend = provisioned(models_dir, registry, **options)
    audio = speech("en_librispeech_test_clean", 0)[0][1][: 2 * SECOND]
    assert [encoded(backend, registry, audio, 1, spare) for spare in (1, 0)] == [seconds, seconds]


@pytest.mark.parametrize(("make_linear", "off"), [(FloatLinear, 0.1), (Int8Linear, 0.15)], ids=["float32", "int8"])
def test_real_speech_is_encoded_nearly_as_on_30_seconds(models_dir, speech, make_linear, off):
    checkpoint = load_checkpoint(decoder_file(models_dir, "base"))
    exact, own = (
        TorchEncoder(checkpoint.dims, checkpoint.weights, torch.device("cpu"), torch.float32, make)
        for make in (FloatLinear, make_linear)
    )
    mel = LogMel(checkpoint.dims.n_mels)
    encode = torch.inference_mode()(PaddedEncoder(own, mel, Crew(1)))
    [(_, audio)] = speech("en_librispeech_test_clean", 0)
    for frames in (50, 100, 250, 350):
        heard = audio[: frames * 320]
        expected = exact(mel(heard, MAX_MEL_FRAMES)[None])[0, :frames]

        def wrong(states, expected=expected):
            return (states[0, : len(expected)] - expected).norm() / expected.norm()

        short = mel(heard, STRIDE * (frames + BEHIND))[None]
        assert wrong(encode(short)) < off < wrong(exact(short))


def test_doubtful_words_get_a_second_opinion_and_in_a_full_house_the_very_doubtful(backend, registry, speech):
    [(_, audio)] = speech("en_librispeech_test_other", 1)

    def asked():
        name = "wlkd_simulstreaming_second_opinions_total"
        return sum(registry.get_sample_value(name, {"outcome": it}) or 0 for it in ("kept", "changed"))

    def opinions(spare):
        before = asked()
        stream(backend, audio, RecognitionParams(language="en"), [SECOND // 2], spare)
        return asked() - before

    assert 0 < opinions(spare=0.6) < opinions(spare=0.74)


def test_a_batch_that_fails_changes_no_stream(backend, speech, monkeypatch):
    [(_, audio)] = speech("en_librispeech_test_clean", 0)
    good, bad = backend.open(RecognitionParams(language="en")), backend.open(RecognitionParams(language="en"))
    good.accept(Frame(0, audio[: 3 * SECOND]))
    bad.accept(Frame(0, np.zeros((3, 2), np.float32)))
    with pytest.raises(ValueError, match="dimension"):
        backend.run([StepPlan(good), StepPlan(bad)])
    [commit] = backend.run([StepPlan(good)])
    fresh = backend.open(RecognitionParams(language="en"))
    fresh.accept(Frame(0, audio[: 3 * SECOND]))
    assert backend.run([StepPlan(fresh)]) == [commit]


def test_chinese_comes_in_whole_characters(backend, speech):
    for _, audio in speech("zh_aishell", 0, 1):
        commits = stream(backend, audio, RecognitionParams(language="zh"), [SECOND // 2])
        shown = [word.text for commit in commits for word in (*commit.words, *commit.tentative)]
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text(commits))
        assert not any("\ufffd" in word for word in shown)


@pytest.mark.parametrize(
    ("name", "language"),
    [("de_rhasspy", "de"), ("fr_asterisk_prompts", "fr"), ("es_asterisk_prompts", "es"), ("zh_aishell", "zh")],
)
def test_the_language_is_heard_and_kept(backend, speech, manifest, name, language):
    rows = [row for row in manifest if row["set"] == name]
    longest = max(range(len(rows)), key=lambda place: rows[place]["seconds"])
    [(_, audio)] = speech(name, longest)
    commits = stream(backend, audio, RecognitionParams())
    assert commits[-1].language == language
    assert len({commit.language for commit in commits if commit.language}) == 1


def test_only_allowed_languages_are_heard(backend, speech):
    [(_, audio)] = speech("de_rhasspy", 3)
    assert stream(backend, audio, RecognitionParams(languages=("en", "fr")))[-1].language in ("en", "fr")


def test_where_nobody_speaks_nothing_is_said(backend, speech):
    for row, audio in speech("nospeech", 0, 1, 2, 3, 4):
        assert text(stream(backend, audio[: 6 * SECOND])) == "", row["id"]


def test_both_encoders_agree(backend, speech, models_dir):
    clips = speech("en_librispeech_test_clean", 3)
    other = provisioned(models_dir, CollectorRegistry(), encoder="torch")
    for _, audio in clips:
        assert plain(text(stream(other, audio))) == plain(text(stream(backend, audio)))


def test_the_encoders_states_are_equal_within_int8(models_dir, speech):
    import ctranslate2

    cpu = torch.device("cpu")
    checkpoint = load_checkpoint(models_dir / "pytorch-whisper-base" / "base.pt")
    ours = TorchEncoder(checkpoint.dims, checkpoint.weights, cpu, torch.float32, FloatLinear)
    [(_, audio)] = speech("en_librispeech_test_clean", 0)
    mel = LogMel(80)(audio, 600)[None]
    reference = ours(mel)
    for compute_type, tolerance in (("float32", 5e-3), ("int8", 0.12)):
        model = ctranslate2.models.Whisper(str(models_dir / "faster-whisper-base"), compute_type=compute_type)
        theirs = CTranslate2Encoder(model, cpu, torch.float32)(mel)
        assert (theirs - reference).norm() / reference.norm() < tolerance
    small = TorchEncoder(checkpoint.dims, checkpoint.weights, cpu, torch.float32, Int8Linear)
    assert (small(mel) - reference).norm() / reference.norm() < 0.12


def test_the_encoder_alone_says_what_the_whole_model_does(models_dir, speech):
    """And batches are encoded row by row."""
    import ctranslate2
    from wlkd_whisper.encoder_alone import encoder_alone

    folder, cpu = models_dir / "faster-whisper-base", torch.device("cpu")
    clips = [audio for _, audio in speech("en_librispeech_test_clean", 3)]
    mel = torch.stack([LogMel(80)(audio, 600) for audio in clips])
    with encoder_alone(folder) as place:
        alone = ctranslate2.models.Whisper(str(place), compute_type="int8")
    whole = ctranslate2.models.Whisper(str(folder), compute_type="int8")
    states = CTranslate2Encoder(whole, cpu, torch.float32, threads=6)(mel)
    assert torch.equal(CTranslate2Encoder(alone, cpu, torch.float32, threads=1)(mel), states)


def test_what_the_model_cannot_do_is_refused(backend):
    with pytest.raises(SessionError, match="language xx"):
        backend.open(RecognitionParams(language="xx"))
    with pytest.raises(SessionError, match="tokens"):
        backend.open(RecognitionParams(static_prompt="word " * 400))
    assert {"en", "de", "zh"} <= backend.languages()


def test_test_speech_shows_whether_uploads_can_be_heard(models_dir, monkeypatch):
    backend = provisioned(models_dir, CollectorRegistry(), model="base")

    def hear_test_speech(priority):
        batch = listeners(backend, 1, priority)
        speak_to(batch)
        backend.run(batch)

    hear_test_speech("upload")

    def search(self, states, prompts):
        raise RuntimeError("a device that is gone")

    monkeypatch.setattr(BeamSearch, "search", search)
    with pytest.raises(RuntimeError, match="a device that is gone"):
        hear_test_speech("upload")
    hear_test_speech("live")


async def test_each_stretch_of_a_file_may_be_in_another_language(backend, speech):
    clips = [*speech("zh_aishell", 3), *speech("en_librispeech_test_clean", 0), *speech("zh_aishell", 5)]
    worker = Worker(backend, WorkerOptions(), Metrics())
    await worker.start(warm_up=False)
    outcomes, at = [], 0
    upload = worker.open(RecognitionParams(priority="upload", language_scope="segment"), outcomes.append)
    for _, audio in clips:
        upload.push(Frame(at, audio))
        upload.push(Pause(at + len(audio), over=False))
        at += len(audio) + 2 * SECOND
    await upload.drained()
    upload.close()
    await worker.close()
    said = [commit.language for commit in outcomes if commit.words]
    assert [language for language, _ in itertools.groupby(said)] == ["zh", "en", "zh"]
