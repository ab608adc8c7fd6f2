"""The people whom a client knows: their recordings, checked and reduced to what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor

import numpy as np

from wlkd.contract.audio import samples, seconds
from wlkd.contract.components import DecoderStream, Vad, VadStream
from wlkd.contract.errors import BadParameter, Code, SessionError
from wlkd.contract.returned import speech_events
from wlkd.contract.types import MAX_KNOWN_SPEAKERS, DiarizationParams, Frame, KnownSpeaker, Samples, StreamOffer
from wlkd.sessions.decoding import Taken, begin, take

LEAST_SECONDS, MOST_SECONDS = 2.0, 10.0
"""What OpenAI's API takes. Of ten seconds a voice is as well known as of more."""
PADDING_SECONDS = 0.1
"""What encoders add to, or cut from, the length that they were given."""
LEAST_SPEECH_SECONDS = 1.0
"""Below, two people's voices are taken for one another in one case of sixteen."""

NAMES, REFERENCES = "known_speaker_names", "known_speaker_references"
"""Parameters that errors name, as OpenAI's API calls them."""


def check_known(known: Sequence[KnownSpeaker], wish: DiarizationParams | None, *, possible: bool) -> None:
    """Whether anybody can be known at all. `wish`: what is asked of the diarizer. `possible`: it knows voices.

    Raises `BadParameter`."""
    if wish is None:
        raise BadParameter(NAMES, f"{NAMES}: known speakers make sense only where speakers are to be told apart")
    if not possible:
        raise BadParameter(NAMES, f"{NAMES}: the diarizer of this server tells speakers apart, but takes no known ones")
    most = MAX_KNOWN_SPEAKERS if wish.max_speakers is None else min(wish.max_speakers, MAX_KNOWN_SPEAKERS)
    if len(known) > most:
        raise BadParameter(NAMES, f"{NAMES}: {len(known)} speakers; at most {most} can be known")


async def voices_of(
    known: Sequence[KnownSpeaker], open_decoder: Callable[[StreamOffer], DecoderStream], vad: Vad, pool: Executor
) -> tuple[Samples, ...]:
    """The speech in each recording, without its pauses. Raises `BadParameter` for one that cannot be used."""
    voices = []
    for place, one in enumerate(known):
        try:
            decoder = open_decoder(StreamOffer(content_type=one.content_type))
            voice = await asyncio.get_running_loop().run_in_executor(pool, _speech, decoder, vad.open(), one.recording)
        except SessionError as error:
            raise BadParameter(REFERENCES, f"{REFERENCES}[{place}], of {one.name!r}: {error.message}") from error
        voices.append(voice)
    return tuple(voices)


def _speech(decoder: DecoderStream, vad: VadStream, recording: bytes) -> Samples:
    """What is said in `recording`. In the pool. Raises `SessionError`."""
    try:
        audio = _decoded(decoder, recording)
    finally:
        decoder.close()
    if seconds(len(audio)) < LEAST_SECONDS - PADDING_SECONDS:
        raise _unfit(f"it lasts {seconds(len(audio)):.1f} s")
    spoken = np.zeros(len(audio), np.bool_)
    for event in (*speech_events(vad.feed, Frame(0, audio)), *speech_events(vad.finish)):
        if isinstance(event, Frame):
            spoken[event.start : event.end] = True
        else:
            # A VAD tells a pause late, and has passed on silence till then.
            spoken[event.at :] = False
    speech = audio[spoken]
    if seconds(len(speech)) < LEAST_SPEECH_SECONDS:
        needed = f"at least {LEAST_SPEECH_SECONDS:g} s are needed"
        raise SessionError(Code.BAD_REQUEST, f"only {seconds(len(speech)):.1f} s of it are speech; {needed}")
    return speech


def _decoded(decoder: DecoderStream, recording: bytes) -> Samples:
    pieces: list[Samples] = []
    for piece in _pieces(decoder, recording):
        pieces.append(piece)
        # Not one piece more: a few bytes may unpack to hours.
        if sum(map(len, pieces)) > samples(MOST_SECONDS + PADDING_SECONDS):
            raise _unfit("it is longer")
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _pieces(decoder: DecoderStream, recording: bytes) -> Iterator[Samples]:
    for call, data in ((decoder.feed, [recording]), (decoder.finish, [])):
        part: Taken | None = begin(call, *data)
        while part is not None:
            yield from (item for item in part.items if isinstance(item, np.ndarray))
            if part.error is not None:
                raise part.error
            part = None if part.rest is None else take(part.rest)


def _unfit(what: str) -> SessionError:
    return SessionError(Code.BAD_REQUEST, f"{what}; a reference has {LEAST_SECONDS:g} to {MOST_SECONDS:g} s")
