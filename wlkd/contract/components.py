"""What a plugin implements. A hook introduces the class; the object does the work.

What is shared is a Component, made once per process. What belongs to one stream is made by its `open()`.
So hardly anything here needs a lock: each method says which thread calls it, and never two at a time per object; only
a backend that asks for it gets several calls of `run` at once.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_validator
from typing_extensions import TypeVar

from wlkd.contract.host import Context, Http, Sessions
from wlkd.contract.types import (
    Abilities,
    Commit,
    Decoded,
    Diarization,
    DiarizationParams,
    Frame,
    Passage,
    RecognitionParams,
    Restart,
    Samples,
    SpeechEvent,
    StreamOffer,
    Word,
)

_VARIABLE = re.compile(r"\$\{[^}]+\}|(?<![^/])\$\w+(?![^/])")
"""Of the environment, as somebody writes it in a path: `${NAME}` anywhere, or `$NAME` as a folder's whole name."""


class Options(BaseModel):
    """Base of every component's options: unknown keys are refused, values are fixed once read.

    Give each field a default, and `Field(description=...)` with its reason; both go into
    `etc/wlkd.yaml` and error messages. Put the unit into the name: `timeout_seconds`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    former: ClassVar[Mapping[str, str | None]] = {}
    """Names that options had in the version before, each with the new name; None: the option has no effect any more.
    They are accepted with a warning, so that an update stops nobody's service."""

    @field_validator("*")
    @classmethod
    def _no_shorthand(cls, value: Any) -> Any:
        # Not expanded: the service has another home and environment than who writes the configuration and checks it.
        if isinstance(value, Path) and str(value).startswith("~"):
            raise ValueError(f"{value}: ~ does not stand for a home here; write the whole path, from / on")
        if isinstance(value, Path) and (variable := _VARIABLE.search(str(value))):
            raise ValueError(f"{value}: {variable[0]} stands for nothing here; write the whole path, from / on")
        return value


def shown(*, decide: bool = False, group: str = "") -> dict[str, Any]:
    """How the printed configuration shows an option, for `Field(json_schema_extra=shown(...))`.

    `decide`: every operator has to think of it, so it is set there; others are commented out, with their default.
    `group`: the heading of a group of options that begins with this one.
    """
    return {"decide": decide, "group": group}


OptionsT = TypeVar("OptionsT", bound=Options, default=Options)
"""The options of a component: `class Mine(Backend[MyOptions])`."""


class Component(ABC, Generic[OptionsT]):
    """Everything a plugin registers: built from its options, provisioned, used, closed."""

    Config: ClassVar[type[Options]] = Options
    """What reads the options; taken from the parameter of the base class, or written into the class."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "Config" not in vars(cls):
            for base in getattr(cls, "__orig_bases__", ()):
                options = next(iter(get_args(base)), None)
                if isinstance(options, type) and issubclass(get_origin(base) or object, Component):
                    cls.Config = options  # Of any class: what is not an `Options` is refused with its name.

    def __init__(self, config: OptionsT) -> None:
        """Keep `config` and touch nothing: no file, no socket, no device."""
        self.config = config

    async def provision(self, ctx: Context) -> None:
        """Get what the work needs: load models, open devices. May be slow.

        Raises `ProvisionError` with the remedy. `close()` follows even then.
        """

    async def close(self) -> None:
        """Give everything back. Called after a failed `provision()` too; a second call does nothing."""


class DecoderStream(ABC):
    """One stream's bytes to samples. Called from a thread pool, one call at a time.

    A decoder that has only samples to give returns them. One that knows of holes, or has something to tell, returns an
    iterable of samples, `Gap` and `Note`, each at its place. A generator is asked for more only as recognition keeps
    up, so that a few bytes that unpack to hours, or a whole file, take no memory; it is exhausted, or the stream
    closed, before the next call.

    What cannot be decoded raises `SessionError("undecodable_audio")`. After the first samples of a recording that ends
    the audio and not the session: what was heard is the answer, with a note.
    """

    @abstractmethod
    def feed(self, data: bytes) -> Samples | Iterable[Decoded]:
        """Decode `data`, a piece cut anywhere. Returns what is complete so far, possibly nothing."""

    @abstractmethod
    def finish(self) -> Samples | Iterable[Decoded]:
        """No more bytes will come. Returns the rest."""

    def restarts(self) -> Sequence[Restart]:
        """Places, found since the last call, at which another stream of this decoder could take the bytes up, in order.
        For streams that outlive their connection, and never called for others, so keep a bounded number. Without any,
        all bytes are sent again."""
        return ()

    def close(self) -> None:
        """Give back threads and buffers. Called exactly once, however the stream ended."""


class Decoder(Component[OptionsT]):
    """Turns a client's bytes into mono float samples at 16 kHz."""

    encodings: ClassVar[Sequence[str]] = ()
    """Raw formats that it takes, as `StreamOffer.encoding` names them: told to a client that asks for another one."""

    @abstractmethod
    def open(self, offer: StreamOffer) -> DecoderStream:
        """Start a stream. Cheap, on the event loop. Raises `SessionError("bad_request")` for an offer
        that this decoder cannot serve."""


