"""What travels between the parts of wlkd. Every value is frozen; every time is a sample index at 16 kHz."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from wlkd.contract.one_line import one_line

Samples = NDArray[np.float32]
"""Mono audio at `wlkd.contract.audio.SAMPLE_RATE`, shape (n,), full scale at ±1."""

Task = Literal["transcribe", "translate"]
Priority = Literal["live", "upload"]
NoteCode = Literal["damaged", "cut_short", "skipped", "tracks", "channels", "level", "untranslated", "more"]
"""`damaged`: audio is lost inside; `cut_short`: audio is lost at the end; `skipped`: bytes that are not audio;
`tracks`, `channels`: which were heard, and how; `level`: samples that were no numbers, or beyond full scale;
`untranslated`: a translation was asked for, and some sentences go without;
`more`: further notes were left out."""
LanguageScope = Literal["session", "segment"]
"""For how long a detected language holds: to the end of the session, or of a stretch of speech."""
ChineseScript = Literal["simplified", "traditional", "traditional_hk", "as_heard"]
"""The characters for Chinese: simplified, traditional as in Taiwan, traditional as in Hong Kong, or what the model
happened to write."""

SENTENCE_ENDS = tuple(".?!…。？！")
UNSPOKEN_LANGUAGES = frozenset({"la"})
"""Known to the models, and not spoken: what they take for Latin is accented English, or a short prompt in Spanish."""


@dataclass(frozen=True, slots=True)
class StreamOffer:
    """What a client says about the audio that it will send. All None: a container, to be probed."""

    content_type: str | None = None
    """MIME type, e.g. `audio/webm;codecs=opus`."""
    encoding: str | None = None
    """Raw samples without a container: `s16le`, `s16be`, `s24le`, `s32le`, `f32le`, `u8`, `mulaw`, `alaw`, or what a
    plugin's decoder calls them. `opus`: packets, each behind its length as four bytes, the first one the highest.
    Letters as the client wrote them."""
    sample_rate: int | None = None
    """Hz; raw formats only."""
    channels: int | None = None
    channel: int | None = None
    """Which one is heard, from 0; None: all of them, mixed down."""
    last_channel: bool = False
    """Each channel up to `channel` is heard by a session of its own, and none behind it: a note says so where there are
    more."""
    file: IO[bytes] | None = field(default=None, repr=False, compare=False)
    """The bytes of the stream in a file on disk, for decoders that have to jump about in it: what was fed lies there,
    and all of it once the stream ends. To be read by `os.pread`, because others read it too; its owner closes
    it, after the session."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time for which there is no audio: a hole in a recording, or damage. Costs no memory."""

    length: int
    """Samples that would be there."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a client should know of its audio besides the words: something is lost, or was chosen for it."""

    code: NoteCode
    message: str
    length: int = 0
    """Samples that it is about, where it is about a stretch of audio."""
    start: int = 0
    """Its place in the session. Set by the session: a decoder puts its note between the samples."""

    def __post_init__(self) -> None:
        # It may repeat what a recording says of itself.
        object.__setattr__(self, "message", one_line(self.message))


Decoded = Samples | Gap | Note
"""What a decoder makes of bytes."""


@dataclass(frozen=True, slots=True)
class RecognitionParams:
    """What one session asks of the backend; every field has the configuration's value filled in."""

    language: str | None = None
    """ISO 639-1 code, or None: detect, and keep for the `language_scope`."""
    languages: tuple[str, ...] = ()
    """Codes that detection may choose from; empty: all that the model knows, less `UNSPOKEN_LANGUAGES`."""
    language_scope: LanguageScope = "session"
    """`segment`: where no `language` is given, each stretch of speech may be in another one."""
    task: Task = "transcribe"
    initial_prompt: str = ""
    """Text put before the first window only; scrolls away."""
    static_prompt: str = ""
    """Text put before every window."""
    hotwords: tuple[str, ...] = ()
    """Words and names to expect."""
    chinese_script: ChineseScript = "simplified"
    """What the session makes of Chinese text; a backend may use it, and need not."""
    told: tuple[Word, ...] = ()
    """Words that another recognizer of this stream has committed, and whose audio comes again: not to be committed
    once more. Only for a backend that says `continues`."""
    priority: Priority = "live"
    """`upload`: an uploaded file, for whose next word nobody waits; it runs in the gaps that live sessions leave."""

    @property
    def several_languages(self) -> bool:
        """Each stretch of speech may be in another language."""
        return self.language is None and self.language_scope == "segment"

    @property
    def in_long_pieces(self) -> bool:
        """A backend with `upload_seconds` gets so much of it at once. A piece is in one language."""
        return self.priority == "upload" and not self.several_languages

    def may_detect(self, code: str) -> bool:
        """Whether detection may choose the language `code`."""
        return code in self.languages if self.languages else code not in UNSPOKEN_LANGUAGES


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a backend can do, for people who choose one; which languages and tasks depends on its model."""

    streaming: bool = False
    """Each stretch of audio is encoded once, and words come as they are spoken; else windows are heard repeatedly."""
    word_times: bool = True
    """Words have their times; else all words of a step have those of the step."""
    partial_text: bool = True
    """There is a tentative tail before words are final."""
    detects_language: bool = False
    several_languages: bool = False
    """Each stretch of speech may be in another language, where a client asks for that (`language_scope`)."""

    def __str__(self) -> str:
        """For people."""
        said = ["hears each sound once" if self.streaming else "hears windows again as they grow"]
        said += ["finds the language"] if self.detects_language else []
        said += ["follows changes of the language"] if self.several_languages else []
        said += ["words with times"] if self.word_times else []
        said += ["tentative text"] if self.partial_text else []
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class Restart:
    """A place at which a stream's bytes can be taken up again."""

    header_bytes: int = 0
    """So many first bytes have to be sent again before all else: the header of a container."""
    offset_bytes: int = 0
    """Then everything from here on, counted from the stream's first byte."""
    at: int = 0
    """Index of the first sample that comes of it, counted from the stream's first one."""


