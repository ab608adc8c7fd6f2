"""wlkd VAD: Silero through onnxruntime; and `none`, for streams that are all speech."""

from wlkd import Registry, hookimpl
from wlkd_silero.everything import Everything
from wlkd_silero.vad import Silero


@hookimpl
def wlkd_register_vads(register: Registry) -> None:
    register("silero", Silero)
    register("none", Everything)
