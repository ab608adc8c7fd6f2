"""Plugins from outside the repository: found by entry point alone, and unable to hurt each other."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wlkd import Component, ConfigError, PluginError, Problem, RecognitionParams, SessionInfo, StreamOffer, hookspecs
from wlkd.cli.brought import brought_commands
from wlkd.config import make_config
from wlkd.config.document import read_document
from wlkd.config.template import default_configuration
from wlkd.contract.kinds import KINDS, PARAMETERS, Kind
from wlkd.contract.types import EMPTY_UPDATE
from wlkd.plugins import Plugins, load_plugins

HOOKS = sorted({name for name in vars(hookspecs) if name.startswith("wlkd_")} | {kind.hook for kind in KINDS.values()})
INFO = SessionInfo("1", "test", "peer", StreamOffer(), RecognitionParams(), 0.0)

BACKEND = """
from wlkd import Backend, Options, hookimpl

class Parrot(Backend):
    class Config(Options):
        words: int = 3

    def languages(self): return frozenset({"en"})
    def open(self, params): raise NotImplementedError
    def run(self, batch): return []

@hookimpl
def wlkd_register_backends(register):
    register("parrot", Parrot)
"""

Install = Callable[..., None]


def reasons(plugins: Plugins, point: str) -> list[str]:
    return [failure.reason for failure in plugins.failures if failure.plugin == point]


def test_a_plugin_from_outside_adds_a_backend_by_its_entry_point_alone(install: Install) -> None:
    install("acme-parrot", "acme", BACKEND)
    plugins = load_plugins()
    [entry] = [entry for entry in plugins.components if entry.name == "parrot"]
    assert (entry.kind, entry.plugin, entry.distribution, entry.version) == ("backend", "acme", "acme-parrot", "1.2")
    assert plugins.component("backend", "parrot") is entry.component
    config = make_config({"backend": {"name": "parrot", "options": {"words": 5}}, **LIGHT}, plugins)
    assert config.backend.options.model_dump() == {"words": 5}


LIGHT = {"decoders": {"pcm": {}}, "vad": {"name": "none"}, "transports": {"websocket": {}}}


def test_a_failing_import_is_left_out_and_told_when_its_component_is_missed(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("acme-parrot", "acme", BACKEND)
    install("acme-broken", "broken", "import no_such_library_anywhere")
    plugins = load_plugins()
    [reason] = reasons(plugins, "broken")
    assert reason == "failed to import: ModuleNotFoundError: No module named 'no_such_library_anywhere'"
    assert "plugin broken (acme-broken 1.2): failed to import" in caplog.text
    assert plugins.component("backend", "parrot")
    with pytest.raises(PluginError, match=r'no backend is called "parot"; known: .*did you mean parrot\?.*acme-broken'):
        plugins.component("backend", "parot")
    with pytest.raises(ConfigError, match="no_such_library_anywhere"):
        make_config({"backend": {"name": "broken"}, **LIGHT}, plugins)


def test_a_failure_is_fatal_where_the_plugin_is_named(install: Install) -> None:
    install("acme-broken", "broken", "raise SystemExit(3)")
    with pytest.raises(PluginError, match=r"plugin broken \(acme-broken 1\.2\): failed to import: SystemExit: 3"):
        load_plugins(named=["broken"])


def test_twins_are_refused_by_both_names(install: Install) -> None:
    install("acme-parrot", "acme", BACKEND)
    install("other-parrot", "acme", BACKEND)
    plugins = load_plugins()
    assert reasons(plugins, "acme") == [
        'the name "acme" is taken twice, by acme-parrot 1.2 and other-parrot 1.2: remove one of them'
    ]
    with pytest.raises(PluginError, match=r"acme-parrot 1\.2 and other-parrot 1\.2"):
        plugins.component("backend", "parrot")


def test_a_component_that_two_plugins_claim_is_nobodys(install: Install) -> None:
    install("acme-parrot", "acme", BACKEND)
    install("other-parrot", "other", BACKEND)
    plugins = load_plugins()
    assert reasons(plugins, "other") == ['backend "parrot" is taken by acme-parrot 1.2']
    with pytest.raises(PluginError, match=r'"parrot" is offered by both acme-parrot 1\.2 and other-parrot 1\.2'):
        plugins.component("backend", "parrot")


def test_a_plugin_that_fails_half_way_registers_nothing(install: Install) -> None:
    source = BACKEND + "    register('second', object)\n    raise RuntimeError('too bad')\n"
    install("acme-half", "half", source)
    plugins = load_plugins()
    assert reasons(plugins, "half") == [
        'backend "second" is not a subclass of wlkd.Backend; RuntimeError: too bad',
    ]
    assert "parrot" not in plugins.names("backend")
    with pytest.raises(PluginError, match='backend "parrot" is not available: plugin half'):
        plugins.component("backend", "parrot")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "from wlkd import hookimpl\n@hookimpl\ndef wlkd_register_backend(register): pass",
            "there is no hook wlkd_register_backend; did you mean wlkd_register_backends?",
        ),
        ("def wlkd_register_vads(register): pass", "wlkd_register_vads is not marked with @hookimpl"),
        ("x = 1", "implements no hook"),
        (
            "from wlkd import hookimpl\n@hookimpl\nasync def wlkd_session_opened(info): pass",
            "wlkd_session_opened is async: nobody would await it; hooks are plain functions",
        ),
        (
            "from wlkd import hookimpl\n@hookimpl(wrapper=True)\ndef wlkd_session_opened(info): yield",
            "wlkd_session_opened is a hook wrapper, which wlkd does not call",
        ),
        (
            "from wlkd import Backend, hookimpl\nclass Half(Backend): pass\n"
            "@hookimpl\ndef wlkd_register_backends(register): register('half', Half)",
            'backend "half" does not define languages, open, run',
        ),
        (
            "from wlkd import Vad, hookimpl\nclass Free(Vad):\n    class Config: pass\n    def open(self): ...\n"
            "@hookimpl\ndef wlkd_register_vads(register): register('free', Free)",
            'vad "free": Config is not a subclass of wlkd.Options',
        ),
        (
            "from wlkd import Filter, hookimpl\nclass Plain: pass\n"
            "class Free(Filter[Plain]):\n    def open(self, wish): ...\n"
            "@hookimpl\ndef wlkd_register_filters(register): register('free', Free)",
            'filter "free": Plain is not a subclass of wlkd.FilterOptions',
        ),
        (
            "from wlkd import Filter, Options, hookimpl\nclass Mine(Options): pass\n"
            "class Bare(Filter[Mine]):\n    def open(self, wish): ...\n"
            "@hookimpl\ndef wlkd_register_filters(register): register('bare', Bare)",
            'filter "bare": Mine is not a subclass of wlkd.FilterOptions',
        ),
        (
            "from wlkd import Filter, hookimpl\n"
            "class Bare(Filter):\n    def __init__(self): ...\n    def open(self, wish): ...\n"
            "@hookimpl\ndef wlkd_register_filters(register): register('bare', Bare)",
            'filter "bare": __init__ has to take the options, and nothing else',
        ),
        (
            "from wlkd import Filter, hookimpl\nclass Loud(Filter):\n    def open(self, wish): ...\n"
            "@hookimpl\ndef wlkd_register_filters(register): register('Speak Up', Loud)",
            'filter "Speak Up": a name has small letters, digits, - and _, like my-filter',
        ),
        (
            "from wlkd import Filter, hookimpl\nclass Tongue(Filter):\n    def open(self, wish): ...\n"
            "@hookimpl\ndef wlkd_register_filters(register): register('language', Tongue)",
            'filter "language": clients of /asr ask for something else by that name; choose another one',
        ),
        (
            "from wlkd import Filter, hookimpl\n"
            "class Late(Filter):\n    def close(self): ...\n    async def open(self, wish): ...\n"
            "@hookimpl\ndef wlkd_register_filters(register): register('late', Late)",
            'filter "late": close has to be async; filter "late": open must not be async',
        ),
    ],
    ids=[
        "mistyped",
        "unmarked",
        "empty",
        "async",
        "wrapper",
        "abstract",
        "foreign config",
        "foreign options",
        "options of no filter",
        "constructor",
        "name",
        "parameter's name",
        "plain close",
    ],
)
def test_what_would_pass_silently_is_refused(install: Install, source: str, reason: str) -> None:
    install("acme-odd", "odd", source)
    assert reasons(load_plugins(), "odd") == [reason]


def test_no_filter_may_have_the_name_of_a_parameter_of_asr() -> None:
    page = (Path(__file__).parent.parent / "docs" / "API.md").read_text(encoding="utf-8")
    rows = page[page.index("| `language` | `auto`") :].partition("\n\n")[0].splitlines()
    own = {"fillers", "numbers", "replace", "profanity"}
    assert {row.split("`")[1] for row in rows} - own == PARAMETERS


def test_an_unknown_hook_argument_is_refused(install: Install) -> None:
    install("acme-odd", "odd", "from wlkd import hookimpl\n@hookimpl\ndef wlkd_session_opened(session): pass")
    [reason] = reasons(load_plugins(), "odd")
    assert reason == "wlkd_session_opened has no argument session; it may take info"


EVERY_HOOK = """
from wlkd import Problem, hookimpl

