"""Makes a session of the parts that all share and of what its client asks for."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, get_args

from wlkd.config.options import Config
from wlkd.contract.audio import samples
from wlkd.contract.components import Decoder, DecoderStream, TurnDetector, Vad
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.host import Capabilities, EngineInfo
from wlkd.contract.returned import opened
from wlkd.contract.types import (
    DiarizationParams,
    KnownSpeaker,
    Priority,
    RecognitionParams,
    Samples,
    SessionInfo,
    StreamOffer,
    Task,
    TranslationParams,
    Update,
)
from wlkd.inference.engines import Engine, Engines
from wlkd.inference.handover import Place
from wlkd.inference.translation import TranslationService
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins
from wlkd.sessions.attribution import Attribution
from wlkd.sessions.beginning import Beginning, spoken
from wlkd.sessions.continuation import Continuation
from wlkd.sessions.filters import Filters
from wlkd.sessions.hearing import Hearing
from wlkd.sessions.known_speakers import check_known, voices_of
from wlkd.sessions.params import diarization_wish, translation_wish, wishes
from wlkd.sessions.progress import Progress
from wlkd.sessions.rendering import Rendering
from wlkd.sessions.resumption import Resumption
from wlkd.sessions.session import LiveSession
from wlkd.sessions.speakers import DiarizerService, Listening
from wlkd.sessions.transcript import Transcript
from wlkd.sessions.translating import Translating

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants, and what came with it; see `wlkd.contract.host.Sessions.open`."""

    offer: StreamOffer
    transport: str
    peer: str
    query: Mapping[str, str]
    token: str | None
    priority: Priority
    resumable: bool = False
    continuation: Continuation | None = None
    known: tuple[Samples, ...] = ()
    """Speech of those whom the client knows; see `DiarizationParams.known`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What all sessions share besides the engines, from the daemon's start to its end."""

    decoders: Mapping[str, Decoder]
    vad: Vad
    filters: Filters
    pools: Mapping[Priority, Executor]
    """Where decoders and the VAD run."""
    speakers: DiarizerService | None = None
    """None: speakers are not told apart."""
    turn_detector: TurnDetector | None = None
    """None: silence alone says when a turn is over."""
    translation: TranslationService | None = None
    """None: nothing is translated."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a session begins."""

    engine: Engine
    params: RecognitionParams
    decides: bool
    """Once its language is known, another engine may take it over."""


