"""wlkd transport: calls from Twilio Media Streams, FreeSWITCH (mod_audio_fork, mod_audio_stream) and Asterisk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    from wlkd_telephony.transport import Telephony

    register("telephony", Telephony)


@hookimpl
def wlkd_check_config(config: Config) -> list[Problem]:
    from wlkd import Problem
    from wlkd_telephony.transport import TelephonyOptions

    options = config.transports.get("telephony")
    if isinstance(options, TelephonyOptions) and options.audiosocket_port and config.auth.tokens_file is not None:
        message = "AudioSocket cannot carry a token, so no call could come in; remove it, or auth.tokens_file"
        return [Problem("transports.telephony.audiosocket_port", message)]
    return []
