"""Broken configurations as data: each file in `configs/` begins with the problems it must be told, one a line.

`#! 9: backend.options.beamsize: unknown option; ...` expects that message at line 9 of the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, model_validator

from wlkd import Component, ConfigError, Options, PluginError, Problem
from wlkd.config import Config, load_config
from wlkd.contract.kinds import KINDS, Kind

CASES = sorted((Path(__file__).parent / "configs").glob("*.yaml"))


class Guards(Options):
    repetition: int = Field(default=3, ge=1)


class Demo(Component):
    """A component whose options have a bit of everything."""

    class Config(Options):
        beam_size: int = 1
        model: str = "base"
        notes: Path | None = None
        guards: Guards = Guards()

        @model_validator(mode="after")
        def _small_models_have_small_beams(self) -> Demo.Config:
            if self.model == "tiny.en" and self.beam_size > 5:
                raise ValueError("tiny.en takes a beam_size of at most 5")
            return self


class DemoComponents:
    """Stands for the loaded plugins: every default component is a Demo."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {name: KINDS[name] for name in ("decoder", "vad", "backend", "transport")}

    def component(self, kind: str, name: str) -> type[Component]:
        if name in ("demo", "pcm", "av", "silero", "simulstreaming", "websocket"):
            return Demo
        raise PluginError(f'no {kind} is called "{name}"; known: demo')

    def check_config(self, config: Config) -> list[Problem]:
        return []

    def check_host(self, config: Config) -> list[Problem]:
        return []


def expected_problems(path: Path) -> list[str]:
    return re.findall(r"^#! (.+)$", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_broken_file_is_told_every_problem_at_its_line(path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(path.parent)
    expected = [re.sub(r"^(\d+: )?", rf"{path.name}:\1", text, count=1) for text in expected_problems(path)]
    with pytest.raises(ConfigError) as caught:
        load_config(Path(path.name), DemoComponents())
    assert [str(problem) for problem in caught.value.problems] == expected


def test_there_are_cases_and_each_expects_something() -> None:
    assert len(CASES) >= 20
    assert all(expected_problems(path) for path in CASES)