class Maker:
    """Goes by the configuration and the engines of the moment; a session keeps what it was made with."""

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        parts: Parts,
        engines: Engines,
        resumption: Resumption,
        metrics: Metrics,
    ) -> None:
        self._config = config
        self._plugins = plugins
        self._parts = parts
        self.engines = engines
        """Those of new sessions."""
        self._resumption = resumption
        self._metrics = metrics
        self._ids = itertools.count(1)

    def apply(self, config: Config) -> None:
        """Make sessions by `config` from now on."""
        self._config = config

    def capabilities(self) -> Capabilities:
        """What a client can ask for."""
        engines = tuple(map(self._about, self.engines))
        defaults = self._config.recognition
        return Capabilities(
            languages=tuple(sorted(self.engines.languages)),
            language=defaults.language,
            tasks=engines[0].tasks,
            chinese_script=defaults.chinese_script,
            diarization=self._parts.speakers is not None,
            target_languages=tuple(sorted(self._targets or ())),
            engines=engines,
            language_scope=defaults.language_scope,
        )

    def choose(self, asked: Asked) -> Choice:
        """The engine that a client asks for, that of its language, or the default one. Raises `SessionError`: there is
        no such model or language."""
        name = asked.query.get("model")
        named = self.engines.named(name) if name else None
        known = self.engines.languages if named is None else named.backend.languages()
        params = wishes(asked.query, self._config.recognition, known, asked.priority)
        if named is not None:
            return Choice(named, params, decides=False)
        goes_on = spoken(params, asked.continuation)
        return Choice(self.engines.route(goes_on), params, self.engines.decides(goes_on))

    def make(self, asked: Asked, choice: Choice) -> LiveSession:
        """Raises `SessionError`: what was asked for cannot be done."""
        begin = Beginning(asked.continuation, choice.engine.backend.continues)
        params = begin.params(choice.params)
        rendering = Rendering(params.chinese_script, self._parts.filters, asked.query, begin.said)
        diarization = self._diarization(asked, begin)
        info = self._info(asked, params, diarization, self._translation(asked, choice.params))
        component = self._decoder(asked.offer)
        decoder = opened(component, component.open(asked.offer), DecoderStream)
        try:
            pool = self._parts.pools[asked.priority]
            turn_detector = self._parts.turn_detector if info.turns else None
            hearing = Hearing(decoder, self._parts.vad, pool, begin.restart, begin.settled, turn_detector)
            transcript = self._transcript(begin, info)
            translating = self._translating(info, transcript)
            progress = Progress(
                transcript,
                begin.settled,
                self._attribution(diarization, begin.speakers, len(asked.known)),
                asyncio.get_running_loop().time,
                translating,
            )
            resuming = self._resumption.resuming(
                begin, asked.query, info, hearing, transcript, lambda: progress.speakers_memory
            )
            return LiveSession(
                info,
                hearing,
                progress,
                Place(
                    lambda: self.engines,
                    choice.engine,
                    params,
                    decides=choice.decides,
                    on_handover=functools.partial(self._handed_over, info),
                ),
                rendering,
                self._config.sessions,
                self._metrics,
                self._updated,
                resuming if asked.resumable else None,
                self._listening(info, progress, asked.known),
                translating,
            )
        except Exception:
            decoder.close()
            raise

    def _info(
        self,
        asked: Asked,
        params: RecognitionParams,
        diarization: DiarizationParams | None,
        translation: TranslationParams | None,
    ) -> SessionInfo:
        return SessionInfo(
            f"{next(self._ids)}",
            asked.transport,
            asked.peer,
            asked.offer,
            params,
            time.time(),
            diarization,
            translation,
            # Nobody waits for the end of a turn in a recording.
            turns=self._parts.turn_detector is not None and asked.priority == "live",
        )

    def _updated(self, info: SessionInfo, update: Update) -> None:
        self._plugins.notify("wlkd_session_updated", info=info, update=update)

    def _handed_over(self, info: SessionInfo, engine: Engine, language: str) -> None:
        self._metrics.handovers.labels(engine.name).inc()
        logger.info("session %s: the language is %s; the engine %s goes on", info.id, language, engine.name)

    def _transcript(self, begin: Beginning, info: SessionInfo) -> Transcript:
        options = self._config.sessions
        transcript = Transcript(
            line_pause=samples(options.line_pause_seconds),
            silence_line=samples(options.silence_line_seconds),
            max_line=samples(options.max_line_seconds),
            translated=info.translation is not None,
        )
        begin.restore(transcript)
        return transcript

    def _about(self, engine: Engine) -> EngineInfo:
        languages = engine.backend.languages()
        params = wishes({}, self._config.recognition, languages, "live")
        return EngineInfo(
            name=engine.name,
            backend=engine.kind,
            model=engine.model,
            languages=tuple(sorted(languages)),
            tasks=tuple(task for task in get_args(Task) if engine.takes(replace(params, task=task))),
            abilities=engine.backend.abilities,
        )

    # Speakers ------------------------------------------------------------------------------------------------

    async def voices(self, asked: Asked, known: Sequence[KnownSpeaker]) -> tuple[Samples, ...]:
        """Speech of each of `known`. Raises `BadParameter`."""
        speakers, parts = self._parts.speakers, self._parts
        wish = diarization_wish(asked.query, possible=speakers is not None, priority=asked.priority)
        check_known(known, wish, possible=speakers is not None and speakers.diarizer.knows_voices)
        return await voices_of(known, lambda offer: self._decoder(offer).open(offer), parts.vad, parts.pools["upload"])

    def _diarization(self, asked: Asked, begin: Beginning) -> DiarizationParams | None:
        possible = self._parts.speakers is not None
        wish = diarization_wish(asked.query, possible=possible, priority=asked.priority)
        return None if wish is None else replace(wish, memory=begin.speakers.get("voices", {}))

    def _attribution(
        self, diarization: DiarizationParams | None, memory: Mapping[str, Any], known: int
    ) -> Attribution | None:
        speakers = self._parts.speakers
        if diarization is None or speakers is None:
            return None
        return Attribution(None if diarization.whole else speakers.max_wait_seconds, memory, known)

    def _listening(self, info: SessionInfo, progress: Progress, known: tuple[Samples, ...]) -> Listening | None:
        speakers = self._parts.speakers
        if info.diarization is None or speakers is None:
            return None
        # Only here: what observers and the log get of a session does not hold sound.
        params = replace(info.diarization, known=known)
        return Listening(info.id, speakers, params, progress, self._metrics)

    # Translation ---------------------------------------------------------------------------------------------

    @property
    def _targets(self) -> Mapping[str, frozenset[str]] | None:
        return None if self._parts.translation is None else self._parts.translation.targets

    def _translation(self, asked: Asked, wanted: RecognitionParams) -> TranslationParams | None:
        return translation_wish(asked.query, self._targets, wanted, self._config.recognition.chinese_script)

    def _translating(self, info: SessionInfo, transcript: Transcript) -> Translating | None:
        service, params = self._parts.translation, info.params
        if info.translation is None or service is None:
            return None
        return Translating(
            info.translation,
            service,
            transcript,
            self._metrics,
            english=params.task == "translate",
            upload=params.priority == "upload",
        )

    # Decoders ------------------------------------------------------------------------------------------------

    def _decoder(self, offer: StreamOffer) -> Decoder:
        decoders = self._parts.decoders
        try:
            name = self._plugins.choose_decoder(offer)
        except SessionError:
            # The client's mistake, in the words of the plugin that knows the format.
            raise
        except Exception as error:
            logger.exception("wlkd_choose_decoder raised")
            raise SessionError(Code.BAD_REQUEST, f"no decoder could be chosen for {_in_words(offer)}") from error
        if name is None:
            known = ", ".join(encoding for decoder in decoders.values() for encoding in decoder.encodings)
            hint = f"; raw formats known: {known}" if known and offer.encoding else ""
            raise SessionError(Code.BAD_REQUEST, f"this server has no decoder for {_in_words(offer)}{hint}")
        if name not in decoders:
            refusal = SessionError(Code.BAD_REQUEST, f"the decoder for {_in_words(offer)} is not in use on this server")
            logger.warning("%s: %s is not under `decoders:`", refusal.message, name)
            raise refusal
        return decoders[name]


def _in_words(offer: StreamOffer) -> str:
    """What a client said about its audio, for the client to read."""
    if offer.encoding is not None:
        return f'audio of the format "{offer.encoding}"'
    return "a recording" if offer.content_type is None else f'audio of the type "{offer.content_type}"'
