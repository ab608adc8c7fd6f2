"""Greedy decoding of a batch: one prefill, then one token at a time for the rows that still go on.

What a stream guessed in its last step is read together with the prefix, and kept as far as the model would have
chosen it anyway (speculative decoding, Leviathan et al. 2023, with the last step as the draft): the result is that
of plain greedy decoding, for a fraction of the sequential steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wlkd_simulstreaming.alignatt import rewinds
from wlkd_simulstreaming.decoder import Cache, TextDecoder
from wlkd_simulstreaming.guards import Guard, crowded_start, loop_start, retelling_start
from wlkd_simulstreaming.hypothesis import Choice, Hypothesis, Request
from wlkd_simulstreaming.memory import Memory
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.token_run import Capture, FixedRuns, GrowingRuns, TokenRuns, best_two
from wlkd_simulstreaming.tokens import Vocabulary

MOST_PLACES = 64
"""Whose scores are in memory at once: each place has one of every token, 200 KiB."""


@dataclass
class Row:
    """A request being decoded."""

    request: Request
    rewind_threshold: int
    eot: int
    inside: Collection[int] = frozenset()
    """`Vocabulary.inside`."""
    said: list[Choice] = field(init=False)
    ended: bool = False
    end_logprob: float = 0.0
    guards: frozenset[Guard] = frozenset()
    """The one that cut it short, if any."""
    done: bool = False

    def __post_init__(self) -> None:
        self.said = list(self.request.begun)

    def take(self, choice: Choice) -> None:
        """Append a token, or find that the row is done."""
        if choice.token == self.eot:
            self.ended = self.done = True
            self.end_logprob = choice.logprob
            return
        if rewinds(self.said[-1].frame if self.said else self.request.floor, choice.frame, self.rewind_threshold):
            # The step before the jump is doubtful too.
            del self.said[-1:]
            self._cut(len(self.said), Guard.REWIND)
            return
        self.said.append(choice)
        tokens, frames = [one.token for one in self.said], [one.frame for one in self.said]
        told = self.request.prefix[self.request.first_told :]
        if (start := loop_start(tokens, frames, self.inside)) is not None:
            self._cut(start, Guard.LOOP)
        elif (start := retelling_start(told, self.request.floor, tokens, frames)) is not None or (
            start := crowded_start(tokens, frames, self.inside)
        ) is not None:
            self._cut(start, Guard.RETOLD)
        at_end = self.request.last_frame is not None and choice.frame >= self.request.last_frame
        self.done = self.done or at_end or len(self.said) >= self.request.max_tokens

    def _cut(self, start: int, guard: Guard) -> None:
        """The row ends here, without what it said from `start` on."""
        del self.said[start:]
        self.guards, self.done = frozenset({guard}), True

    def hypothesis(self, instead: Mapping[int, int], no_speech: float | None) -> Hypothesis:
        return Hypothesis(
            tuple(self.said),
            ended=self.ended,
            end_logprob=self.end_logprob,
            guards=self.guards,
            instead=instead,
            no_speech=no_speech,
        )


class GreedyDecoding:
    """Decodes batches of requests with one decoder."""

    def __init__(
        self,
        decoder: TextDecoder,
        vocabulary: Vocabulary,
        suppressed: Sequence[int],
        suppressed_first: Sequence[int],
        rewind_threshold: int,
        metrics: Metrics,
        capture: Capture | None = None,
    ) -> None:
        """`capture` records the work of a token, on a device that launches it more slowly than it works it off."""
        self._decoder = decoder
        self._metrics = metrics
        self._vocabulary = vocabulary
        self._rewind_threshold = rewind_threshold
        self._banned = torch.zeros(decoder.dims.n_vocab, device=decoder.device)
        # Text is all that may come: no special token but the end, and no timestamps.
        self._banned[[token for token in suppressed if token != vocabulary.eot]] = -torch.inf
        self._banned[vocabulary.eot + 1 :] = -torch.inf
        self._banned_first = self._banned.clone()
        self._banned_first[[token for token in suppressed_first if token != vocabulary.eot]] = -torch.inf
        self._marks = torch.tensor(vocabulary.marks, dtype=torch.long, device=decoder.device)
        self._runs: TokenRuns = (
            FixedRuns(decoder, self._banned, self._marks, capture)
            if capture
            else GrowingRuns(decoder, self._banned, self._marks)
        )

    @torch.inference_mode()
    def language_probabilities(self, memory: Memory, allowed: Sequence[Sequence[str]]) -> list[dict[str, float]]:
        """How likely each row is in each of the languages `allowed` for it."""
        rows = len(memory)
        start = torch.full((rows, 1), self._vocabulary.sot, device=self._decoder.device)
        hidden, _ = self._decoder.forward(memory, self._decoder.cache(memory, 1), start, start > 0, 1)
        found = []
        for logits, codes in zip(self._decoder.logits(hidden[:, -1]), allowed, strict=True):
            tokens = [self._vocabulary.languages[code] for code in codes]
            found.append(dict(zip(codes, logits[tokens].softmax(-1).tolist(), strict=True)))
        return found

    @torch.inference_mode()
    def decode(self, memory: Memory, requests: Sequence[Request]) -> list[Hypothesis]:
        """One hypothesis per request, in order; `memory` has a row for each."""
        known = self._vocabulary
        rows = [Row(request, self._rewind_threshold, known.eot, known.inside) for request in requests]
        with self._metrics.timed("prefill"):
            cache, instead, no_speech = self._read(memory, requests, rows)
        with self._metrics.timed("tokens"):
            self._go_on(memory, cache, rows)
        return [row.hypothesis(other, silent) for row, other, silent in zip(rows, instead, no_speech, strict=True)]

    def _read(
        self, memory: Memory, requests: Sequence[Request], rows: Sequence[Row]
    ) -> tuple[Cache, list[dict[int, int]], list[float | None]]:
        """Read prefixes and drafts in one pass and take what the model agrees with into `rows`.

        Returns the cache, what the model would say in place of open tokens, and the probability of `<|nospeech|>` where
        it was asked for.
        """
        texts = [[*r.prefix, *(choice.token for choice in r.begun), *r.draft] for r in requests]
        longest = max(map(len, texts))
        room = max(request.max_tokens for request in requests)
        cache = self._decoder.cache(memory, longest + self._runs.slots(room))
        watched = 1 + max(len(request.draft) for request in requests)

        tokens = torch.tensor(
            [[0] * (longest - len(text)) + text for text in texts],
            device=self._decoder.device,
        )
        real = torch.tensor(
            [[slot >= longest - len(text) for slot in range(longest)] for text in texts],
            device=self._decoder.device,
        )
        hidden, attention = self._decoder.forward(memory, cache, tokens, real, watched)
        choices = self._choose(hidden[:, -watched:], attention, requests)
        for index, row in enumerate(rows):
            kept = self._verify(row, choices[index])
            rejected = len(row.request.draft) - kept
            if rejected:
                cache.valid[index, longest - rejected : longest] = False
                cache.positions[index] -= rejected
        return cache, self._instead(hidden, requests), self._no_speech(hidden, requests)

    def _go_on(self, memory: Memory, cache: Cache, rows: Sequence[Row]) -> None:
        """One more token at a time for the rows that are not done, until all are."""
        active = list(rows)
        # What a finished row reads is all the same.
        last = [[row.said[-1].token if row.said else 0] for row in rows]
        run = self._runs.begin(memory, cache, torch.tensor(last, device=self._decoder.device))
        while going := [place for place, row in enumerate(active) if not row.done]:
            # Leaving finished rows in costs their share of every token; taking them out copies the others.
            if 2 * len(going) <= len(active):
                run, active = run.keep(going), [active[place] for place in going]
            for row, choice in zip(active, _choices(run()[:, 0]), strict=True):
                if not row.done:
                    row.take(choice)

    def _verify(self, row: Row, choices: Sequence[Choice]) -> int:
        """Take the model's choices along the draft as long as they agree with it, and the first that does not.

        Returns how many tokens of the draft stand in the cache rightly.
        """
        for place, guess in enumerate([*row.request.draft, None]):
            row.take(choices[place])
            if row.done or choices[place].token != guess:
                return place
        return len(row.request.draft)

    def _choose(self, hidden: Tensor, attention: Tensor, requests: Sequence[Request]) -> list[list[Choice]]:
        """What the model says at the last places of each row of `hidden` (rows, n, width): before each token of its
        draft, and behind it."""
        ends = [1 + len(request.draft) for request in requests]
        places = [
            (row, hidden.shape[1] - end + place, place == 0 and not (request.told or request.begun))
            for row, (request, end) in enumerate(zip(requests, ends, strict=True))
            for place in range(end)
        ]
        said = []
        for start in range(0, len(places), MOST_PLACES):
            row, place, first = torch.tensor(places[start : start + MOST_PLACES], device=hidden.device).unbind(1)
            logits = self._decoder.logits(hidden[row, place])
            logits += torch.where(first.bool()[:, None], self._banned_first, self._banned)
            said.append(best_two(logits, attention[row, place], self._marks))
        return [_choices(of_row) for of_row in torch.split(torch.cat(said).cpu(), ends)]

    def _instead(self, hidden: Tensor, requests: Sequence[Request]) -> list[dict[int, int]]:
        """`Hypothesis.instead` of each request."""
        found: list[dict[int, int]] = [{} for _ in requests]
        asked = [(row, index) for row, request in enumerate(requests) for index in request.open]
        for start in range(0, len(asked), MOST_PLACES):
            some = asked[start : start + MOST_PLACES]
            rows = [row for row, _ in some]
            # What the model says in place of a token stands where it has read the one before.
            places = [_begin(requests[row], hidden) + requests[row].first_told + index - 1 for row, index in some]
            best = (self._decoder.logits(hidden[rows, places]) + self._banned).argmax(-1).tolist()
            for (row, index), token in zip(some, best, strict=True):
                if token != requests[row].prefix[requests[row].first_told + index]:
                    found[row][index] = token
        return found

    def _no_speech(self, hidden: Tensor, requests: Sequence[Request]) -> list[float | None]:
        asked = [index for index, request in enumerate(requests) if not request.told]
        found: list[float | None] = [None] * len(requests)
        if asked:
            places = [_begin(requests[index], hidden) + requests[index].sot for index in asked]
            starts = hidden[asked, places]
            probabilities = self._decoder.logits(starts).softmax(-1)[:, self._vocabulary.no_speech].tolist()
            for index, probability in zip(asked, probabilities, strict=True):
                found[index] = probability
        return found


def _begin(request: Request, hidden: Tensor) -> int:
    """Where the prefix of `request` begins in its row of `hidden` (rows, n, width)."""
    return hidden.shape[1] - len(request.prefix) - len(request.begun) - len(request.draft)


def _choices(said: Tensor) -> list[Choice]:
    """`best_two` as the host reads it, of (n, 6)."""
    return [
        Choice(int(token), logprob, int(frame), (int(second), second_logprob), mark)
        for token, logprob, second, second_logprob, mark, frame in said.tolist()
    ]
