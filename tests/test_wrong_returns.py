"""A plugin that returns something else than its contract says is told so where it happens, in words."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from wlkd_scripted.backend import Scripted

from tests.whole_core import core, pcm, rest_before
from tests.whole_core import opened as opened_session
from wlkd import hookimpl
from wlkd.contract.components import Backend, Diarizer, Filter, FilterOptions, Options, TextFilter, Vad, VadStream
from wlkd.contract.errors import Code, ProvisionError, SessionError
from wlkd.contract.returned import WrongReturn, diarization, likelihood, opened, speech_events, targets
from wlkd.contract.types import Commit, Diarization, Frame, Pause, Turn, Word
from wlkd.daemon.starting import starting
from wlkd.inference.backlog import Step, Stream
from wlkd.inference.batch import run_batch
from wlkd.sessions.decoding import begin
from wlkd.sessions.filters import Filters
from wlkd.sessions.rendering import Rendering
from wlkd.testing import check_backend, check_decoder, check_vad, speech_like


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (None, "gave NoneType"),
        ([0.5, 0.25], "gave float"),
        (b"\0\0", "gave int"),
        (np.zeros(3, np.int16), r"gave int16 samples of shape \(3,\)"),
        (np.zeros((3, 2), np.float32), r"gave float32 samples of shape \(3, 2\)"),
    ],
)
def test_what_a_decoder_returns_by_mistake(made, told):
    def feed():
        return made

    error = begin(feed).error
    with pytest.raises(TypeError, match=told + r"; due are float32 samples of shape \(n,\), Gap or Note"):
        raise error


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (None, "gave 1 x NoneType; due is a list of 1 x Commit"),
        ([], "gave 0 x nothing; due"),
        (["hello"], "gave 1 x str; due"),
        ([Commit(), Commit()], "gave 2 x Commit; due"),
    ],
)
def test_what_a_backend_returns_by_mistake(made, told, caplog):
    stream = Stream(None, None, "live", print)
    [outcome] = run_batch(SimpleNamespace(run=lambda batch: made), [Step(stream, [], 1.0)])
    assert isinstance(outcome, SessionError) and outcome.code == "backend_failed"
    assert told in caplog.text


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (Commit((Word(" a", np.int64(0), np.int64(1)),)), "due are start and end as int"),
        (Commit((Word(" a", 0, 1, np.float32(0.5)),)), "due is a confidence as float"),
        (Commit(tentative=(Word(" a", 0, 1, np.float32(0.5)),)), "due is a confidence as float"),
        (Commit(tentative=(Word(b" a", 0, 1),)), "due are Words with a text"),
        (Commit((" a",)), "' a' among the words; due are Words"),
        (Commit(until=np.int64(1)), "due is an int"),
    ],
)
def test_what_of_a_commit_no_client_could_be_told(made, told, caplog):
    class Counting(SimpleNamespace):
        def run(self, batch):
            return [made, Commit()]

    plain = SimpleNamespace(bridges_pauses=False)
    steps = [Step(Stream(None, plain, "live", print), [], 1.0) for _ in range(2)]
    wrong, right = run_batch(Counting(), steps)
    assert isinstance(wrong, SessionError) and wrong.code == "internal"
    assert right == Commit(), "the other stream of the batch goes on"
    assert "Counting.run gave " in caplog.text and told in caplog.text


def test_an_open_without_return():
    class Forgetful(Vad):
        def open(self):
            pass

    vad = Forgetful(Options())
    with pytest.raises(TypeError, match=r"Forgetful.open\(\) returned None; due is a VadStream"):
        opened(vad, vad.open(), VadStream)


def test_a_filter_of_strings(caplog):
    class Strings(TextFilter):
        def rewrite(self, words, language):
            return "".join(word.text for word in words)

    assert "Strings.rewrite gave str; due are Words" in what_is_told_of(Strings, caplog)


@pytest.mark.parametrize(
    ("method", "made", "told"),
    [
        ("rewrite", None, "Odd.rewrite gave NoneType; due are Words"),
        ("rewrite", [Word(None, 0, 1)], "due are Words with a text"),
        ("rewrite", [Word(" one", 0.5, 1.0)], "gave a word from 0.5 to 1.0; due are start and end as int"),
        ("settled", None, "Odd.settled gave None; due is how many"),
        ("settled", -1, "Odd.settled gave -1; due is how many"),
    ],
)
def test_what_a_filter_returns_by_mistake(method, made, told, caplog):
    class Odd(TextFilter):
        def rewrite(self, words, language):
            return words

    setattr(Odd, method, lambda self, words, language: made)
    getattr(Odd, method).__name__ = method
    assert told in what_is_told_of(Odd, caplog)


def what_is_told_of(text_filter, caplog):
    """What the log says of it when a session fails by it."""

    class Of(Filter):
        def open(self, wish):
            return text_filter()

    filters = Filters({"strings": Of(FilterOptions(active=True))})
    with pytest.raises(SessionError, match="the filter strings failed"):
        Rendering("simplified", filters, {}).render(Commit((Word(" one", 0, 1, 1.0),), segment_end=True))
    return caplog.text


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (None, "gave NoneType; due is a list of Frame, with float32 samples, and Pause"),
        (0.75, "gave float; due"),
        (np.array([0.5]), "gave float64; due"),
        ([Frame(0, None)], "gave a Frame with start=0 and NoneType; due"),
        ([Frame(0, np.zeros(3, np.int16))], "gave a Frame with start=0 and int16 samples; due"),
        (
            [Frame(np.int64(0), np.zeros(3, np.float32))],
            r"start=(np.int64\()?0\)? and float32 samples",
        ),
        ([Pause(0.5)], r"gave Pause\(at=0.5.*their places are int"),
    ],
)
def test_what_a_vad_returns_by_mistake(made, told):
    def feed(frame):
        return made

    with pytest.raises(WrongReturn, match=told):
        speech_events(feed, Frame(0, np.zeros(3, np.float32)))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (None, "gave NoneType; due is a Diarization"),
        ([Turn(0, 1, 1)], "gave list; due is a Diarization"),
        (Diarization(settled=0.5), "gave settled=0.5; due is a sample index"),
        (Diarization((Turn(0.0, 1.5, 1),)), "sample indexes as start and end"),
        (Diarization(((0, 1, 1),)), r"gave \(0, 1, 1\) among the turns"),
        (Diarization((Turn(0, 1, "Ann"),)), "due are a speaker as int"),
        (Diarization((Turn(0, 1, 1, np.float32(0.5)),)), "a confidence as float"),
    ],
)
def test_what_a_diarizer_returns_by_mistake(made, told):
    def feed(events):
        return made

    with pytest.raises(WrongReturn, match=told):
        diarization(feed, [])


@pytest.mark.parametrize("made", [None, "yes", 7, -0.5, float("nan"), np.float32(0.5)])
def test_what_a_turn_detector_returns_by_mistake(made):
    def judge(samples):
        return made

    with pytest.raises(WrongReturn, match=r"judge gave .*; due is a float from 0 to 1"):
        likelihood(judge, np.zeros(3, np.float32))
    assert likelihood(lambda samples: 1, None) == 1


class Speechless(VadStream):
    """Its methods lack their `return`."""

    def feed(self, frame):
        pass

    flush = finish = feed


class OfSpeechless(Vad):
    def open(self):
        return Speechless()


class Silent(Diarizer):
    def open(self, params):
        pass


@pytest.fixture
def plugin(plug_in):
    """This module."""
    plug_in("test_wrong_returns")


@hookimpl
def wlkd_register_vads(register):
    register("speechless", OfSpeechless)


@hookimpl
def wlkd_register_diarizers(register):
    register("silent", Silent)


async def test_a_vad_without_return_is_named_in_the_journal(plugin, caplog):
    async with core({"vad": {"name": "speechless"}}) as admission, opened_session(admission) as session:
        await session.feed(pcm(0.5))
        await session.finish()
        await rest_before(Code.INTERNAL, session)
    assert "tests.test_wrong_returns.Speechless.feed gave NoneType; due is a list of Frame" in caplog.text


async def test_a_diarizer_that_opens_nothing_is_named(plugin):
    async with core({"diarizer": {"name": "silent"}}) as admission:
        with pytest.raises(WrongReturn, match=r"Silent.open\(\) returned None; due is a DiarizerStream"):
            async with opened_session(admission, query={"diarize": "true"}):
                pass


@pytest.mark.parametrize("made", [None, ["en"], {"en", 7}])
async def test_a_backend_without_languages_is_named_at_the_start(made, monkeypatch):
    monkeypatch.setattr(Scripted, "languages", lambda self: made)
    with pytest.raises(ProvisionError, match=r"Scripted\.languages\(\) raised .* due is a frozenset of language codes"):
        async with core():
            pass


@pytest.mark.parametrize("made", [None, {"en"}, {"en": "de"}, {"en": frozenset({7})}])
def test_what_a_translator_says_of_its_languages_by_mistake(made):
    def said():
        return made

    with pytest.raises(WrongReturn, match=r"said gave .*; due is a mapping of language codes, each to a frozenset"):
        targets(said)


def test_a_defect_in_a_start_is_told_with_its_place(caplog):
    class Hasty(Vad):
        def open(self):
            raise NotImplementedError

    with (
        pytest.raises(ProvisionError, match=r"Hasty.provision\(\) raised KeyError: 'licence'"),
        starting(Hasty(Options()), "provision"),
    ):
        {}["licence"]
    assert [record.exc_info is not None for record in caplog.records if record.levelno == logging.ERROR] == [True]


def test_the_checks_for_plugins_say_what_is_wrong():
    class Loud:
        def feed(self, data):
            return np.frombuffer(data, np.int16).astype(np.float32)

        def finish(self):
            return np.zeros(0, np.float32)

        def close(self):
            pass

    with pytest.raises(AssertionError, match="divide 16-bit ones by 32768"):
        check_decoder(Loud, bytes(range(256)))

    with pytest.raises(WrongReturn, match=r"Speechless\.feed gave NoneType; due is a list of Frame"):
        check_vad(Speechless, speech_like(1))

    class InSeconds(Backend):
        def languages(self):
            return frozenset({"en"})

        def open(self, params):
            return SimpleNamespace(accept=lambda frame: None, end_segment=lambda at: None)

        def run(self, batch):
            return [Commit(words=(Word(" one", 0.0, 1.0),), segment_end=True) for _ in batch]

    with pytest.raises(AssertionError, match="times are sample indexes"):
        check_backend(InSeconds(Options()), [speech_like(1)])
