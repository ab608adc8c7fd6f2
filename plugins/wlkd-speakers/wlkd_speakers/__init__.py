"""wlkd diarizer `campplus`: tells speakers apart by voice vectors of 1.5 s, with decisions that never change.

`fbank` and `network` turn sound into a voice vector; `cutter` cuts a stream into half seconds, each with its vector;
`tracker` decides who speaks in them, live; `recording` decides for a whole recording at once. Around a change of
speaker, `listening` hears with a second network, `segmentation`; `changes` tells by it when exactly that is, and who
speaks at the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_diarizers(register: Registry) -> None:
    from wlkd_speakers.diarizer import CampPlus

    register("campplus", CampPlus)


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd import Problem
    from wlkd_speakers.catalogue import CAMPPLUS, FAMILY, SEGMENTATION
    from wlkd_speakers.diarizer import CampPlusOptions

    part = config.diarizer
    if part is None or not isinstance(part.options, CampPlusOptions):
        return []
    # The second network may be missing, but not be half there.
    names = [CAMPPLUS, *([SEGMENTATION] if (config.models_dir / SEGMENTATION).is_dir() else [])]
    found = [problem for name in names for problem in FAMILY.state(config.models_dir, name).problems]
    return [Problem("diarizer.name", problem) for problem in found]
