"""wlkd backend: LocalAgreement-2 over faster-whisper, for machines without PyTorch."""

from __future__ import annotations

from wlkd import Registry, hookimpl
from wlkd_localagreement.backend import LocalAgreement


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    register("localagreement", LocalAgreement)
