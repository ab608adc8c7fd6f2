"""A plugin that returns something else than its contract says is told so where it happens, in words."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from wlkd.contract.components import Backend, Filter, FilterOptions, Options, TextFilter, Vad, VadStream
from wlkd.contract.errors import ProvisionError, SessionError
from wlkd.contract.opened import opened
from wlkd.contract.types import Commit, Word
from wlkd.daemon.starting import starting
from wlkd.inference.backlog import Step, Stream
from wlkd.inference.batch import run_batch
from wlkd.sessions.decoding import begin
from wlkd.sessions.filters import Filters
from wlkd.sessions.rendering import Rendering
from wlkd.testing import check_backend, check_decoder, speech_like


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

    class OfStrings(Filter):
        def open(self, wish):
            return Strings()

    filters = Filters({"strings": OfStrings(FilterOptions(active=True))})
    with pytest.raises(SessionError, match="the filter strings failed"):
        Rendering("simplified", filters, {}).render(Commit((Word(" one", 0, 1, 1.0),), segment_end=True))
    assert "Strings.rewrite gave str; due are Words" in caplog.text


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

    class InSeconds(Backend):
        def languages(self):
            return frozenset({"en"})

        def open(self, params):
            return SimpleNamespace(accept=lambda frame: None, end_segment=lambda at: None)

        def run(self, batch):
            return [Commit(words=(Word(" one", 0.0, 1.0),), segment_end=True) for _ in batch]

    with pytest.raises(AssertionError, match="times are sample indexes"):
        check_backend(InSeconds(Options()), [speech_like(1)])
