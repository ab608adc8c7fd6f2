"""Uploaded files heard in whole windows: what `upload.py` plans, `beam.py` computes.

The model is CTranslate2's, loaded when the first file comes and a second time, beside that of live streams: its threads
are its own, so that they can have a priority of their own. From the first live stream on they have the lowest that
Linux knows; then the processors are theirs only while no live stream wants them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import ctranslate2
import torch

from wlkd import Commit, Word
from wlkd.contract.audio import samples, seconds
from wlkd.contract.priority import in_background
from wlkd_simulstreaming.beam import ROWS, BeamSearch, States, Text, confidence
from wlkd_simulstreaming.brief import start_sequence
from wlkd_simulstreaming.language import TRIED_LANGUAGES, tried
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.packing import Piece
from wlkd_simulstreaming.tokens import Vocabulary, split_words
from wlkd_simulstreaming.upload import State, Step, Upload

LEAST_REST = samples(0.5)
"""Less speech than this is not heard again: it is the last word's end, or a breath."""
COMPETE = "uploads compete with live streams"


class WholeHearing:
    """Hears the windows of files. `run` blocks, one call at a time; `give_way` may come from elsewhere meanwhile."""

    def __init__(
        self,
        options: SimulStreamingOptions,
        vocabulary: Vocabulary,
        metrics: Metrics,
        load: Callable[[], ctranslate2.models.Whisper],
    ) -> None:
        """`load` makes a model with threads of its own, which inherit the priority of the one that calls it."""
        self._options = options
        self._vocabulary = vocabulary
        self._metrics = metrics
        self._load = load
        self._beam: BeamSearch | None = None
        self._gives_way = False
        self._wanted_to = False

    def give_way(self) -> None:
        """Live streams are here, or may come: from the next `run` on."""
        self._wanted_to = True

    @torch.inference_mode()
    def run(self, uploads: Sequence[Upload]) -> list[Commit]:
        """One step of each."""
        steps = [upload.plan() for upload in uploads]
        with self._metrics.timed("uploads"):
            heard = self._hear(uploads, steps)
        # Nothing below can fail: a batch that raised has changed no recognizer.
        for upload, (state, _) in zip(uploads, heard, strict=True):
            upload.adopt(state)
        return [
            Commit(tuple(words), language=state.language, until=state.until, segment_end=bool(step.pieces))
            for step, (state, words) in zip(steps, heard, strict=True)
        ]

    def _hear(self, uploads: Sequence[Upload], steps: Sequence[Step]) -> list[tuple[State, list[Word]]]:
        states = [step.state for step in steps]
        words: list[list[Word]] = [[] for _ in steps]
        jobs = [(number, piece) for number, step in enumerate(steps) for piece in step.pieces]
        while jobs:
            group, jobs = jobs[:ROWS], jobs[ROWS:]
            for (number, _), (told, rest) in zip(group, self._hear_group(uploads, steps, states, group), strict=True):
                words[number] += told
                if rest is not None:
                    jobs.insert(0, (number, rest))
        ordered = (sorted(one, key=lambda word: word.start) for one in words)
        return list(zip(states, ordered, strict=True))

    def _hear_group(
        self, uploads: Sequence[Upload], steps: Sequence[Step], states: list[State], group: Sequence[tuple[int, Piece]]
    ) -> list[tuple[list[Word], Piece | None]]:
        """The words of each piece in `group`, and what of it has to be heard again. A piece comes with its upload's
        number; `states` take what is found out about the language."""
        beam = self._ready()
        encoded = beam.encode([piece.window.samples for _, piece in group])
        starts: list[tuple[int, ...]] = []
        for row, (number, piece) in enumerate(group):
            states[number], language = self._listen(
                beam, uploads[number], states[number], piece, encoded[row : row + 1]
            )
            starts.append(start_sequence(uploads[number].brief, language))
        # With timestamps, as faster-whisper: they keep the model at the speech; the alignment does not need them.
        prompts = [
            (*self._before(uploads[number], steps[number], piece), *start)
            for (number, piece), start in zip(group, starts, strict=True)
        ]
        texts = beam.decode(encoded, prompts)
        self._metrics.tokens.inc(sum(len(text.tokens) for text in texts))
        heard: list[tuple[list[Word], Piece | None]] = []
        for row, ((number, piece), text) in enumerate(zip(group, texts, strict=True)):
            if text.is_silence:
                heard.append(([], None))
                continue
            told = self._words(beam, encoded[row : row + 1], starts[row], text, piece, states[number].language)
            heard.append((told, _untold(piece, text)))
        return heard

    def _before(self, upload: Upload, step: Step, piece: Piece) -> tuple[int, ...]:
        """The text before a piece, as tokens."""
        brief = upload.brief
        room = brief.dims.max_previous - len(brief.prompt)
        opening = step.opening[-room:] if room and piece is step.pieces[0] else ()
        previous = (*brief.prompt, *opening)
        return (self._vocabulary.sot_prev, *previous) if previous else ()

    def _words(
        self,
        beam: BeamSearch,
        encoded: States,
        start: Sequence[int],
        text: Text,
        piece: Piece,
        language: str | None,
    ) -> list[Word]:
        """The words of `text` with their places in the session."""
        if not text.tokens:
            return []
        # An alignment gives all that it hears to some word: the last one would swallow what is to be heard again.
        told = len(piece.window) if text.rest is None else min(text.rest, len(piece.window))
        timed = beam.align(encoded, start, text.tokens, told)
        words = []
        for word in split_words(text.tokens, self._vocabulary, language):
            begin, end = piece.spoken(timed[word.first].start, timed[word.stop - 1].end)
            sure = confidence([timed[token].probability for token in range(word.first, word.stop)])
            words.append(Word(word.text, begin, end, sure))
        return words

    # The language --------------------------------------------------------------------------------------------

    def _listen(
        self, beam: BeamSearch, upload: Upload, state: State, piece: Piece, encoded: States
    ) -> tuple[State, str | None]:
        """`state` with the language where the speech so far settles it, and the one to hear `piece` in."""
        if state.language is not None or not upload.brief.languages:
            return state, state.language
        options = self._options
        found = beam.languages(encoded)[0]
        probabilities = {code: found.get(code, 0.0) for code in upload.brief.languages}
        if max(probabilities.values()) < options.language_confidence:
            probabilities = self._try_languages(beam, upload, encoded, probabilities)
        evidence = state.evidence.plus(probabilities, seconds(len(piece.window)))
        if evidence.settles(options.language_seconds, options.language_confidence, options.language_limit_seconds):
            return replace(state, language=evidence.best), evidence.best
        return replace(state, evidence=evidence), evidence.best

    def _try_languages(
        self, beam: BeamSearch, upload: Upload, encoded: States, probabilities: Mapping[str, float]
    ) -> dict[str, float]:
        """Better `probabilities`: what is said in the likeliest languages."""
        codes = sorted(probabilities, key=lambda code: -probabilities[code])[:TRIED_LANGUAGES]
        prompts = [start_sequence(upload.brief, code) for code in codes]
        texts = beam.decode(encoded.repeat(len(codes), axis=0), prompts)
        return tried(probabilities, {code: [text.logprob] for code, text in zip(codes, texts, strict=True)})

    # The model -----------------------------------------------------------------------------------------------

    def _ready(self) -> BeamSearch:
        if self._beam is None or self._gives_way != self._wanted_to:
            self._beam = None
            self._gives_way = self._wanted_to
            model = in_background(self._load, COMPETE) if self._gives_way else self._load()
            self._beam = BeamSearch(model, self._vocabulary)
        return self._beam


def _untold(piece: Piece, text: Text) -> Piece | None:
    """What of `piece` has to be heard again; None: nothing."""
    if not text.rest:
        return None
    rest = piece.after(piece.window.session_index(text.rest))
    return rest if LEAST_REST <= rest.speech < piece.speech else None