calls = []

@hookimpl
def wlkd_register_decoders(register): calls.append(("wlkd_register_decoders", register))
@hookimpl
def wlkd_register_vads(register): calls.append(("wlkd_register_vads", register))
@hookimpl
def wlkd_register_backends(register): calls.append(("wlkd_register_backends", register))
@hookimpl
def wlkd_register_filters(register): calls.append(("wlkd_register_filters", register))
@hookimpl
def wlkd_register_diarizers(register): calls.append(("wlkd_register_diarizers", register))
@hookimpl
def wlkd_register_turn_detectors(register): calls.append(("wlkd_register_turn_detectors", register))
@hookimpl
def wlkd_register_translators(register): calls.append(("wlkd_register_translators", register))
@hookimpl
def wlkd_register_transports(register): calls.append(("wlkd_register_transports", register))
@hookimpl
def wlkd_register_commands(register): calls.append(("wlkd_register_commands", register))
@hookimpl
def wlkd_check_config(config):
    calls.append(("wlkd_check_config", config))
    return [Problem("backend", "seen")]
@hookimpl
def wlkd_check_host(config): calls.append(("wlkd_check_host", config))
@hookimpl
def wlkd_check_host(config): calls.append(("wlkd_check_host", config))
@hookimpl(tryfirst=True)
def wlkd_choose_decoder(offer):
    calls.append(("wlkd_choose_decoder", offer))
    return "mine" if offer.encoding == "mine" else None
