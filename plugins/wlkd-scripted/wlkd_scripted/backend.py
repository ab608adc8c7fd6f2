"""A backend that speaks a script: one word for each stretch of speech that it hears. For fast tests.

It behaves like a real one where it matters to the core: words are committed late, a tentative tail goes ahead of them,
a pause commits everything, and it can be told to be slow or to fail.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from wlkd import (
    SAMPLE_RATE,
    Abilities,
    Backend,
    Commit,
    Context,
    Frame,
    Options,
    RecognitionParams,
    Recognizer,
    SessionError,
    StepPlan,
    Word,
)
from wlkd.contract.types import Task


class ScriptedOptions(Options):
    """What is said, and how."""

    script: tuple[str, ...] = Field(
        default=(" one", " two", " three", " four", " five", " six", " seven", " eight", " nine", " ten"),
        min_length=1,
        description="The words, with their leading spaces; they are repeated again and again.",
    )
    word_seconds: float = Field(default=0.5, gt=0, description="How much speech makes one word.")
    step_seconds: float = Field(default=0.0, ge=0, description="How long each step takes.")
    load_seconds: float = Field(default=0.0, ge=0, description="How long loading takes.")
    memory_bytes: int = Field(default=0, ge=0, description="How much memory it claims to need.")
    languages: tuple[str, ...] = Field(
        default=("en", "zh", "de", "fr", "es"), min_length=1, description="ISO 639-1 codes that it claims to know."
    )
    detects: str = Field(default="en", description="The language that it detects.")
    detects_after_seconds: float = Field(
        default=0.0, ge=0, description="How much speech it needs to detect the language, unless there is a pause."
    )
    tasks: tuple[Task, ...] = Field(
        default=("transcribe", "translate"), description="Tasks that it claims to know; others are refused."
    )
    continues: bool = Field(default=True, description="Whether it can continue a stream that another one began.")
    deaf: bool = Field(default=False, description="No word is ever committed, only shown.")
    fail_on: str | None = Field(default=None, description="The step that would commit this word raises.")


class Scripted(Backend[ScriptedOptions]):
    """Says given words, whatever it hears: to try clients and plugins without a model."""

    abilities = Abilities(detects_language=True)

    async def provision(self, ctx: Context) -> None:
        ctx.status("loading the script")
        await asyncio.sleep(self.config.load_seconds)

    def memory_needed(self, models_dir: Path) -> int:
        return self.config.memory_bytes

    @property
    def continues(self) -> bool:
        return self.config.continues

    def languages(self) -> frozenset[str]:
        return frozenset(self.config.languages)

    def open(self, params: RecognitionParams) -> Recognizer:
        if params.task not in self.config.tasks:
            raise SessionError("bad_request", f"task {params.task}: not in the script")
        return _Speaker(self.config, params)

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        time.sleep(self.config.step_seconds)
        speakers = [plan.recognizer for plan in batch if isinstance(plan.recognizer, _Speaker)]
        for speaker in speakers:
            speaker.check()
        return [speaker.speak() for speaker in speakers]


class _Speaker(Recognizer):
    """Says the next word of the script for every `word_seconds` of speech."""

    def __init__(self, options: ScriptedOptions, params: RecognitionParams) -> None:
        self._options = options
        self._language = params.language or next(iter(params.languages), options.detects)
        wait = 0.0 if params.language else options.detects_after_seconds
        self._undecided = round(wait * SAMPLE_RATE)
        self._word_samples = round(options.word_seconds * SAMPLE_RATE)
        self._said = self._words_in(params.initial_prompt) + len(params.told)
        self._known_until = params.told[-1].end if params.told else 0
        self._end = 0
        self._pending: list[Frame] = []
        self._ended_at: int | None = None

    def _words_in(self, context: str) -> int:
        """How far the script has come: what is said after the last of its words in `context`."""
        last = context.split(" ")[-1]
        spoken = [word.strip() for word in self._options.script]
        return spoken.index(last) + 1 if last in spoken else 0

    def accept(self, frame: Frame) -> None:
        self._end = frame.end
        known = min(max(self._known_until - frame.start, 0), len(frame.samples))
        if known < len(frame.samples):
            self._pending.append(Frame(frame.start + known, frame.samples[known:]))

    def end_segment(self, at: int) -> None:
        self._ended_at = at

    def check(self) -> None:
        """Raises when the word to fail on is due."""
        due = (self._next(ahead).text for ahead in range(self._due()))
        if self._options.fail_on is not None and self._options.fail_on in due:
            raise RuntimeError(f"told to fail on {self._options.fail_on!r}")

    def speak(self) -> Commit:
        """Commit the words that are certainly over; at a pause, all."""
        ended_at = self._ended_at
        if self._heard < self._undecided and ended_at is None:
            return Commit()
        self._undecided = 0
        if self._options.deaf:
            return self._show_only(ended_at)
        words = []
        for _ in range(self._due()):
            words.append(self._next(0))
            self._said += 1
            self._drop(self._word_samples)
        if ended_at is not None:
            self._pending.clear()
            self._ended_at = None
            return Commit(tuple(words), (), self._language, ended_at, segment_end=True)
        tentative = (self._next(0),) if self._pending else ()
        return Commit(tuple(words), tentative, self._language, self._position)

    def _show_only(self, ended_at: int | None) -> Commit:
        tentative = (self._next(0),) if self._pending and ended_at is None else ()
        self._pending.clear()
        self._ended_at = None
        return Commit((), tentative, self._language, self._end, segment_end=ended_at is not None)

    def _due(self) -> int:
        """How many words the next step commits."""
        heard = self._heard
        if self._ended_at is not None:
            return -(-heard // self._word_samples)
        return max(heard // self._word_samples - 1, 0)

    @property
    def _heard(self) -> int:
        """Samples of which nothing was said yet."""
        return sum(len(frame.samples) for frame in self._pending)

    @property
    def _position(self) -> int:
        return self._pending[0].start if self._pending else self._end

    def _next(self, ahead: int) -> Word:
        script = self._options.script
        text = script[(self._said + ahead) % len(script)]
        return Word(text, self._position, self._position + self._word_samples, confidence=1.0)

    def _drop(self, count: int) -> None:
        """Forget the oldest `count` samples."""
        while count and self._pending:
            frame = self._pending.pop(0)
            if len(frame.samples) > count:
                self._pending.insert(0, Frame(frame.start + count, frame.samples[count:]))
                return
            count -= len(frame.samples)
