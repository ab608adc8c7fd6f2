"""Uploaded files heard in whole windows: what `upload.py` plans, `beam.py` computes.

The model is CTranslate2's, loaded when the first file comes and a second time, beside that of live streams: its threads
are its own, so that they can have a priority of their own. They have the lowest that Linux knows: the processors are
theirs only while no live stream wants them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import ctranslate2
import torch
from wlkd_whisper.window import Window

from wlkd import Commit, ProvisionError, Word
from wlkd.contract.audio import samples, seconds
from wlkd.contract.priority import in_background
from wlkd.contract.text import CHINESE
from wlkd_simulstreaming.beam import ROWS, BeamSearch, States, Text, confidence
from wlkd_simulstreaming.brief import start_sequence
from wlkd_simulstreaming.holes import HOLE_FRAMES
from wlkd_simulstreaming.language import TRIED_LANGUAGES, tried
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.sound import Sound
from wlkd_simulstreaming.timing import FRAME_SAMPLES
from wlkd_simulstreaming.tokens import Vocabulary, split_words
from wlkd_simulstreaming.upload import State, Step, Upload

logger = logging.getLogger(__name__)

LEAST_REST = samples(0.5)
"""Less speech than this is not heard again: it is the last word's end, or a breath."""
LEAST_HOLE = HOLE_FRAMES * FRAME_SAMPLES
"""A word with as much speech is not all that was said (`holes.py` says why): an alignment gives all that it hears to
some word."""
FREE_HEARINGS = 5
"""So often a part of a window may be heard again, however little shorter it is each time."""
LEAST_PROGRESS = samples(2.0)
"""By so much it is shorter each time after that: over noise, a model may tell a fiftieth of a second at a time, and to
hear the rest costs as much as 30 s each time. Clear and noisy speech, also in a language that is not the window's,
is heard four times at most."""
COMPETE = "uploads compete with live streams"
ON_CPU = (
    "uploads are recognized on the CPU meanwhile, more slowly: free memory of the GPU, or choose a smaller model, and "
    "restart the service"
)
OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED")
"""What CUDA and cuBLAS say, through CTranslate2."""


@dataclass(frozen=True)
class Job:
    """Speech to hear at once."""

    number: int
    """Of the upload, among those of a step."""
    piece: Window
    word: Word | None = None
    """What `piece` was taken for before, if that cannot be all of it."""
    hearings: int = 0
    """How often a larger piece was heard before that `piece` is a part of."""