@hookimpl
def wlkd_session_opened(info): calls.append(("wlkd_session_opened", info))
@hookimpl
def wlkd_session_updated(info, update): calls.append(("wlkd_session_updated", info, update))
@hookimpl
def wlkd_session_closed(info, reason): calls.append(("wlkd_session_closed", info, reason))
"""


def test_every_hook_is_called_in_order_with_what_its_spec_says(install: Install) -> None:
    install("acme-all", "all", EVERY_HOOK)
    plugins = load_plugins()
    [module] = [module for name, module in sys.modules.items() if _file_starts(module, EVERY_HOOK)]
    with pytest.raises(ConfigError, match="backend: seen"):
        make_config({"backend": {"name": "scripted"}, **LIGHT}, plugins)
    plugins.check_host(module.calls[-1][1])
    assert plugins.choose_decoder(StreamOffer(encoding="mine")) == "mine"
    brought_commands()
    plugins.notify("wlkd_session_opened", info=INFO)
    plugins.notify("wlkd_session_updated", info=INFO, update=EMPTY_UPDATE)
    plugins.notify("wlkd_session_closed", info=INFO, reason="finished")

    names = [call[0] for call in module.calls]
    assert names == [
        "wlkd_register_decoders",
        "wlkd_register_vads",
        "wlkd_register_backends",
        "wlkd_register_filters",
        "wlkd_register_diarizers",
        "wlkd_register_turn_detectors",
        "wlkd_register_translators",
        "wlkd_register_transports",
        "wlkd_check_config",
        "wlkd_check_host",
        "wlkd_choose_decoder",
        "wlkd_register_commands",
        "wlkd_session_opened",
        "wlkd_session_updated",
        "wlkd_session_closed",
    ]
    assert sorted(names) == HOOKS, "a new hook must be called here too"
    given = {name: arguments for name, *arguments in module.calls}
    assert all(callable(given[kind.hook][0]) for kind in KINDS.values())
    assert given["wlkd_check_config"][0].backend.name == "scripted"
    assert given["wlkd_choose_decoder"] == [StreamOffer(encoding="mine")]
    assert given["wlkd_session_opened"] == [INFO]
    assert given["wlkd_session_updated"] == [INFO, EMPTY_UPDATE]
    assert given["wlkd_session_closed"] == [INFO, "finished"]


def _file_starts(module: Any, source: str) -> bool:
    return module.__name__.startswith("outside_") and inspect.getsource(module) == source


def test_the_first_plugin_that_knows_the_offer_chooses_and_none_is_nobody(install: Install) -> None:
    choose = "from wlkd import hookimpl\n@hookimpl\ndef wlkd_choose_decoder(offer): return {}\n"
    install("acme-pass", "zz-pass", choose.format("None"))
    install("acme-say", "zz-asay", choose.format("'said' if offer.encoding == 'odd' else None"))
    plugins = load_plugins()
    assert plugins.choose_decoder(StreamOffer(encoding="odd")) == "said"


def test_an_observer_that_raises_stops_no_other_and_is_counted(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    observe = "from wlkd import hookimpl\nseen = []\n@hookimpl\ndef wlkd_session_opened(info):\n    {}\n"
    install("acme-a", "observer-a", observe.format("seen.append(info)"))
    install("acme-b", "observer-b", observe.format("raise ValueError('bad observer')"))
    install("acme-c", "observer-c", observe.format("seen.append(info) "))
    plugins = load_plugins()
    counted: list[str] = []
    plugins.on_observer_error = counted.append
    plugins.notify("wlkd_session_opened", info=INFO)
    assert counted == ["observer-b"]
    assert "wlkd_session_opened of plugin observer-b raised" in caplog.text
    observers = [
        module
        for name, module in sys.modules.items()
        if name.startswith("outside_") and "seen.append(info)" in inspect.getsource(module)
    ]
    assert [module.seen for module in observers] == [[INFO], [INFO]]


def test_a_configuration_check_that_raises_is_a_problem_of_its_plugin(install: Install) -> None:
    install(
        "acme-check",
        "check",
        "from wlkd import hookimpl\n@hookimpl\ndef wlkd_check_config(config): raise KeyError('models')",
    )
    plugins = load_plugins()
    with pytest.raises(ConfigError) as caught:
        make_config({"backend": {"name": "scripted"}, **LIGHT}, plugins)
    assert list(caught.value.problems) == [
        Problem("", "plugin check failed to check the configuration: KeyError: 'models'")
    ]


def test_check_is_quick_and_loads_no_model_library(tmp_path: Path) -> None:
    heavy = ["torch", "ctranslate2", "faster_whisper", "transformers"]
    (tmp_path / "wlkd.yaml").write_text("backend: {name: scripted}\n")
    code = (
        "import json, sys, argparse\n"
        "from wlkd.cli import check\n"
        "parser = argparse.ArgumentParser(); check.add_arguments(parser)\n"
        "status = check.main(parser.parse_args(['--config', sys.argv[1]]))\n"
        f"print(json.dumps([status, [name for name in {heavy} if name in sys.modules]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "wlkd.yaml")], capture_output=True, text=True, timeout=60
    )
    *output, verdict = done.stdout.splitlines()
    assert json.loads(verdict) == [0, []], done.stderr
    assert "backend scripted" in output[0]


DIARIST = """
from wlkd import Component, Options, hookimpl

