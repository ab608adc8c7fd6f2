"""The measuring instrument behind `wlkd bench`: a black-box client of any `/asr` server.

`clips` says what to stream, `pieces` cuts it as a microphone would, `stream` sends one clip and writes down what
came back and when, `runner` keeps K streams going, `score` compares with the references, `summary` adds up,
`limits` judges and `report` tells.

Beside it stand instruments that are run as modules, `python -m wlkd_bench.NAME`: `simulate` streams recordings in
virtual time, `offline` decodes them whole, `compare` tells chance from difference, `curve` draws error against latency,
`turns` compares rules for the end of a turn, `final_segment` measures how soon last words are final,
`soak`, `idle` and `long_recording` watch a daemon of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import CommandRegistry


@hookimpl
def wlkd_register_commands(register: CommandRegistry) -> None:
    register("bench", "measure the accuracy and latency of a server", "wlkd_bench.command")
