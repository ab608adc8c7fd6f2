"""What a file wants heard, step by step."""

from wlkd_simulstreaming.brief import first_state, make_brief
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.tokens import Vocabulary
from wlkd_simulstreaming.upload import Upload
from wlkd_whisper.dims import WhisperDims

from wlkd import RecognitionParams, Word
from wlkd.contract.audio import SAMPLE_RATE, samples

from .uploading import speech

OPENING = (257,)
"""" th" in the vocabulary of these tests."""


def heard(upload: Upload) -> list[float]:
    """Lengths of the windows of a step, which is then over."""
    step = upload.plan()
    upload.adopt(step.state)
    return [len(piece) / SAMPLE_RATE for piece in step.pieces]


def test_pauses_end_stretches_and_what_goes_on_is_held(upload: Upload) -> None:
    upload.accept(speech(0, 3))
    upload.accept(speech(3, 1))
    upload.end_segment(samples(4))
    upload.accept(speech(5, 2))
    assert heard(upload) == [4.0]
    assert heard(upload) == []
    upload.end_segment(samples(7))
    assert heard(upload) == [2.0]


def test_speech_without_a_pause_is_heard_before_its_end(upload: Upload) -> None:
    upload.accept(speech(0, 40))
    step = upload.plan()
    assert len(step.pieces) == 1 and step.state.until == len(step.pieces[0])
    upload.adopt(step.state)
    upload.end_segment(samples(40))
    assert upload.plan().state.until == samples(40)


def test_the_initial_prompt_stands_before_the_first_words_only(upload: Upload) -> None:
    upload.accept(speech(0, 3))
    assert upload.plan().opening == ()
    upload.end_segment(samples(3))
    assert upload.plan().opening == OPENING
    upload.adopt(upload.plan().state)
    upload.accept(speech(4, 3))
    upload.end_segment(samples(7))
    assert upload.plan().opening == ()


def test_a_plan_changes_nothing(upload: Upload) -> None:
    upload.accept(speech(0, 3))
    upload.end_segment(samples(3))
    first, second = upload.plan(), upload.plan()
    assert len(first.pieces) == len(second.pieces) == 1
    assert first.state == second.state


def test_words_committed_elsewhere_are_not_heard_again(vocabulary: Vocabulary, dims: WhisperDims) -> None:
    told = (Word(" th", samples(1), samples(2)), Word(" th", samples(2), samples(3)))
    params = RecognitionParams(priority="upload", told=told)
    brief = make_brief(SimulStreamingOptions(), vocabulary, dims, params, None)
    upload = Upload(brief, first_state(brief, params))
    for start in range(0, 8, 2):
        upload.accept(speech(start, 2))
    upload.end_segment(samples(8))
    [piece] = upload.plan().pieces
    assert (piece.session_index(0), piece.end) == (samples(3), samples(8))


def test_a_click_is_not_worth_hearing(upload: Upload) -> None:
    upload.accept(speech(0, 0.05))
    upload.end_segment(samples(0.05))
    assert heard(upload) == []
