"""Finds plugins through the entry-point group `wlkd`, loads them one by one, and keeps what they register.

No plugin has a privileged path, and none can take another down: what fails is left out and said.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

from wlkd import hookspecs
from wlkd.config.options import Config
from wlkd.contract.components import Component
from wlkd.contract.errors import PluginError, Problem
from wlkd.contract.kinds import KINDS, PARAMETERS, Kind, Registered
from wlkd.contract.types import StreamOffer
from wlkd.discovery import GROUP, ImportFailed, discover, import_plugin, origin, reason
from wlkd.hookspecs import registration_hooks

logger = logging.getLogger(__name__)

NAME = re.compile(r"[a-z][a-z0-9_-]*")
"""Of a component: a word in the configuration, and for filters in a client's query."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin that was left out, and why."""

    plugin: str
    distribution: str
    version: str
    reason: str
    claims: frozenset[tuple[str, str]] = frozenset()
    """Components that it would have registered, as far as is known."""

    def __str__(self) -> str:
        return f"plugin {self.plugin} ({self.distribution} {self.version}): {self.reason}"


class Plugins:
    """The loaded plugins: looks components up, asks hooks, tells observers."""

    def __init__(self, manager: pluggy.PluginManager, kinds: Mapping[str, Kind] = KINDS) -> None:
        self.kinds = kinds
        self.failures: list[Failure] = []
        self.on_observer_error: Callable[[str], None] = _ignore
        """Called with the plugin's name whenever one of its observers raised; for a counter."""
        self._manager = manager
        self._components: dict[tuple[str, str], Registered] = {}

    @property
    def components(self) -> list[Registered]:
        """Everything registered, by kind and name."""
        order = list(self.kinds)
        return sorted(self._components.values(), key=lambda entry: (order.index(entry.kind), entry.name))

    def names(self, kind: str) -> list[str]:
        """Registered names of one kind, sorted."""
        return [entry.name for entry in self.components if entry.kind == kind]

    def component(self, kind: str, name: str) -> type[Component[Any]]:
        """The class registered as `name`.

        Raises `PluginError` when there is none, naming those there are and the plugins that failed to load,
        and when several plugins claim the name: which of them answers must not depend on the order of loading.
        """
        rivals = [failure for failure in self.failures if (kind, name) in failure.claims]
        entry = self._components.get((kind, name))
        if entry is None or rivals:
            raise PluginError(self._unavailable(kind, name, rivals))
        return entry.component

    def check_config(self, config: Config) -> list[Problem]:
        """What plugins find wrong with `config`. One that raises is itself a problem."""
        return self._problems("wlkd_check_config", config)

    def check_host(self, config: Config) -> list[Problem]:
        """What plugins miss on this machine that `config` needs. One that raises is itself a problem."""
        return self._problems("wlkd_check_host", config)

    def _problems(self, hook_name: str, config: Config) -> list[Problem]:
        problems: list[Problem] = []
        for plugin, call in self._calls(hook_name, {"config": config}):
            try:
                problems.extend(call() or ())
            except Exception as error:
                logger.debug("%s of plugin %s raised", hook_name, plugin, exc_info=True)
                problems.append(Problem("", f"plugin {plugin} failed to check the configuration: {reason(error)}"))
        return problems

    def choose_decoder(self, offer: StreamOffer) -> str | None:
        """The first plugin's answer to which decoder reads `offer`; None when all pass. Raises what one raises."""
        name: str | None = self._manager.hook.wlkd_choose_decoder(offer=offer)
        return name

    def observers(self) -> list[str]:
        """Names of the plugins that look on at sessions, sorted."""
        hooks = (hook for hook in vars(self._manager.hook) if hook.startswith("wlkd_session_"))
        return sorted(
            {impl.plugin_name for hook in hooks for impl in getattr(self._manager.hook, hook).get_hookimpls()}
        )

    def notify(self, hook_name: str, **arguments: Any) -> None:
        """Tell every observer, each in its own try: one that raises is logged and counted, no more."""
        for plugin, call in self._calls(hook_name, arguments):
            try:
                call()
            except Exception:
                logger.exception("%s of plugin %s raised", hook_name, plugin)
                self.on_observer_error(plugin)

    def _calls(self, hook_name: str, arguments: Mapping[str, Any]) -> Iterable[tuple[str, Callable[[], Any]]]:
        """One call per plugin that implements the hook, in pluggy's order: last registered first."""
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook_name)
        for impl in reversed(caller.get_hookimpls()):
            yield impl.plugin_name, partial(impl.function, *(arguments[name] for name in impl.argnames))

    def _unavailable(self, kind: str, name: str, rivals: list[Failure]) -> str:
        entry = self._components.get((kind, name))
        if entry and rivals:
            others = ", ".join(f"{rival.distribution} {rival.version}" for rival in rivals)
            return f'{kind} "{name}" is offered by both {entry.distribution} {entry.version} and {others}: remove one'
        if rivals:
            return f'{kind} "{name}" is not available: {rivals[0]}'
        known = self.names(kind)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        failed = "".join(f"; {failure}" for failure in self.failures)
        return f'no {kind} is called "{name}"; known: {", ".join(known) or "none"}{hint}{failed}'

    def _register(self, plugin: str, point: EntryPoint) -> None:
        """Take in what the hooks of `plugin`, the last one added to the manager, register: all of it or nothing."""
        staged: dict[tuple[str, str], Registered] = {}
        mistakes: list[str] = []

        def registry(kind: str) -> Callable[[str, type[Component[Any]]], None]:
            def register(name: str, component: type[Component[Any]]) -> None:
                entry = Registered(kind, name, component, plugin, *origin(point.dist))
                mistakes.extend(_mistakes(entry, self.kinds[kind].base))
                if taken := staged.get((kind, name)) or self._components.get((kind, name)):
                    mistakes.append(f'{kind} "{name}" is taken by {taken.distribution} {taken.version}')
                staged.setdefault((kind, name), entry)

            return register

        try:
            for kind in self.kinds.values():
                for owner, call in self._calls(kind.hook, {"register": registry(kind.name)}):
                    if owner == plugin:
                        call()
        except Exception as error:
            mistakes.append(reason(error))
        if mistakes:
            raise _Refused("; ".join(mistakes), frozenset(staged))
        self._components.update(staged)

    def _load(self, point: EntryPoint) -> None:
        try:
            module = import_plugin(point)
        except ImportFailed as error:
            raise _Refused(str(error)) from error
        name = point.name
        try:
            self._manager.register(module, name=name)
            self._manager.check_pending()
            hooks = self._manager.get_hookcallers(module) or []
            _check_hooks(module, hooks, name)
            self._register(name, point)
        except (pluggy.PluginValidationError, ValueError, _Refused) as error:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            claims = error.claims if isinstance(error, _Refused) else frozenset()
            raise _Refused(self._pluggy_words(error), claims) from error

    def _pluggy_words(self, error: Exception) -> str:
        words = str(error)
        if isinstance(error, pluggy.PluginValidationError) and words.startswith("unknown hook"):
            name = words.split("'")[1]
            known = [hook for hook, caller in vars(self._manager.hook).items() if caller.has_spec()]
            close = difflib.get_close_matches(name, known, n=1)
            return f"there is no hook {name}" + (f"; did you mean {close[0]}?" if close else "")
        if isinstance(error, pluggy.PluginValidationError) and "can not be found in the hookspec" in words:
            hook = words.split("'")[3]
            arguments = ", ".join(getattr(self._manager.hook, hook).spec.argnames)
            unknown = words.rpartition("{")[2].partition("}")[0].replace("'", "")
            return f"{hook} has no argument {unknown}; it may take {arguments}"
        return words.replace("\n", "; ")


