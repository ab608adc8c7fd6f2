"""Everything a batch of steps needs computed: spectrogram, encoding, language, hypotheses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from wlkd.contract.audio import SAMPLE_RATE, seconds
from wlkd_simulstreaming.brief import Step, request, spelled_anew
from wlkd_simulstreaming.crew import Crew
from wlkd_simulstreaming.decoder import TextDecoder
from wlkd_simulstreaming.decoding import GreedyDecoding
from wlkd_simulstreaming.encoder import STRIDE, Encoder
from wlkd_simulstreaming.guards import Guard
from wlkd_simulstreaming.holes import Hole, filled, hole
from wlkd_simulstreaming.hypothesis import Hypothesis, Request
from wlkd_simulstreaming.language import TRIED_LANGUAGES, tried
from wlkd_simulstreaming.mel import HOP_SAMPLES, MAX_MEL_FRAMES, LogMel
from wlkd_simulstreaming.memory import Memory
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.padded import BEHIND, VOICED
from wlkd_simulstreaming.rivals import DOUBTFUL_LOGPROB, VERY_DOUBTFUL_LOGPROB, is_echo, with_second_opinions
from wlkd_simulstreaming.settling import Heard, doubted
from wlkd_simulstreaming.timing import FRAME_SAMPLES

IDLE_SPARE, BUSY_SPARE = 0.95, 0.8
"""From the first share of time to spare on a batch is encoded at length, up to the second no more than it needs.
Encoding is what fills a worker up: it has to shrink long before speech waits. A padded encoding, which costs little
more than the least, is given up at the second."""
OPINION_SPARE = 0.73
"""With less time to spare, only words that are very doubtful get a second opinion: twenty-four streams of base, which
leave less than a half, fall behind on two cores if all doubtful ones do."""


class Encoded(NamedTuple):
    """An encoded window."""

    states: Tensor
    """(frames, width)."""
    silence: int
    """Frames of silence to be heard behind it."""


class Inference:
    """One model on one device."""

    def __init__(
        self,
        options: SimulStreamingOptions,
        mel: LogMel,
        encoder: Encoder,
        padded: Encoder | None,
        decoder: TextDecoder,
        decoding: GreedyDecoding,
        metrics: Metrics,
        crew: Crew,
        threads: int,
    ) -> None:
        """`threads`: PyTorch's, for each operation."""
        self._options = options
        self._mel = mel
        self._encoder = encoder
        self._padded = padded
        self._decoder = decoder
        self._decoding = decoding
        self._metrics = metrics
        self._crew = crew
        self._threads = threads

    @torch.inference_mode()
    def hear(self, steps: Sequence[Step]) -> list[Heard]:
        """What the speech of each step was taken for, in order."""
        # Each thread has a number of its own, which begins with what was set last anywhere: by another engine, perhaps.
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        with self._crew.step():
            return self._hear(steps)

    def _hear(self, steps: Sequence[Step]) -> list[Heard]:
        heard = [Heard(step, step.state.language, Hypothesis(ended=True)) for step in steps]
        worth = [index for index, step in enumerate(steps) if step.state.worth_decoding]
        if worth:
            for index, one in zip(worth, self._decode([steps[index] for index in worth]), strict=True):
                heard[index] = one
        return heard

    def _decode(self, steps: Sequence[Step]) -> list[Heard]:
        memory = self._remember(self._encode(steps), steps)
        with self._metrics.timed("language"):
            decided, languages = self._decide_languages(steps, memory)
        pairs = list(zip(steps, decided, strict=True))
        if any(before.state.language is not None and after.state.language is None for before, after in pairs):
            # Less is left of those windows, and their languages are to be heard from that alone.
            return self._hear([after if after.state.language is None else before for before, after in pairs])
        told = self._tell(memory, decided, languages)
        # What the batch attends to is the most that a step holds, and what is heard again needs room too.
        del memory
        heard = [self._checked(one, asked) for one, asked in told]
        self._metrics.tokens.inc(sum(len(one.hypothesis.tokens) for one in heard))
        return heard

    def _tell(
        self, memory: Memory, steps: Sequence[Step], languages: Sequence[str | None]
    ) -> list[tuple[Heard, Request]]:
        """What each step is taken for in its language, and what was asked of the decoder."""
        requests = [request(step, language) for step, language in zip(steps, languages, strict=True)]

        def doubt(row: int, hypothesis: Hypothesis, start: int) -> int | None:
            limit = DOUBTFUL_LOGPROB if _spare(steps[row]) > OPINION_SPARE else VERY_DOUBTFUL_LOGPROB
            return doubted(Heard(steps[row], languages[row], hypothesis), start, limit)

        def decode(rows: Sequence[int], rivals: Sequence[Request]) -> Sequence[Hypothesis]:
            return self._decoding.decode(_rows(memory, rows), rivals)

        first = self._decoding.decode(memory, requests)
        best = with_second_opinions(requests, first, doubt, decode, self._metrics)
        return [
            (Heard(spelled_anew(step, said), language, hypothesis), asked)
            for step, said, language, hypothesis, asked in zip(steps, first, languages, best, requests, strict=True)
        ]

    def _checked(self, heard: Heard, asked: Request) -> Heard:
        """`heard`, or what is heard as the model was trained, on 30 s, and without context, for the end of a segment
        that went wrong, since nothing comes after it that could still repair a text cut short, and for echoes of the
        context. Or `heard` with what the speech in a hole says by itself."""
        echo, step = is_echo(asked, heard.hypothesis), heard.step
        if echo or (heard.hypothesis.went_wrong and step.end is not None):
            again = self._afresh(heard)
            return _guarded(again, Guard.ECHO) if echo else again
        if gap := hole(heard):
            if better := filled(heard, gap, self._rest(heard, gap)):
                return _guarded(better, Guard.HOLE)
            return replace(heard, step=replace(step, state=replace(step.state, reheard=step.state.window.end)))
        return heard

    def _afresh(self, heard: Heard) -> Heard:
        """The speech of `heard` as it is heard on 30 s, or as if, and without context."""
        step = heard.step
        encoder, frames = self._at_length(step)
        with self._metrics.timed("encoder"):
            [states] = encoder(self._mel(step.state.window.samples, frames)[None])
        memory = self._remember([Encoded(states, encoder.heard_silence)], [step])
        [again] = self._decoding.decode(memory, [request(step, heard.language, afresh=True)])
        return replace(heard, hypothesis=again)

    def _rest(self, heard: Heard, gap: Hole) -> Heard:
        """The speech of `heard` from `gap` on, as it is heard by itself, and without context."""
        step = replace(heard.step, state=heard.step.state.behind(gap.frame))
        memory = self._remember(self._encode([step]), [step])
        [rest] = self._decoding.decode(memory, [request(step, heard.language, afresh=True)])
        return replace(heard, step=step, hypothesis=rest)

    def _encode(self, steps: Sequence[Step]) -> list[Encoded]:
        """The window of each step."""
        alike: dict[tuple[Encoder, int], list[int]] = defaultdict(list)
        for index, step in enumerate(steps):
            alike[self._encoding(step, len(steps))].append(index)
        encoded: dict[int, Encoded] = {}
        # Rows of equal length share a call.
        for (encoder, frames), members in alike.items():
            with self._metrics.timed("mel"):
                mel = torch.stack([self._mel(steps[index].state.window.samples, frames) for index in members])
            with self._metrics.timed("encoder"):
                rows = [Encoded(states, encoder.heard_silence) for states in encoder(mel)]
            encoded.update(zip(members, rows, strict=True))
            self._metrics.encoded_seconds.inc(len(members) * frames * HOP_SAMPLES / SAMPLE_RATE)
        return [encoded[index] for index in range(len(steps))]

    def _encoding(self, step: Step, rows: int) -> tuple[Encoder, int]:
        """What encodes `step` in a batch of `rows`, and how many mel frames."""
        if self._padded is not None and _spare(step) >= BUSY_SPARE:
            return self._at_length(step)
        return self._encoder, self._encoded_frames(step, rows)

    def _at_length(self, step: Step) -> tuple[Encoder, int]:
        """What encodes `step` on 30 s, and how many mel frames."""
        if self._padded is None:
            return self._encoder, MAX_MEL_FRAMES
        return self._padded, min(STRIDE * max(step.state.content + BEHIND, VOICED), MAX_MEL_FRAMES)

    def _encoded_frames(self, step: Step, rows: int) -> int:
        """Mel frames to encode for `step` in a batch of `rows`."""
        options = self._options
        if options.encode == "full":
            return MAX_MEL_FRAMES
        share = (_spare(step) - BUSY_SPARE) / (IDLE_SPARE - BUSY_SPARE)
        least = options.min_encoded_seconds * min(max(share, 0.0), 1.0) / rows
        wanted = max(seconds(len(step.state.window)) + options.padding_seconds, least)
        steps = -(-wanted // options.length_step_seconds)
        frames = round(steps * options.length_step_seconds * SAMPLE_RATE / FRAME_SAMPLES) * 2
        return min(max(frames, STRIDE * VOICED), MAX_MEL_FRAMES)

    def _remember(self, encoded: Sequence[Encoded], steps: Sequence[Step]) -> Memory:
        states, silence = zip(*encoded, strict=True)
        with self._metrics.timed("memory"):
            return self._decoder.memory(states, [step.state.content for step in steps], silence)

    def _decide_languages(self, steps: Sequence[Step], memory: Memory) -> tuple[list[Step], list[str | None]]:
        """Steps with the language that their speech settles, and the language to decode each with."""
        decided, languages = list(steps), [step.state.language for step in steps]
        open_rows = [
            row for row, step in enumerate(steps) if step.state.language is None or step.brief.several_languages
        ]
        if open_rows:
            rows = _rows(memory, open_rows)
            found = self._decoding.language_probabilities(rows, [steps[row].brief.languages for row in open_rows])
            for row, probabilities in zip(open_rows, found, strict=True):
                step, options = steps[row], self._options
                if step.state.doubts_language(probabilities, options):
                    probabilities = self._try_languages(step, memory, row, probabilities)
                state = step.state.informed(probabilities, options, closing=step.ends)
                decided[row] = replace(step, state=state)
                best = max(probabilities, key=lambda code: probabilities[code])
                languages[row] = state.language or state.before or best
        return decided, languages

    def _try_languages(
        self, step: Step, memory: Memory, row: int, probabilities: Mapping[str, float]
    ) -> dict[str, float]:
        """Better `probabilities` for `step`, in `row` of `memory`: what it says in the likeliest languages."""
        codes = sorted(probabilities, key=lambda code: -probabilities[code])[:TRIED_LANGUAGES]
        if step.state.before is not None and step.state.before not in codes:
            codes.append(step.state.before)
        requests = [replace(request(step, code, afresh=True), last_frame=None) for code in codes]
        heard = self._decoding.decode(memory.rows([row] * len(codes)), requests)
        return tried(probabilities, {code: one.logprobs for code, one in zip(codes, heard, strict=True)})


def _guarded(heard: Heard, guard: Guard) -> Heard:
    """`heard`, in which `guard` stepped in."""
    return replace(heard, hypothesis=replace(heard.hypothesis, guards=heard.hypothesis.guards | {guard}))


def _spare(step: Step) -> float:
    """Time to spare for `step`, 0 to 1. Uploads run in the gaps that live streams leave: what they spend is missing
    there."""
    return 0.0 if step.upload else step.spare


def _rows(memory: Memory, rows: Sequence[int]) -> Memory:
    """Some rows of `memory`, ascending; itself if they are all, for on a GPU choosing copies."""
    return memory if len(rows) == len(memory) else memory.rows(rows)
