"""A window's text: where it ends, whether it repeats itself, and how often another one is drawn."""

from types import SimpleNamespace
from typing import Any, cast

import ctranslate2
import numpy as np
import pytest
from wlkd_simulstreaming.beam import LOOP_SHOWS, TEMPERATURES, BeamSearch, finished, repeats_itself
from wlkd_simulstreaming.tokens import Vocabulary

from wlkd.contract.audio import samples

T = 1000
"""The first timestamp, of 0 s; the next is of 0.02 s."""


def test_a_text_repeats_itself_where_a_part_of_it_loops_or_zlib_finds_little_in_it():
    words = "the happiness which"
    assert repeats_itself([9, 8, *[1, 2, 3, 4] * 3, 7], words)
    assert repeats_itself([1, 2, 3], f"{words} ... " * 8)
    assert not repeats_itself([1, 2, 3], words)
    assert not repeats_itself([], "")


@pytest.mark.parametrize(
    ("said", "told", "rest"),
    [
        ([], [], None),
        ([T, 1, 2], [T, 1, 2], None),
        ([T, 1, T + 50], [T, 1, T + 50], None),
        ([T, 1, T + 50, T + 50], [T, 1, T + 50], 1.0),
        ([T, 1, T + 50, T + 60, 2, T + 90], [T, 1, T + 50, T + 60, 2, T + 90], None),
        ([T, 1, T + 50, T + 60, 2], [T, 1, T + 50], 1.2),
    ],
)
def test_a_text_ends_with_its_last_finished_segment(said: list[int], told: list[int], rest: float | None) -> None:
    assert finished(said, T) == (told, None if rest is None else samples(rest))


class Looping:
    """As CTranslate2's model: over what it hears, the likeliest text says `loop` again and again, as long as it may."""

    n_mels = 80

    def __init__(self, loop: list[int], then: list[int], from_temperature: float) -> None:
        self._loop = loop
        self._then = then
        self._from_temperature = from_temperature
        self.tokens = 0

    def generate(
        self, features: object, prompts: list[list[int]], *, max_length: int, sampling_temperature: float = 0, **_: Any
    ) -> list[Any]:
        most = min(max_length // 2, max_length - len(prompts[0]))
        told = self._then if sampling_temperature >= self._from_temperature else self._loop * most
        said = told[:most]
        self.tokens += len(said)
        return [SimpleNamespace(sequences_ids=[said], scores=[-0.2], no_speech_prob=0.5)]


@pytest.mark.parametrize("before", [3, 226])
def test_loops_at_one_temperature_after_the_other_are_not_drawn_to_their_ends(
    vocabulary: Vocabulary, before: int
) -> None:
    model = Looping([101, 102, 103], [], from_temperature=2)
    search = BeamSearch(cast(ctranslate2.models.Whisper, model), vocabulary)
    [text] = search.decode(np.zeros((1, 2, 2), np.float32), [[1] * before])
    assert text.repeats and len(text.tokens) > 200, "the first one, as there is nothing better"
    assert model.tokens == len(text.tokens) + len(TEMPERATURES) * LOOP_SHOWS


@pytest.mark.parametrize("length", [10, LOOP_SHOWS, 120])
def test_a_text_that_is_no_loop_is_drawn_to_its_end(vocabulary: Vocabulary, length: int) -> None:
    random = np.random.default_rng(0)
    model = Looping([101, 102, 103], said := random.integers(50, 200, length).tolist(), from_temperature=0.4)
    search = BeamSearch(cast(ctranslate2.models.Whisper, model), vocabulary)
    [text] = search.decode(np.zeros((1, 2, 2), np.float32), [[1] * 3])
    assert list(text.tokens) == said and text.makes_sense