@dataclass(frozen=True, slots=True)
class TakenUp:
    """Where a resumable stream begins, or goes on."""

    continued: bool
    """It is not a new one."""
    header_bytes: int
    """How many of its first bytes the client sends first."""
    from_bytes: int
    """Then everything from here on, counted from the stream's first byte."""
    first_line: int
    """Lines before this one stay as the client has them; updates hold those from here on."""


@dataclass(frozen=True, slots=True)
class Seam:
    """From where a resumable stream could go on, should its client lose the connection now."""

    settled: int
    """Samples that never have to be heard again."""
    header_bytes: int
    """How many of its first bytes the client keeps."""
    settled_bytes: int
    """The client can drop the other bytes before this position, counted from the stream's first byte."""
    first_line: int
    """Number of the first line in `Update.lines`."""
    continuation: str
    """To be handed to `Sessions.open`, of any daemon with the same key."""


MAX_KNOWN_SPEAKERS = 4
"""In one session; as OpenAI's API has it."""


@dataclass(frozen=True, slots=True)
class KnownSpeaker:
    """Somebody whom a client knows, and how he sounds."""

    name: str
    recording: bytes = field(repr=False)
    """A file in which he alone speaks."""
    content_type: str | None = None
    """Its MIME type; None: it is to be probed."""


@dataclass(frozen=True, slots=True)
class DiarizationParams:
    """What one session asks of the diarizer."""

    max_speakers: int | None = None
    """More will not speak; None: nobody knows."""
    whole: bool = False
    """The recording is an upload: everything may be told at its end, by then from the whole of it."""
    memory: Mapping[str, Any] = field(default_factory=dict)
    """`DiarizerStream.memory` of the stream that this one continues, perhaps from another process. Empty: it is new."""
    known: tuple[Samples, ...] = field(default=(), repr=False, compare=False)
    """Speech of each person who is known beforehand: the first is speaker 1, and so on; others are numbered after them.
    Only for a diarizer that says `knows_voices`."""


@dataclass(frozen=True, slots=True)
class TranslationParams:
    """What one session asks of the translator."""

    target: str
    """The language that its listener reads: one of `Translator.targets()`."""
    chinese_script: ChineseScript = "simplified"
    """The characters for Chinese, where that is the target."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """Who a session is, for logs and observers."""

    id: str
    transport: str
    peer: str
    offer: StreamOffer
    params: RecognitionParams
    opened_at: float
    """Unix time, seconds."""
    diarization: DiarizationParams | None = None
    """None: speakers are not told apart."""
    translation: TranslationParams | None = None
    """None: nothing is translated."""
    turns: bool = False
    """Updates say how likely a turn is over (`Update.turn_over`), a moment after they say that speech has ended."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A stretch of audio and its place in the session."""

    start: int
    """Sample index of the first sample, counted from the session's first sample."""
    samples: Samples

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class Pause:
    """The VAD heard speech end."""

    at: int
    """Sample index where it ended."""
    over: bool = True
    """Nothing follows that could still tell of the words before: the audio ended, or silence has lasted. False: the
    speaker may be in the middle of a sentence. The core keeps count of that; a VAD need not say it."""


SpeechEvent = Frame | Pause
"""What a VAD emits: speech, and where it pauses. Audio between a pause and the next frame was silence."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word with the spelling and spacing of the model: `" hello"`, `"你"`. Concatenate; never join."""

    text: str
    start: int
    end: int
    confidence: float | None = None
    """0 to 1."""
    speaker: int | None = None
    """The speaker: a number from 1, the same for the whole session, or `UNKNOWN_SPEAKER`. None: nobody is told
    apart."""
    speaker_confidence: float | None = None
    """0 to 1."""
    also_speaker: int | None = None
    """Somebody else who speaks at the same time, less loud. None: nobody, or nobody noticed."""


