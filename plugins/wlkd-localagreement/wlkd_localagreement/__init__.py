"""wlkd backend: LocalAgreement-2 over faster-whisper, for machines without PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    from wlkd_localagreement.backend import LocalAgreement

    register("localagreement", LocalAgreement)
