"""The measuring instrument behind `wlkd bench`: a black-box client of any `/asr` server.

`clips` says what to stream, `pieces` cuts it as a microphone would, `stream` sends one clip and writes down what
came back and when, `runner` keeps K streams going, `score` compares with the references, `summary` adds up,
`limits` judges and `report` tells.

Beside it stand instruments that are run as modules, `python -m wlkd_bench.NAME`; the docstring of each has its command:

* words: `simulate` streams recordings in virtual time, `offline` decodes them whole, `uploads` compares files with
  faster-whisper, `languages` makes recordings that change language; `compare` tells chance from difference, `curve`
  draws error against latency
* the ends of words: `turns` compares rules for the end of a turn, `final_segment` tells how soon last words are final
* sound: `conversations` makes conversations of single clips, `packet_loss` makes clips sound as after a bad connection
* speakers: `diarization` measures a daemon, `voices` the diarizer alone, `telephone` makes one of its constants
* translation: `translation` tells how late it is, `translation_cost` what it takes
* endurance, each with a daemon of its own: `soak`, `idle`, `long_recording`
* machines: `fleet` computes how many it takes, `fleet_proof` lets real ones die, `gpu` checks and measures a card
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import CommandRegistry


@hookimpl
def wlkd_register_commands(register: CommandRegistry) -> None:
    register("bench", "measure the accuracy and latency of a server", "wlkd_bench.command")