UNKNOWN_SPEAKER = -1
"""Speakers are told apart, and nobody is known who may have said the word: the diarizer failed before it knew anybody,
or all whom it knows so far are people whom the client knows."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch in which one person speaks, or speaks loudest."""

    start: int
    end: int
    speaker: int
    """From 1, in the order of first words."""
    confidence: float | None = None
    """0 to 1."""
    beside: bool = False
    """Somebody else is louder, whose turn it is: words are his, and are spoken over this speaker."""


@dataclass(frozen=True, slots=True)
class Diarization:
    """What a diarizer has made up its mind on."""

    turns: tuple[Turn, ...] = ()
    """Newly settled, in order. They never change again. Those that are `beside` another may come after it."""
    settled: int = 0
    """Everything before this sample index is settled; never goes back."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What one inference step says about one session."""

    words: tuple[Word, ...] = ()
    """Newly committed: final, in order, after everything committed before."""
    tentative: tuple[Word, ...] = ()
    """The tail that may still change; replaces the previous tail."""
    language: str | None = None
    """Detected or given; None until decided."""
    until: int = 0
    """Audio before this sample index needs no more work."""
    segment_end: bool = False
    """All words before a pause are committed now. Tentative words, if there are any, came after it."""
    whole: bool | None = None
    """Whether the last committed word, of this step or an earlier one, is over: no mark and no letters will be
    committed that belong to it. None: the session has to guess by what follows. Until it is over, it waits there."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence, or what there is of it, for a translator."""

    text: str
    """Without space around it."""
    source: str
    """Its language: an ISO 639-1 code."""
    target: str
    """The language that is wanted."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A sentence in the listener's language."""

    start: int
    """Where the sentence was spoken, up to `end`."""
    end: int
    text: str
    """With the space that parts it from the one before in its line. Concatenate; never join."""


@dataclass(frozen=True, slots=True)
class Line:
    """A readable stretch of the transcript, or of silence (then no words)."""

    start: int
    end: int
    words: tuple[Word, ...] = ()
    language: str | None = None
    translations: tuple[Translation, ...] = ()
    """Translations of the sentences that end in it; each comes after its words, in order, and never changes."""

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words)

    @property
    def translation(self) -> str:
        return "".join(sentence.text for sentence in self.translations)

    @property
    def speaker(self) -> int | None:
        """The speaker; None: speakers are not told apart, or it is silence."""
        return self.words[0].speaker if self.words else None

    @property
    def is_silence(self) -> bool:
        return not self.words


@dataclass(frozen=True, slots=True)
class Update:
    """The state of a session's transcript after a change, and what is new in it."""

    lines: tuple[Line, ...] = ()
    """The whole committed transcript. Only the last line can get words; any line can get translations."""
    committed: tuple[Word, ...] = ()
    """Words committed since the update before this one."""
    waiting: tuple[Word, ...] = ()
    """Words that are final and wait for their speaker, between the committed and the tentative ones."""
    tentative: tuple[Word, ...] = ()
    language: str | None = None
    segment_end: bool = False
    """A stretch of speech ended since the update before this one."""
    speech_start: int | None = None
    """Sample index of the latest onset of speech; None: none heard yet."""
    speech_end: int | None = None
    """Sample index where the latest stretch of speech ended; None while it goes on."""
    turn_over: float | None = None
    """How likely the speaker has ended with it, 0 to 1; None: not judged, or not yet."""
    received: int = 0
    """Samples received so far."""
    lag: int = 0
    """Samples received and not yet settled."""
    deaf: bool = False
    """Live speech has been heard for half a minute, and no word of it was committed: something is wrong."""
    notes: tuple[Note, ...] = ()
    """Everything that is to be said of the audio so far, besides the words."""
    speaker_lag: int = 0
    """Samples whose words are known and whose speaker is not."""
    tentative_translation: str = ""
    """Translation of the unfinished sentence; replaces the one before."""
    translation_lag: int = 0
    """Samples with finished sentences whose translations are still to come."""
    flushes: int = 0
    """Calls of `Session.flush` whose words are all in this update and those before it."""
    final: bool = False
    """The audio has ended and everything is committed; the last update of the session."""
    seam: Seam | None = None
    """Of a resumable session."""

    @property
    def text(self) -> str:
        return "".join(line.text for line in self.lines)

    @property
    def waiting_text(self) -> str:
        return "".join(word.text for word in self.waiting)

    @property
    def tentative_text(self) -> str:
        return "".join(word.text for word in self.tentative)


EMPTY_UPDATE = Update()
