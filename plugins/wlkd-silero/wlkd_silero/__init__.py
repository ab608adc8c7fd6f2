"""wlkd VAD: Silero through onnxruntime; and `none`, for streams that are all speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_vads(register: Registry) -> None:
    from wlkd_silero.everything import Everything
    from wlkd_silero.vad import Silero

    register("silero", Silero)
    register("none", Everything)


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd import Problem, ProvisionError
    from wlkd_silero.model import shipped_model
    from wlkd_silero.vad import SileroOptions

    options = config.vad.options
    if not isinstance(options, SileroOptions):
        return []
    try:
        (options.model or shipped_model()).open("rb").close()
    except ProvisionError as error:
        return [Problem("vad", str(error))]
    except OSError as error:
        return [Problem("vad.options.model", f"{options.model} cannot be read: {error.strerror}")]
    return []
