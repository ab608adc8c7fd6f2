"""Short-lived keys for pages: a server asks for one, with the settings of the session that it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wlkd import BadParameter, Sessions
from wlkd.transports.client_json import parsed
from wlkd_openai.errors import ApiError
from wlkd_openai.realtime.items import new_id
from wlkd_openai.realtime.settings import Settings, as_beta, updated_by_beta

SECONDS, LEAST_SECONDS, MOST_SECONDS = 600, 10, 7200
BETA_SECONDS = 60
"""As the beta's keys live."""
OF_ANSWERS = frozenset(
    [
        "instructions",
        "max_response_output_tokens",
        "modalities",
        "model",
        "output_audio_format",
        "speed",
        "temperature",
        "tool_choice",
        "tools",
        "tracing",
        "voice",
    ]
)
"""What the beta's conversations set, and has no meaning where nothing answers."""


def client_secret(body: Any, token: str | None, sessions: Sessions) -> dict[str, Any]:
    """The answer to `POST /v1/realtime/client_secrets`. Raises `ApiError`, `SessionRefused`."""
    wish = _object(body)
    settings = Settings().updated(wish.get("session") or {}, sessions.languages())
    seconds = _seconds(wish.get("expires_after"), SECONDS, "expires_after")
    value, expires_at = _granted(settings, token, seconds, sessions)
    session = {**settings.model_dump(), "id": new_id("sess"), "object": "realtime.transcription_session"}
    return {"value": value, "expires_at": expires_at, "session": session}


def beta_session(body: Any, token: str | None, sessions: Sessions, kind: str) -> dict[str, Any]:
    """The answer to the beta's `POST /v1/realtime/transcription_sessions` and `.../sessions`; `kind`: the object's.
    Raises `ApiError`, `SessionRefused`."""
    wish = _object(body)
    secret = _object(wish.pop("client_secret", None), "client_secret")
    secret = secret or {"expires_at": wish.pop("expires_after", None)}
    change = {name: value for name, value in wish.items() if name not in OF_ANSWERS}
    settings = updated_by_beta(Settings(), change, sessions.languages())
    seconds = _seconds(secret.get("expires_at"), BETA_SECONDS, "client_secret.expires_at")
    value, expires_at = _granted(settings, token, seconds, sessions)
    return as_beta(settings, new_id("sess"), kind) | {"client_secret": {"value": value, "expires_at": expires_at}}


def settings_of(token: str | None, sessions: Sessions) -> Settings:
    """Those that the key was made with; the usual ones for any other token."""
    note = sessions.note(token)
    return Settings.model_validate_json(note) if note else Settings()


def _granted(settings: Settings, token: str | None, seconds: int, sessions: Sessions) -> tuple[str, int]:
    try:
        return sessions.grant(token, seconds, settings.model_dump_json(exclude_unset=True))
    except BadParameter as error:
        remedy = "shorten the prompt or the keywords, or have the page send them in a session.update"
        message = f"'session' is too long to travel in a key: {error.message}; {remedy}"
        raise ApiError(400, message, code="invalid_value", param="session") from None


def _seconds(wish: Any, default: int, name: str) -> int:
    match wish:
        case None:
            return default
        case Mapping() if wish.get("seconds") is None:
            return default
        case {"seconds": int(seconds)} if LEAST_SECONDS <= seconds <= MOST_SECONDS:
            return seconds
    message = f"'{name}.seconds' must be a whole number from {LEAST_SECONDS} to {MOST_SECONDS}"
    raise ApiError(400, message, code="invalid_value", param=f"{name}.seconds")


def _object(value: Any, name: str = "the body") -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ApiError(400, f"{name} must be a JSON object", code="invalid_type")
    return dict(value)


def body_of(text: str) -> Any:
    """A request's body; none is an empty object. Raises `ApiError`."""
    try:
        return parsed(text) if text.strip() else {}
    except ValueError as error:
        raise ApiError(400, f"the body must be a JSON object: {error}", code="invalid_json") from None