class VadStream(ABC):
    """One stream's speech detection. Called from a thread pool, one call at a time."""

    @abstractmethod
    def feed(self, frame: Frame) -> list[SpeechEvent]:
        """Returns speech found so far and pauses, in order. Frames of speech keep their place in the session
        and never overlap; silence is left out."""

    @abstractmethod
    def flush(self) -> list[SpeechEvent]:
        """Somebody waits for the words so far: as `finish`, and more follows. Audio that was taken for silence, and may
        yet be the beginning of speech, is kept for it."""

    @abstractmethod
    def finish(self) -> list[SpeechEvent]:
        """The audio ended: returns held-back speech, then a Pause if speech was going on."""


class Vad(Component[OptionsT]):
    """Voice activity detection: keeps silence away from the model and finds the pauses."""

    @abstractmethod
    def open(self) -> VadStream:
        """Start a stream. Cheap, on the event loop."""


class Recognizer(ABC):
    """One stream's recognition. Lives on the inference threads: every method is called there, one at a time."""

    @abstractmethod
    def accept(self, frame: Frame) -> None:
        """Take speech for the next `Backend.run`."""

    @abstractmethod
    def end_segment(self, at: int) -> None:
        """Speech is over at sample index `at`: the next `Backend.run` commits everything accepted so far, closes the
        segment and says so with `Commit.segment_end`. No `accept` comes between this and that run, unless the stream
        is one of those that `Backend.upload_seconds` speaks of."""

    def pause(self, at: int) -> None:
        """Speech paused at sample index `at`, perhaps in the middle of a sentence. A backend may take it for an end,
        which is the default. Or the next run leaves words that it doubts tentative, and does not say `segment_end`:
        then either speech goes on, and a later run says it once the words before the pause are committed, or
        `end_segment` comes about a second later, without an `accept` between."""
        self.end_segment(at)

    @property
    def bridges_pauses(self) -> bool:
        """Whether the next run may have speech from before and behind a `pause`. On a busy machine, speech has often
        gone on when a step begins: then the step goes on too, and that pause is not told. The places of the frames
        show it. Asked after each run."""
        return False


class DiarizerOptions(Options):
    """What every diarizer can be told; base of its own options."""

    max_wait_seconds: float = Field(
        default=3.0,
        gt=0,
        description="How long a final word waits for its speaker; then it is given to the person who spoke last, "
        "or to speaker 1 while nobody is known.",
    )


