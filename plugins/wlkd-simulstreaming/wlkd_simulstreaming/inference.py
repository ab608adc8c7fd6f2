"""Everything a batch of steps needs computed: spectrogram, encoding, language, hypotheses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from wlkd.contract.audio import SAMPLE_RATE, seconds
from wlkd_simulstreaming.decoder import Memory, TextDecoder
from wlkd_simulstreaming.decoding import GreedyDecoding
from wlkd_simulstreaming.encoder import Encoder
from wlkd_simulstreaming.hypothesis import Hypothesis
from wlkd_simulstreaming.language import TRIED_LANGUAGES, tried
from wlkd_simulstreaming.mel import HOP_SAMPLES, MAX_MEL_FRAMES, LogMel
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.rivals import is_echo, with_second_opinions
from wlkd_simulstreaming.stream import Step, Stream
from wlkd_simulstreaming.timing import FRAME_SAMPLES

IDLE_SPARE, BUSY_SPARE = 0.95, 0.8
"""From the first share of time to spare on a batch is encoded at length, up to the second no more than it needs.
Encoding is what fills a worker up: it has to shrink long before speech waits."""
OPINION_SPARE = 0.73
"""With less time to spare nobody is asked for a second opinion: twenty-four streams of base, which leave less than a
half, fall behind with it on two cores."""


class Inference:
    """One model on one device."""

    def __init__(
        self,
        options: SimulStreamingOptions,
        mel: LogMel,
        encoder: Encoder,
        decoder: TextDecoder,
        decoding: GreedyDecoding,
        metrics: Metrics,
    ) -> None:
        self._options = options
        self._mel = mel
        self._encoder = encoder
        self._decoder = decoder
        self._decoding = decoding
        self._metrics = metrics

    @torch.inference_mode()
    def hear(self, streams: Sequence[Stream], steps: Sequence[Step]) -> list[tuple[Step, str | None, Hypothesis]]:
        """For each step: the step with its language where that is decided, the language used, and what was heard."""
        if not steps:
            return []
        memory = self._remember(self._encode(steps), steps)
        with self._metrics.timed("language"):
            steps, languages = self._decide_languages(streams, steps, memory)
        requests = [
            stream.request(step, language) for stream, step, language in zip(streams, steps, languages, strict=True)
        ]
        heard = with_second_opinions(
            requests,
            self._decoding.decode(memory, requests),
            lambda row, one, begin: (
                streams[row].doubted(steps[row], one, languages[row], begin)
                if steps[row].spare > OPINION_SPARE
                else None
            ),
            lambda rows, rivals: self._decoding.decode(_rows(memory, rows), rivals),
            self._metrics,
        )
        for index, (step, request) in enumerate(zip(steps, requests, strict=True)):
            echoed = is_echo(request, heard[index])
            if echoed or (heard[index].went_wrong and step.end is not None):
                again = self._once_more(streams[index], step, languages[index])
                heard[index] = replace(again, echoed=echoed)
        self._metrics.tokens.inc(sum(len(hypothesis.tokens) for hypothesis in heard))
        return list(zip(steps, languages, heard, strict=True))

    def _once_more(self, stream: Stream, step: Step, language: str | None) -> Hypothesis:
        """Decode again as the model was trained, on 30 s, and without context. For the end of a segment, since nothing
        comes after it that could still repair a text cut short; and for echoes of the context."""
        with self._metrics.timed("encoder"):
            states = self._encoder(self._mel(step.state.window.samples, MAX_MEL_FRAMES)[None])
        with self._metrics.timed("memory"):
            memory = self._decoder.memory([states[0]], [step.content], 0)
        return self._decoding.decode(memory, [stream.request(step, language, afresh=True)])[0]

    def _encode(self, steps: Sequence[Step]) -> list[Tensor]:
        """States (frames, width) of each step's window; rows of equal length share a call."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for index, step in enumerate(steps):
            by_length[self._encoded_frames(step, len(steps))].append(index)
        states: dict[int, Tensor] = {}
        for frames, members in by_length.items():
            with self._metrics.timed("mel"):
                mel = torch.stack([self._mel(steps[index].state.window.samples, frames) for index in members])
            with self._metrics.timed("encoder"):
                states.update(zip(members, self._encoder(mel), strict=True))
            self._metrics.encoded_seconds.inc(len(members) * frames * HOP_SAMPLES / SAMPLE_RATE)
        return [states[index] for index in range(len(steps))]

    def _encoded_frames(self, step: Step, rows: int) -> int:
        """Mel frames to encode for `step` in a batch of `rows`."""
        options = self._options
        if options.encode == "full":
            return MAX_MEL_FRAMES
        share = (step.spare - BUSY_SPARE) / (IDLE_SPARE - BUSY_SPARE)
        least = options.min_encoded_seconds * min(max(share, 0.0), 1.0) / rows
        wanted = max(seconds(len(step.state.window)) + options.padding_seconds, least)
        steps = -(-wanted // options.length_step_seconds)
        frames = round(steps * options.length_step_seconds * SAMPLE_RATE / FRAME_SAMPLES) * 2
        return min(frames, MAX_MEL_FRAMES)

    def _remember(self, states: Sequence[Tensor], steps: Sequence[Step]) -> Memory:
        tail = self._options.silence_tail_frames if self._options.encode == "window" else 0
        with self._metrics.timed("memory"):
            return self._decoder.memory(states, [step.content for step in steps], tail)

    def _decide_languages(
        self, streams: Sequence[Stream], steps: Sequence[Step], memory: Memory
    ) -> tuple[list[Step], list[str | None]]:
        """Steps with the language that their speech settles, and the language to decode each with."""
        decided, languages = list(steps), [step.state.language for step in steps]
        open_rows = [index for index, language in enumerate(languages) if language is None]
        if open_rows:
            rows = _rows(memory, open_rows)
            found = self._decoding.language_probabilities(rows, [streams[index].languages for index in open_rows])
            for index, probabilities in zip(open_rows, found, strict=True):
                if streams[index].doubts_language(steps[index], probabilities):
                    probabilities = self._try_languages(streams[index], steps[index], memory, index, probabilities)
                decided[index] = streams[index].listen(steps[index], probabilities)
                best = max(probabilities, key=lambda code: probabilities[code])
                languages[index] = decided[index].state.language or best
        return decided, languages

    def _try_languages(
        self, stream: Stream, step: Step, memory: Memory, row: int, probabilities: Mapping[str, float]
    ) -> dict[str, float]:
        """Better `probabilities` for the stream in `row` of `memory`: what it says in the likeliest languages."""
        codes = sorted(probabilities, key=lambda code: -probabilities[code])[:TRIED_LANGUAGES]
        requests = [replace(stream.request(step, code, afresh=True), last_frame=None) for code in codes]
        heard = self._decoding.decode(memory.rows(torch.tensor([row] * len(codes))), requests)
        return tried(probabilities, {code: one.logprobs for code, one in zip(codes, heard, strict=True)})


def _rows(memory: Memory, rows: Sequence[int]) -> Memory:
    """Some rows of `memory`, ascending; a copy unless they are all."""
    return memory if len(rows) == len(memory.frames) else memory.rows(torch.tensor(rows))