class WholeHearing:
    """Hears the windows of files. `run` blocks, one call at a time."""

    def __init__(
        self,
        options: SimulStreamingOptions,
        vocabulary: Vocabulary,
        metrics: Metrics,
        loads: Sequence[Callable[[], ctranslate2.models.Whisper]],
    ) -> None:
        """Each of `loads` makes a model with threads of its own, which inherit the priority of the one that calls it;
        the second one, if any, on the CPU, for where a GPU has no room for the first or for what it computes."""
        self._options = options
        self._vocabulary = vocabulary
        self._metrics = metrics
        self._loads = loads
        self._beam: BeamSearch | None = None

    @torch.inference_mode()
    def run(self, uploads: Sequence[Upload]) -> list[Commit]:
        """One step of each."""
        steps = [upload.plan() for upload in uploads]
        with self._metrics.timed("uploads"):
            heard = self._hear_somewhere(uploads, steps)
        # Nothing below can fail: a batch that raised has changed no recognizer.
        for upload, (state, _) in zip(uploads, heard, strict=True):
            upload.adopt(state)
        return [
            Commit(
                tuple(words),
                language=state.language or (state.likeliest if words else None),
                until=state.until,
                segment_end=step.closing,
            )
            for step, (state, words) in zip(steps, heard, strict=True)
        ]

    def _hear_somewhere(self, uploads: Sequence[Upload], steps: Sequence[Step]) -> list[tuple[State, list[Word]]]:
        try:
            return self._hear(uploads, steps)
        except (ProvisionError, RuntimeError) as error:
            has_no_room = isinstance(error, ProvisionError) or any(sign in str(error) for sign in OUT_OF_MEMORY)
            if len(self._loads) == 1 or not has_no_room:
                raise
            logger.warning("%s; %s", error, ON_CPU)
            self._beam, self._loads = None, self._loads[1:]
        # Not before the error is gone: it holds what was in the memory of the GPU.
        return self._hear(uploads, steps)

    def _hear(self, uploads: Sequence[Upload], steps: Sequence[Step]) -> list[tuple[State, list[Word]]]:
        states = [step.state for step in steps]
        words: list[list[Word]] = [[] for _ in steps]
        jobs = [Job(number, piece) for number, step in enumerate(steps) for piece in step.pieces]
        while jobs:
            group = _next_group(jobs, states)
            jobs = [job for job in jobs if job not in group]
            for job, (told, again) in zip(group, self._hear_group(uploads, steps, states, group), strict=True):
                words[job.number] += told
                jobs[:0] = again
        ordered = (sorted(one, key=lambda word: word.start) for one in words)
        return list(zip(states, ordered, strict=True))

    def _hear_group(
        self, uploads: Sequence[Upload], steps: Sequence[Step], states: list[State], group: Sequence[Job]
    ) -> list[tuple[list[Word], list[Job]]]:
        """The words of each job, and what of it has to be heard again. `states` take what is found out about the
        language."""
        beam = self._ready()
        encoded = beam.encode([job.piece.samples for job in group])
        before = list(states)
        languages: list[str | None] = []
        for row, job in enumerate(group):
            states[job.number], language = self._listen(
                beam, uploads[job.number], states[job.number], job.piece, encoded[row : row + 1]
            )
            languages.append(language)
        starts = [
            start_sequence(uploads[job.number].brief, language) for job, language in zip(group, languages, strict=True)
        ]
        # With timestamps, as faster-whisper: they keep the model at the speech; the alignment does not need them.
        prompts = [
            (*self._before(uploads[job.number], steps[job.number], job.piece), *start)
            for job, start in zip(group, starts, strict=True)
        ]
        texts = beam.decode(encoded, prompts)
        for job, text in zip(group, texts, strict=True):
            if text.is_silence or not text.tokens:
                # Music is in no language.
                states[job.number] = before[job.number]
        self._metrics.tokens.inc(sum(len(text.tokens) for text in texts))
        return [
            self._told(beam, encoded[row : row + 1], starts[row], text, job, languages[row])
            for row, (job, text) in enumerate(zip(group, texts, strict=True))
        ]

    def _before(self, upload: Upload, step: Step, piece: Window) -> tuple[int, ...]:
        """The text before a piece, as tokens."""
        brief = upload.brief
        room = brief.dims.max_previous - len(brief.prompt)
        opening = step.opening[-room:] if room and piece is step.pieces[0] else ()
        previous = (*brief.prompt, *opening)
        return (self._vocabulary.sot_prev, *previous) if previous else ()

    def _told(
        self, beam: BeamSearch, encoded: States, prompt: Sequence[int], text: Text, job: Job, language: str | None
    ) -> tuple[list[Word], list[Job]]:
        """The words of `text` with their places in the session, and what of the speech it does not tell."""
        piece, before = job.piece, [] if job.word is None else [job.word]
        if text.is_silence:
            return before, []
        end = len(piece) if text.rest is None else min(text.rest, len(piece))
        progress = LEAST_PROGRESS if job.hearings >= FREE_HEARINGS else 1
        words, again = [], []
        for word, start, stop in self._words(beam, encoded, prompt, text, piece.part(0, end), language):
            hole = piece.part(start, stop) if stop - start >= LEAST_HOLE else Window()
            if LEAST_HOLE <= hole.speech <= piece.speech - progress:
                again.append(Job(job.number, hole, word, job.hearings + 1))
            else:
                words.append(word)
        if before and (len(words) + len(again) < 2 or not text.makes_sense):
            return before, []
        rest = piece.part(max(end, progress), len(piece))
        if LEAST_REST <= rest.speech < piece.speech:
            again.append(Job(job.number, rest, hearings=job.hearings + 1))
        return words, again

    def _words(
        self,
        beam: BeamSearch,
        encoded: States,
        prompt: Sequence[int],
        text: Text,
        told: Window,
        language: str | None,
    ) -> Iterator[tuple[Word, int, int]]:
        """The words of `text` with their places in the session, and with those in `told`, from and to: the part of the
        piece that `text` tells. An alignment gives all that it hears to some word, so it must not hear the rest."""
        if not text.tokens:
            return
        timed = beam.align(encoded, prompt, text.tokens, len(told))
        sound = Sound(told.samples)
        for word in split_words(text.tokens, self._vocabulary, language):
            start, stop = timed[word.first].start, timed[word.stop - 1].end
            begin, end = told.spoken(*sound.of_word(start, stop, stop))
            sure = confidence([timed[token].probability for token in range(word.first, word.stop)])
            # In Chinese the model begins with Latin letters without a space, and the window before may end with some.
            # Beside a Chinese character the session takes the space away.
            apart = word.first == 0 and language in CHINESE and word.text[0].isascii() and word.text[0].isalnum()
            yield Word(f" {word.text}" if apart else word.text, begin, end, sure), start, stop

    # The language --------------------------------------------------------------------------------------------

    def _listen(
        self, beam: BeamSearch, upload: Upload, state: State, piece: Window, encoded: States
    ) -> tuple[State, str | None]:
        """`state` with the language where the speech so far settles it, and the one to hear `piece` in."""
        if state.language is not None or not upload.brief.languages:
            return state, state.language
        options = self._options
        found = beam.languages(encoded)[0]
        probabilities = {code: found.get(code, 0.0) for code in upload.brief.languages}
        if max(probabilities.values()) < options.language_confidence:
            probabilities = self._try_languages(beam, upload, encoded, probabilities)
        evidence = state.evidence.plus(probabilities, seconds(len(piece)))
        if evidence.settles(options.language_seconds, options.language_confidence, options.language_limit_seconds):
            return replace(state, language=evidence.best), evidence.best
        return replace(state, evidence=evidence), evidence.best

    def _try_languages(
        self, beam: BeamSearch, upload: Upload, encoded: States, probabilities: Mapping[str, float]
    ) -> dict[str, float]:
        """Better `probabilities`: what is said in the likeliest languages."""
        codes = sorted(probabilities, key=lambda code: -probabilities[code])[:TRIED_LANGUAGES]
        prompts = [start_sequence(upload.brief, code) for code in codes]
        texts = beam.search(encoded.repeat(len(codes), axis=0), prompts)
        # A language that has no words for the speech says nothing, or the same again and again, and is sure of that.
        said = {
            code: [text.logprob] if text.tokens and not text.repeats else []
            for code, text in zip(codes, texts, strict=True)
        }
        return tried(probabilities, said)

    # The model -----------------------------------------------------------------------------------------------

    def _ready(self) -> BeamSearch:
        if self._beam is None:
            self._beam = BeamSearch(in_background(self._loads[0], COMPETE), self._vocabulary)
        return self._beam


def _next_group(jobs: Sequence[Job], states: Sequence[State]) -> list[Job]:
    """Those of `jobs` that are heard next: of a file whose language is open one alone, which may decide it."""
    group: list[Job] = []
    for job in jobs:
        is_open = states[job.number].language is None
        if len(group) < ROWS and not (is_open and any(job.number == other.number for other in group)):
            group.append(job)
    return group