class _Refused(Exception):
    """A plugin is left out, with the components it would have registered."""

    def __init__(self, reason: str, claims: frozenset[tuple[str, str]] = frozenset()) -> None:
        super().__init__(reason)
        self.claims = claims


def load_plugins(named: Iterable[str] = (), kinds: Mapping[str, Kind] = KINDS) -> Plugins:
    """Load every plugin that is installed.

    One that fails is left out, logged and listed in `failures`; raises `PluginError` instead when `named` has
    its name. (A configuration names components: `Plugins.component` tells about the failures then.)
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.add_hookspecs(registration_hooks(kinds.values()))
    plugins = Plugins(manager, kinds)
    for name, points in discover().items():
        if len(points) == 1:
            try:
                plugins._load(points[0])
            except _Refused as error:
                plugins.failures.append(Failure(name, *origin(points[0].dist), str(error), error.claims))
        else:
            both = " and ".join(" ".join(origin(point.dist)) for point in points)
            reason = f'the name "{name}" is taken twice, by {both}: remove one of them'
            # Which twin came first is an accident of sys.path, so neither is loaded.
            plugins.failures.append(Failure(name, *origin(points[0].dist), reason, frozenset()))
    required = set(named)
    for failure in plugins.failures:
        if failure.plugin in required:
            raise PluginError(str(failure))
        logger.warning("%s; left out", failure)
    return plugins


def _mistakes(entry: Registered, base: type[Component[Any]]) -> Iterable[str]:
    if not (isinstance(entry.component, type) and issubclass(entry.component, base)):
        yield f'{entry.kind} "{entry.name}" is not a subclass of wlkd.{base.__name__}'
        return
    if missing := sorted(entry.component.__abstractmethods__):
        yield f'{entry.kind} "{entry.name}" does not define {", ".join(missing)}'
    # The daemon reads the options that all of the kind have, such as a filter's `active`.
    if not issubclass(entry.component.Config, base.Config):
        options = f"wlkd.{base.Config.__name__}"
        yield f'{entry.kind} "{entry.name}": {entry.component.Config.__name__} is not a subclass of {options}'
    try:
        inspect.signature(entry.component).bind(None)
    except TypeError:
        yield f'{entry.kind} "{entry.name}": __init__ has to take the options, and nothing else'
    for name, method in inspect.getmembers(base, inspect.isfunction):
        if inspect.iscoroutinefunction(method) != inspect.iscoroutinefunction(getattr(entry.component, name)):
            must = "has to be" if inspect.iscoroutinefunction(method) else "must not be"
            yield f'{entry.kind} "{entry.name}": {name} {must} async'
    if entry.kind == "filter" and entry.name in PARAMETERS:
        yield f'filter "{entry.name}": clients of /asr ask for something else by that name; choose another one'
    if not NAME.fullmatch(entry.name):
        yield f'{entry.kind} "{entry.name}": a name has small letters, digits, - and _, like my-{entry.kind}'


def _check_hooks(module: Any, callers: Iterable[pluggy.HookCaller], plugin: str) -> None:
    """What pluggy lets pass silently: no hook at all, unmarked hooks, async hooks and wrappers."""
    implemented = set()
    for caller in callers:
        implemented.add(caller.name)
        for impl in caller.get_hookimpls():
            if impl.plugin_name != plugin:
                continue
            if impl.hookwrapper or impl.wrapper:
                raise _Refused(f"{caller.name} is a hook wrapper, which wlkd does not call")
            if inspect.iscoroutinefunction(impl.function):
                raise _Refused(f"{caller.name} is async: nobody would await it; hooks are plain functions")
    for name, value in vars(module).items():
        if name.startswith(f"{GROUP}_") and inspect.isfunction(value) and name not in implemented:
            raise _Refused(f"{name} is not marked with @hookimpl")
    if not implemented:
        raise _Refused("implements no hook")


def _ignore(plugin: str) -> None:
    """Nobody counts observer errors yet."""
