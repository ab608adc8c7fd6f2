"""Whole windows heard as Whisper was trained to: 30 s at once, beam search, another try where the text makes no
sense, word times by alignment. All of it on CTranslate2, from the file that the encoder of live streams is from.

The tests of a text and their thresholds are those of Radford et al. 2022, section 4.5.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import ctranslate2
import numpy as np
import torch
from numpy.typing import NDArray

from wlkd import Samples
from wlkd.contract.audio import samples
from wlkd_simulstreaming.guards import loops
from wlkd_simulstreaming.mel import HOP_SAMPLES, MAX_MEL_FRAMES, LogMel
from wlkd_simulstreaming.tokens import Vocabulary

BEAM = 5
ROWS = 4
"""Windows in one call of the decoder."""
PADDING = samples(3.0)
"""Silence behind a window's speech that an alignment sees."""
LEAST_FRAMES = 4
"""Of the spectrogram, in an alignment: in fewer, CTranslate2 puts words before the audio, or nowhere."""
TIMESTAMP_SAMPLES = samples(0.02)
LONGEST_TEXT = 448
"""Tokens with the prompt, Whisper's limit."""
LEAST_LOGPROB = -1.0
"""Mean over the tokens; below, the text is a guess."""
MOST_COMPRESSION = 2.4
"""Length over zlib's; above, the text repeats itself."""
NO_SPEECH = 0.6
"""Probability of `<|nospeech|>` from which on a text that is a guess is none."""
TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Of further tries, one after the other."""
SAMPLES_TAKEN = 5
"""Texts drawn in each further try, of which the likeliest counts."""
LOOP_SHOWS = 64
"""Tokens that tell a loop from speech, of which a full window has some 120. Noise makes loops of the longest text at
one temperature after the other: 30 s of vowels without meaning took base 21 s of one processor, and now take 11 s."""


@dataclass(frozen=True)
class Text:
    """What was heard in a window."""

    tokens: tuple[int, ...]
    """Without timestamps and other special tokens."""
    logprob: float
    """Mean over the tokens and the end."""
    repeats: bool
    """It says the same again and again."""
    no_speech: float
    rest: int | None = None
    """Sample offset in the window from which on it has to be heard again; None: the text tells all of it."""
    is_cut: bool = False
    """It has as many tokens as it might have, and probably goes on."""

    @property
    def is_guess(self) -> bool:
        return self.logprob < LEAST_LOGPROB

    @property
    def is_silence(self) -> bool:
        """Nobody speaks, and the text is made up."""
        return self.no_speech > NO_SPEECH and self.is_guess

    @property
    def makes_sense(self) -> bool:
        return self.is_silence or not (self.is_guess or self.repeats)


@dataclass(frozen=True)
class Timed:
    """A token in time."""

    start: int
    """Sample offset in the window."""
    end: int
    probability: float


States = NDArray[np.float32]
"""Encoded windows: (rows, frames, width)."""


class BeamSearch:
    """Blocking; one call at a time."""

    def __init__(self, model: ctranslate2.models.Whisper, vocabulary: Vocabulary) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._mel = LogMel(model.n_mels)

    def encode(self, windows: Sequence[Samples]) -> States:
        """Each of at most 30 s. All are encoded at that length: shorter encodings make errors in short windows."""
        # One by one: the attention over 30 s takes 72 MB for each of them, and together they are no sooner done.
        return np.concatenate([self._encode(self._mel(window, MAX_MEL_FRAMES)[None]) for window in windows])

    def _encode(self, mel: torch.Tensor) -> States:
        states = self._model.encode(_view(mel.numpy()), to_cpu=True)
        return np.array(states.to(ctranslate2.DataType.float32))

    def languages(self, states: States) -> list[dict[str, float]]:
        """For each row, the probability of each language by its code."""
        found = self._model.detect_language(_view(states))
        return [{token[2:-2]: probability for token, probability in row} for row in found]

    def decode(self, states: States, prompts: Sequence[Sequence[int]]) -> list[Text]:
        """The text of each row after its prompt, which ends with the start sequence; another try where it makes no
        sense."""
        return [
            text if text.makes_sense else self._try_on(text, states[row : row + 1], prompts[row])
            for row, text in enumerate(self.search(states, prompts))
        ]

    def search(self, states: States, prompts: Sequence[Sequence[int]]) -> list[Text]:
        """The same, whether it makes sense or not."""
        texts: dict[int, Text] = {}
        # CTranslate2 wants the start sequence at one place in all rows.
        for length in {len(prompt) for prompt in prompts}:
            same = [row for row, prompt in enumerate(prompts) if len(prompt) == length]
            for first in range(0, len(same), ROWS):
                rows = same[first : first + ROWS]
                found = self._generate(states[rows], [prompts[row] for row in rows], beam_size=BEAM)
                texts.update(zip(rows, found, strict=True))
        return [text for _, text in sorted(texts.items())]

    def _try_on(self, first: Text, states: States, prompt: Sequence[int]) -> Text:
        """Something that makes more sense than `first`; else the likeliest of all that does not repeat itself."""
        tried = [first]
        for temperature in TEMPERATURES:
            text = self._draw(states, prompt, temperature, LOOP_SHOWS if first.repeats else LONGEST_TEXT)
            if first.repeats and text.is_cut and not text.is_silence:
                if text.repeats:
                    continue  # It would only repeat itself longer.
                text = self._draw(states, prompt, temperature, LONGEST_TEXT)
            if text.makes_sense:
                return text
            tried.append(text)
        plain = [text for text in tried if not text.repeats]
        return max(plain or tried, key=lambda text: text.logprob)

    def _draw(self, states: States, prompt: Sequence[int], temperature: float, most: int) -> Text:
        [text] = self._generate(
            states,
            [prompt],
            most,
            beam_size=1,
            num_hypotheses=SAMPLES_TAKEN,
            sampling_topk=0,
            sampling_temperature=temperature,
        )
        return text

    def _generate(
        self, states: States, prompts: Sequence[Sequence[int]], most: int = LONGEST_TEXT, **search: float
    ) -> list[Text]:
        """Texts of up to `most` tokens after `prompts` of equal length."""
        before = len(prompts[0])
        # CTranslate2 draws at most half of its limit, and what the prompt leaves of it.
        longest = min(max(2 * most, before + most), LONGEST_TEXT)
        most = min(longest // 2, longest - before)
        results = self._model.generate(
            _view(states),
            [list(prompt) for prompt in prompts],
            max_length=longest,
            return_scores=True,
            return_no_speech_prob=True,
            **search,
        )
        return [self._text(result, most) for result in results]

    def _text(self, result: ctranslate2.models.WhisperGenerationResult, most: int) -> Text:
        said = result.sequences_ids[0]
        told, rest = finished(said, self._vocabulary.no_timestamps + 1)
        tokens = tuple(token for token in told if token < self._vocabulary.eot)
        # The score is the mean over the tokens without the end, whose probability is in the sum.
        logprob = result.scores[0] * len(said) / (len(said) + 1)
        repeats = repeats_itself(tokens, self._vocabulary.text(tokens))
        return Text(tokens, logprob, repeats, result.no_speech_prob, rest, is_cut=len(said) >= most)

    def align(self, states: States, start: Sequence[int], tokens: Sequence[int], length: int) -> list[Timed]:
        """When each of `tokens` is said in a window of `length` samples; `states`: (1, frames, width), `start`: the
        start sequence."""
        frames = min(max(-(-length // HOP_SAMPLES), LEAST_FRAMES), MAX_MEL_FRAMES)
        heard = states[:, : frames // 2 + PADDING // (2 * HOP_SAMPLES)]
        [found] = self._model.align(_view(heard), list(start), [list(tokens)], [frames])
        begins: dict[int, int] = {}
        for token, frame in found.alignments:
            begins.setdefault(token, frame)
        per_frame = 2 * HOP_SAMPLES
        places = [min(begins[token] * per_frame, length) for token in range(len(tokens))]
        places.append(min(begins.get(len(tokens), frames) * per_frame, length))
        return [Timed(places[token], places[token + 1], found.text_token_probs[token]) for token in range(len(tokens))]


def finished(said: Sequence[int], first_timestamp: int) -> tuple[Sequence[int], int | None]:
    """The part of a text that ends with a finished segment, and the sample offset at which the next one begins, None if
    there is no other.

    Whisper closes each segment with a timestamp and opens the next with another. It was trained on recordings cut every
    30 s, so it ends with an opening one where the speech goes on beyond what it can tell (Radford et al. 2022, section
    2.3); long texts are cut off without any.
    """
    stamps = [token >= first_timestamp for token in said]
    if stamps[-2:] in ([True], [False, True]):
        return said, None
    for place in range(len(said) - 1, 0, -1):
        if stamps[place - 1] and stamps[place]:
            return said[:place], (said[place] - first_timestamp) * TIMESTAMP_SAMPLES
    return said, None


def repeats_itself(tokens: Sequence[int], text: str) -> bool:
    """Whether `tokens`, in letters `text`, say the same again and again. zlib finds what is not quite the same, but it
    does not notice eight times the same four words among the rest of a window."""
    data = text.strip().encode()
    return loops(tokens) or (bool(data) and len(data) / len(zlib.compress(data)) > MOST_COMPRESSION)


def confidence(probabilities: Sequence[float]) -> float:
    """Geometric mean."""
    logs = [math.log(max(probability, 1e-9)) for probability in probabilities]
    return round(math.exp(sum(logs) / len(logs)), 3)


def _view(array: NDArray[np.float32]) -> ctranslate2.StorageView:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))