class DiarizerStream(ABC):
    """One stream's speakers. Called from a thread pool, one call at a time."""

    @abstractmethod
    def feed(self, events: Sequence[SpeechEvent]) -> Diarization:
        """Take what the VAD passed on, in order and on the same clock. Returns what is newly settled.

        A gap between two frames without a `Pause` between them is audio that the diarizer was too late for.
        """

    @abstractmethod
    def settle(self) -> Diarization:
        """Settle everything that was heard: somebody waits for it. More may follow."""

    @abstractmethod
    def finish(self) -> Diarization:
        """The audio ended: settle everything. For a `whole` recording this returns all turns at once."""

    def memory(self) -> Mapping[str, Any]:
        """What another stream needs in order to know the same people by the same numbers: plain data for JSON, a few
        kilobytes. It travels with clients that resume."""
        return {}


DiarizerOptionsT = TypeVar("DiarizerOptionsT", bound=DiarizerOptions, default=DiarizerOptions)


class Diarizer(Component[DiarizerOptionsT]):
    """Tells speakers apart, in this process, for all sessions that ask for it."""

    Config = DiarizerOptions

    knows_voices: ClassVar[bool] = False
    """It makes use of `DiarizationParams.known`. A client that knows somebody is refused by one that does not."""

    @abstractmethod
    def open(self, params: DiarizationParams) -> DiarizerStream:
        """Start a stream. Cheap, on the event loop. Raises `SessionError("bad_request")`."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What the worker asks of one stream in one `Backend.run`, and what it knows about the step."""

    recognizer: Recognizer
    spare: float = 1.0
    """How much time the worker has to spare, 0 (saturated: speech waits for a thread) to 1 (idle). With time to spare a
    backend may do more for accuracy; without, extra work makes words come later for everybody."""
    upload: bool = False
    """The stream is an uploaded file: nobody waits for its next word."""


