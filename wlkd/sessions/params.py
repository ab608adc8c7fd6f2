"""What is asked of the backend: a client's query over the configuration."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import get_args

from wlkd.config.options import Config, RecognitionOptions
from wlkd.contract.errors import BadParameter, ProvisionError, SessionError
from wlkd.contract.languages import known_language
from wlkd.contract.types import (
    ChineseScript,
    DiarizationParams,
    LanguageScope,
    Priority,
    RecognitionParams,
    Task,
    TranslationParams,
)
from wlkd.inference.engines import Engines
from wlkd.sessions.script import script_of
from wlkd.transports.queries import choice, whole_number

MAX_PROMPT_CHARACTERS = 4096
"""Several times what a model can read, and little enough to be read on the event loop."""
MAX_LIST_CHARACTERS = 4 * MAX_PROMPT_CHARACTERS
"""With what stands between its items."""

BETWEEN_HOTWORDS = re.compile("[,，、\n]")
"""Commas as people type them, in Chinese too; a list has each on a line of its own."""


def wishes(
    query: Mapping[str, str], defaults: RecognitionOptions, known: Collection[str], priority: Priority
) -> RecognitionParams:
    """What a session asks for. `known`: languages. Raises `SessionError("bad_request")`."""
    for name in ("languages", "hotwords"):
        # Before they are taken apart: megabytes of names would hold the event loop for seconds.
        if len(query.get(name, "")) > MAX_LIST_CHARACTERS:
            raise BadParameter(name, f"{name} is a list of more than {MAX_LIST_CHARACTERS} characters")
    # An engine that was asked for by name may not know what is configured for all.
    language = query.get("language") or (defaults.language if defaults.language in known else "auto")
    tag = None if language == "auto" else known_language(language, known)
    asked = [code for code in query.get("languages", "").split(",") if code.strip()]
    languages = tuple(known_language(code.strip(), known).language for code in asked)
    hotwords = tuple(word for part in BETWEEN_HOTWORDS.split(query.get("hotwords", "")) if (word := part.strip()))
    params = RecognitionParams(
        language=None if tag is None else tag.language,
        languages=languages or tuple(code for code in defaults.languages if code in known),
        language_scope=choice(query, "language_scope", get_args(LanguageScope), defaults.language_scope),
        task=choice(query, "task", get_args(Task), defaults.task),
        # Clients send all they have as context, and models read the end of it.
        initial_prompt=query.get("initial_prompt", defaults.initial_prompt)[-MAX_PROMPT_CHARACTERS:],
        static_prompt=query.get("static_prompt", defaults.static_prompt),
        hotwords=hotwords or tuple(defaults.hotwords),
        chinese_script=script_of(query, defaults.chinese_script),
        priority=priority,
    )
    for name, length in (("static_prompt", len(params.static_prompt)), ("hotwords", sum(map(len, params.hotwords)))):
        if length > MAX_PROMPT_CHARACTERS:
            raise BadParameter(name, f"{name} has {length} characters; at most {MAX_PROMPT_CHARACTERS} are taken")
    return params


def diarization_wish(query: Mapping[str, str], *, possible: bool, priority: Priority) -> DiarizationParams | None:
    """What a session asks of the diarizer; None: nothing. `possible`: there is one.

    Raises `BadParameter`: a client that asks for speakers and gets none must know.
    """
    asked = query.get("diarize", "").lower()
    if asked in ("", "0", "false", "no", "off"):
        return None
    if asked not in ("1", "true", "yes", "on"):
        raise BadParameter("diarize", f"diarize {asked!r}: write true or false")
    if not possible:
        message = "diarize: this server does not tell speakers apart; its configuration has no `diarizer`"
        raise BadParameter("diarize", message)
    return DiarizationParams(whole_number(query, "max_speakers"), whole=priority == "upload")


def translation_wish(
    query: Mapping[str, str],
    targets: Mapping[str, frozenset[str]] | None,
    recognition: RecognitionParams,
    chinese_script: ChineseScript,
) -> TranslationParams | None:
    """What a session asks of the translator; None: nothing. `targets`: see `Translator.targets`; None: there is none.

    Raises `BadParameter`, with the list of what there is.
    """
    asked = query.get("target_language")
    if not asked:
        return None
    if targets is None:
        message = "target_language: this server does not translate; its configuration has no `translator`"
        raise BadParameter("target_language", message)
    try:
        target = known_language(asked, targets).language
    except BadParameter:
        known = ", ".join(sorted(targets))
        message = f"target_language {asked!r}: this server does not translate into it; known: {known}"
        raise BadParameter("target_language", message) from None
    source = "en" if recognition.task == "translate" else recognition.language
    if source not in (None, target, *targets[target]):
        known = ", ".join(sorted(targets[target]))
        message = f"target_language {asked!r}: there is no translation into it from {source}; known: from {known}"
        raise BadParameter("target_language", message)
    written = {"language": asked, "chinese_script": query.get("chinese_script", "")}
    return TranslationParams(target, script_of(written, chinese_script))


def check_wishes(config: Config, engines: Engines) -> None:
    """Say beforehand what every session would be refused for. Raises `ProvisionError`."""
    options, known = config.recognition, engines.languages
    asked = {options.language, *options.languages} - {"auto"}
    if unknown := sorted(asked - known):
        raise ProvisionError(
            f"recognition: {config.backend.name} does not know {', '.join(unknown)} with this model; "
            f"known: {', '.join(sorted(known))}"
        )
    for engine in engines:
        languages = engine.backend.languages()
        for language, name in config.routing.items():
            if name == engine.name and language not in languages:
                raise ProvisionError(
                    f"routing.{language}: the engine {name} does not know {language} with this model; "
                    f"known: {', '.join(sorted(languages))}"
                )
    try:
        params = wishes({}, options, known, "live")
        engines.route(params).backend.open(params)
    except SessionError as error:
        raise ProvisionError(f"recognition: {error.message}") from error
