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
    from wlkd import Registry


@hookimpl
def wlkd_register_diarizers(register: Registry) -> None:
    from wlkd_speakers.diarizer import CampPlus

    register("campplus", CampPlus)
