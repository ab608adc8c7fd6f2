"""Words whose capital or whose mark before them is in doubt. No model, or one of small random weights."""

import dataclasses

import pytest
import torch
from prometheus_client import CollectorRegistry
from wlkd_simulstreaming.crew import Crew
from wlkd_simulstreaming.decoder import TextDecoder
from wlkd_simulstreaming.encoder import TorchEncoder
from wlkd_simulstreaming.guards import Guard
from wlkd_simulstreaming.inference import Inference
from wlkd_simulstreaming.layers import FloatLinear
from wlkd_simulstreaming.mel import LogMel
from wlkd_simulstreaming.metrics import Metrics

from .talk import hypothesis, texts


def in_doubt(vocabulary, instead, place=0):
    """Three words; the model would say the token `instead` nearly as likely at `place` of the second."""
    heard = hypothesis(vocabulary, (" one", 20), (" two", 110), (" three", 140))
    choices, at = list(heard.choices), len(vocabulary.encode(" one")) + place
    choices[at] = choices[at]._replace(logprob=-0.7, runner_up=(vocabulary.encode(instead)[0], -0.72))
    return dataclasses.replace(heard, choices=tuple(choices))


@pytest.mark.parametrize("instead", [" T", ",", ".", "?"])
def test_another_spelling_is_no_reason_to_wait(talk, vocabulary, instead):
    commit = talk.conclude(talk.hear(3), in_doubt(vocabulary, instead))
    assert texts(commit.words) == [" one", " two"]


@pytest.mark.parametrize(("instead", "place"), [(" th", 0), ("a", 0), (",", 1), ("T", 1)])
def test_another_word_is(talk, vocabulary, instead, place):
    commit = talk.conclude(talk.hear(3), in_doubt(vocabulary, instead, place))
    assert texts(commit.words) == [" one"]


@pytest.mark.parametrize(
    ("instead", "read"), [(" T", " one Two"), (",", " one, two"), (" th", " one two"), ("a", " one two")]
)
def test_the_model_reads_a_committed_word_as_it_would_spell_it_by_now(talk, vocabulary, instead, read):
    talk.conclude(talk.hear(3), in_doubt(vocabulary, " T"))
    place = len(vocabulary.encode(" one"))
    assert talk.request().open == (place,)
    heard = hypothesis(vocabulary, (" three", 140), (" four", 180))
    step = talk.hear(1)
    commit = talk.conclude(step, dataclasses.replace(heard, instead={place: vocabulary.encode(instead)[0]}))
    assert texts(commit.words) == [" three"], "the reader has the word"
    told = talk.request()
    assert vocabulary.text(told.prefix[-told.told :]) == f"{read} three"


def test_a_mark_and_then_a_capital(talk, vocabulary):
    talk.conclude(talk.hear(3), in_doubt(vocabulary, "."))
    for instead in (".", " T"):
        [place] = talk.request().open
        talk.conclude(talk.hear(0.2), hypothesis(vocabulary, (" three", 140)))
        again = dataclasses.replace(
            hypothesis(vocabulary, (" three", 140)), instead={place: vocabulary.encode(instead)[0]}
        )
        talk.conclude(talk.hear(0.2), again)
    assert vocabulary.text(talk.request().prefix).endswith(" one. Two")


def test_a_word_that_the_model_is_sure_of_stays_as_it_is(talk):
    talk.step(3, (" one", 20), (" two", 90), (" three", 140))
    assert talk.request().open == ()


class Scripted:
    """Decodes requests to `answers`, a batch after the other."""

    def __init__(self, *answers):
        self.asked, self._answers = [], list(answers)

    def decode(self, memory, requests):
        self.asked.append(requests)
        return self._answers.pop(0)


def test_without_context_the_model_is_not_asked_for_a_spelling(talk, vocabulary, dims, weights):
    """It would often spell the first word of a window otherwise: as the first of a sentence, or of none."""
    talk.conclude(talk.hear(3), in_doubt(vocabulary, " T"))
    [place] = talk.request().open
    wrong = hypothesis(vocabulary, (" three", 140), ended=False, guards=[Guard.REWIND])
    wrong = dataclasses.replace(wrong, instead={place: ord(",")})
    decoding = Scripted([wrong], [hypothesis(vocabulary, (" three", 140), (" four", 160))])
    cpu, options, metrics = torch.device("cpu"), talk.stream.brief.options, Metrics(CollectorRegistry())
    encoder = TorchEncoder(dims, weights, cpu, torch.float32, FloatLinear)
    decoder = TextDecoder(dims, weights, [(1, 0)], cpu, torch.float32, FloatLinear)
    mel = LogMel(dims.n_mels)
    inference = Inference(options, mel, encoder, None, decoder, decoding, metrics, Crew(1), torch.get_num_threads())
    [heard] = inference.hear([talk.hear(1, pause=True)])
    assert texts(talk.conclude(heard.step, heard.hypothesis).words) == [" three", " four"]
    assert [request.open for [request] in decoding.asked] == [(place,), ()]
    told = talk.request()
    assert vocabulary.text(told.prefix[-told.told :]) == " one, two three four"