class Backend(Component[OptionsT]):
    """A speech recognition model in this process, shared by all sessions."""

    abilities: ClassVar[Abilities] = Abilities()
    """What to expect of it, whatever model it loads."""

    @property
    def concurrency(self) -> int:
        """How many calls of `run`, with different recognizers, may go on at once, each on a thread of its own. Known
        after `provision()`. More than one pays where a single call leaves processors idle."""
        return 1

    @property
    def max_batch(self) -> int:
        """Streams in one call of `run`, at most, unless the operator says otherwise. Known after `provision()`. Each
        takes memory; more than pay in throughput only make everybody in the batch wait for the others."""
        return 16

    @property
    def waits(self) -> bool:
        """Whether `run` waits for another machine instead of computing on this one.

        Then nothing made up is sent to measure it: each call may cost somebody money. `max_sessions: auto` begins with
        one session for each of the `concurrency` calls, and what clients say corrects it.
        """
        return False

    @property
    def continues(self) -> bool:
        """Whether `open` takes `RecognitionParams.told`. Without it, a stream that is resumed goes on from a pause."""
        return False

    @property
    def upload_seconds(self) -> float | None:
        """How much speech of uploaded files one `run` likes to take, over their pauses. Known after `provision()`.

        None: uploads are run like live streams, in the gaps between them. A number: those whose
        `RecognitionParams.in_long_pieces` is true are run by themselves, on one more thread beside `concurrency`, and
        it is up to that `run` to leave the processors to live streams. Between two runs such a recognizer gets `accept`
        and `end_segment` as often as the speech pauses, and commits everything up to the last pause. Others are run
        like live streams all the same: a commit says one language for all of its words.
        """
        return None

    def memory_needed(self, models_dir: Path) -> int:
        """Bytes of main memory that its models will take, those too that are loaded after `provision()`, estimated from
        the sizes of files; 0: hardly any.

        A reload that changes the model loads the new one beside the old one only if this much is free. May be called
        before `provision()`.
        """
        return 0

    def place(self) -> str:
        """What computes where, for STATUS, like `base on cuda:0`; empty: nothing to say. Known after `provision()`."""
        return ""

    @abstractmethod
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes it can be asked for. Known after `provision()`."""

    @abstractmethod
    def open(self, params: RecognitionParams) -> Recognizer:
        """Start a stream. Cheap, on the event loop. Raises `SessionError("bad_request")`."""

    @abstractmethod
    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        """One step for every stream of the batch, in order; blocking, on an inference thread.

        When it raises, no recognizer may have changed: the worker runs the members one by one to find
        the one at fault.
        """

    def warm_up(self) -> None:
        """One inference on made-up audio, so that the first client does not pay for it. On an inference thread."""


class FilterOptions(Options):
    """Base of the options of filters."""

    active: bool = Field(default=False, description="Filter all sessions, unless their client switches the filter off.")


class TextFilter(ABC):
    """One session's text on its way from the model to the listener. Called on the event loop: must be quick.

    It keeps no state between calls. The session holds back words that are not settled, so what was committed is never
    touched again.
    """

    @abstractmethod
    def rewrite(self, words: Sequence[Word], language: str | None) -> Sequence[Word]:
        """`words` as they are to be read, in order, with times. `words` are a stretch of speech from where the last
        settled word ended, committed or tentative; `wlkd.contract.text` helps with spans of several words."""

    def settled(self, words: Sequence[Word], language: str | None) -> int:
        """How many of the first `words` are rewritten in the same way whatever follows. The others wait, shown as
        tentative, for more words or the end of the stretch; beyond it if `rewrite` leaves all of them out."""
        return len(words)


FilterOptionsT = TypeVar("FilterOptionsT", bound=FilterOptions, default=FilterOptions)


class Filter(Component[FilterOptionsT]):
    """Rewrites text for the sessions that want it."""

    Config = FilterOptions

    @abstractmethod
    def open(self, wish: str) -> TextFilter:
        """For one session. `wish`: what its client said under the filter's name, mostly nothing.

        Cheap, on the event loop. Raises `BadParameter` for a wish that makes no sense."""


class TurnDetector(Component[OptionsT]):
    """Tells whether somebody who is silent has ended, or only pauses. For live sessions, at each pause that the VAD
    hears."""

    samples: ClassVar[int]
    """How much audio it wants to judge by, at most."""

    @abstractmethod
    def judge(self, samples: Samples) -> float:
        """How likely the turn is over, 0 to 1: `samples` are the last ones up to 0.2 s behind the last
        speech. Blocking, in a thread pool, for several sessions at once. When it raises, or does not return in ten
        seconds, the session goes on, and its pauses are judged no more."""


class TranslatorOptions(Options):
    """What every translator can be told; base of its own options."""

    max_wait_seconds: float = Field(
        default=10.0,
        gt=0,
        description="How long the end of a live stream waits for its last translations; then it ends without them.",
    )


TranslatorOptionsT = TypeVar("TranslatorOptionsT", bound=TranslatorOptions, default=TranslatorOptions)


class Translator(Component[TranslatorOptionsT]):
    """Translates sentences, in this process, for all sessions that ask for it."""

    Config = TranslatorOptions

    @property
    def max_batch(self) -> int:
        """Passages in one call of `translate`, at most. 1 where several at once gain nothing: each is told as soon as
        it is there."""
        return 16

    @abstractmethod
    def targets(self) -> Mapping[str, frozenset[str]]:
        """For each language that it translates into, those that it translates from: ISO 639-1 codes. Known after
        `provision()`."""

    @abstractmethod
    def translate(self, batch: Sequence[Passage]) -> Sequence[str]:
        """One text for each passage, in order; blocking, on the one translation thread.

        That thread gives way to recognition, and so do threads that it starts. When a batch raises, its passages are
        tried one by one; one that raises alone stays untranslated.
        """

    def warm_up(self) -> None:
        """Get ready for the first sentence. On the translation thread."""


class Transport(Component[OptionsT]):
    """Carries sessions to clients over one protocol."""

    @abstractmethod
    async def start(self, sessions: Sessions, http: Http) -> None:
        """Add routes to `http`, or listen on a socket of its own. Returns when clients can come."""

    async def stop_accepting(self) -> None:
        """Draining begins: take no new clients, serve the present ones to their end.

        HTTP transports need nothing here: the shared server does it."""
