"""wlkd VAD: Silero through onnxruntime; and `none`, for streams that are all speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_vads(register: Registry) -> None:
    from wlkd_silero.everything import Everything
    from wlkd_silero.vad import Silero

    register("silero", Silero)
    register("none", Everything)