class Ears(Component):
    \"\"\"Tells voices apart.\"\"\"

    class Config(Options):
        voices: int = 2

@hookimpl
def wlkd_register_ears(register): register("{name}", Ears)
"""


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_a_fifth_kind_takes_one_entry_in_the_table(install: Install, many: bool) -> None:
    """Hook, configuration, template and listing know a kind from its entry alone."""
    install("acme-ears", "ears", DIARIST.replace("{name}", "sharp"))
    kind = Kind("ear", Component, "Who listens.", many=many)
    plugins = load_plugins(kinds={**KINDS, "ear": kind})

    assert plugins.names("ear") == ["sharp"]
    assert dict(make_config(LIGHT, plugins))[kind.section] == ({} if many else None)
    given = {"ears": {"sharp": {"voices": 3}}} if many else {"ear": {"name": "sharp", "options": {"voices": 3}}}
    config = make_config({**LIGHT, **given}, plugins)
    options = config.many("ears")["sharp"] if many else config.one("ear").options
    assert options.model_dump() == {"voices": 3}
    with pytest.raises(ConfigError, match='no ear is called "dull"; known: sharp'):
        make_config({**LIGHT, kind.section: {"dull": {}} if many else {"name": "dull"}}, plugins)
    printed = default_configuration(plugins.components, plugins.kinds)
    assert "# Tells voices apart." in printed and "voices: 2" in printed
    assert make_config(read_document(printed).values, plugins) == make_config({}, plugins)
