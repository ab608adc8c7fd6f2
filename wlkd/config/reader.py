"""Reads the configuration: YAML to options, with every problem at once and each at its line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from wlkd.config.document import Document, Place, read_document, read_scalar
from wlkd.config.files import mode_of, user_name
from wlkd.config.former import under_new_names
from wlkd.config.messages import explain, option_names
from wlkd.config.options import DEFAULT_ENGINE, Config, EnginePart, Part, Settings
from wlkd.config.ports import ports_in_use
from wlkd.config.secrets import credential, read_certificate, read_continuation_keys, read_tokens
from wlkd.contract.components import Component, Options
from wlkd.contract.errors import ConfigError, PluginError, Problem, ProvisionError
from wlkd.contract.kinds import Kind

logger = logging.getLogger(__name__)

DEFAULT_PATH = Path("/etc/wlkd.yaml")
COMMAND_LINE = "command line"
"""Stands for the file in a problem with an override."""

AnyOptions = TypeVar("AnyOptions", bound=Options)


class _PartText(Options):
    """A part as the file writes it."""

    name: str
    options: dict[str, Any] | None = None


class _EngineText(_PartText):
    """A further backend as the file writes it."""

    required: bool = True


class Components(Protocol):
    """What the configuration needs to know about plugins; `wlkd.plugins.Plugins` is it."""

    @property
    def kinds(self) -> Mapping[str, Kind]: ...

    def component(self, kind: Any, name: str) -> type[Component[Any]]: ...

    def check_config(self, config: Config) -> list[Problem]: ...

    def check_host(self, config: Config) -> list[Problem]: ...


def load_config(path: Path, plugins: Components, overrides: Mapping[str, Any] = {}, *, host: bool = False) -> Config:
    """Read the file at `path`, put `overrides` (dotted path to value) over it, and bind component options.

    Plugins have checked the result; with `host`, also whether this machine has what it needs. Raises `ConfigError`
    with every problem found, each with its line.
    """
    return _Reading(str(path), read_document(_text(path)), plugins, overrides).config(host=host)


def make_config(values: Mapping[str, Any], plugins: Components) -> Config:
    """The configuration of a file that says `values`. Raises `ConfigError`."""
    return _Reading(None, Document(json.loads(json.dumps(values))), plugins, {}).config()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        remedy = f"wlkd check --print-default > {path}"
        message = f"there is no such file; `{remedy}` makes one with every default"
    except IsADirectoryError:
        message = "is a folder; name the file"
    except PermissionError:
        message = f"user {user_name()} may not read it{mode_of(path)}"
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem("", "is not UTF-8 text", str(path), line)]) from error
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    raise ConfigError([Problem("", message, str(path))])


def _unusable(config: Config) -> Iterator[Problem]:
    """Files that the core needs and could not use."""
    server, auth = config.server, config.auth
    pair = {"server.tls_certificate": server.tls_certificate, "server.tls_key": server.tls_key}
    yield from _failing(pair, read_certificate)
    yield from _failing({"auth.tokens_file": auth.tokens_file}, read_tokens)
    yield from _failing({"auth.continuation_key": auth.continuation_key}, read_continuation_keys)


def _failing(files: Mapping[str, Path | None], read: Callable[..., object]) -> Iterator[Problem]:
    """Those of `files`, by option, that cannot be opened; if all can, what `read` makes of them."""
    given = {option: credential(path) for option, path in files.items() if path is not None}
    opened = 0
    for option, path in given.items():
        try:
            path.open("rb").close()
            opened += 1
        except PermissionError:
            yield Problem(option, f"user {user_name()} may not read {path}{mode_of(path)}")
        except OSError as error:
            yield Problem(option, f"{path} cannot be read: {error.strerror}")
    if given and opened == len(files):
        try:
            read(*files.values())
        except ProvisionError as error:
            option, _, message = str(error).partition(": ")
            yield Problem(option, message)


def _needed(problems: Iterable[Problem], config: Config) -> Iterator[Problem]:
    """Those that keep the daemon from starting: it goes on without engines that are not `required`."""
    spared = [f"engines.{name}." for name, part in config.engines.items() if not _is_required(part)]
    for problem in problems:
        if any(problem.path.startswith(place) for place in spared):
            logger.warning("%s; the other engines go on without this one", problem)
        else:
            yield problem


def _is_required(part: Part) -> bool:
    return not isinstance(part, EnginePart) or part.required


class _Reading:
    """One pass over one document: collects problems, and makes the configuration when there are none."""

    def __init__(self, file: str | None, source: Document, plugins: Components, overrides: Mapping[str, Any]) -> None:
        self._file = file
        self._source = source
        self._plugins = plugins
        self._kinds = {kind.section: kind for kind in plugins.kinds.values()}
        self._further = {kind.further: kind for kind in plugins.kinds.values() if kind.further}
        self._overridden: list[Place] = []
        self._problems = [
            Problem(_dotted(mistake.place), mistake.message, file, mistake.line) for mistake in source.mistakes
        ]
        self._values = self._sections(source.values)
        # Names first: an option on the command line belongs to the component that the command line names.
        for option, value in sorted(overrides.items(), key=lambda item: not item[0].endswith(".name")):
            self._override(tuple(option.split(".")), value)

    def config(self, *, host: bool = False) -> Config:
        sections = (*self._kinds, *self._further)
        core = {name: value for name, value in self._values.items() if name not in sections}
        settings = self._validate(Settings, core, (), known=(*option_names(Settings), *sections))
        parts: dict[str, Any] = {section: self._section(kind) for section, kind in self._kinds.items()}
        for section, kind in self._further.items():
            parts[section] = self._further_parts(section, kind)
            if settings is not None:
                self._check_routing(settings, parts[section])
        if self._problems or settings is None:
            raise ConfigError(sorted(self._problems, key=_place))
        config = Config(**dict(settings), **parts)
        found = [*_unusable(config), *self._plugins.check_config(config)]
        if host and not found:
            found = [*ports_in_use(config), *_needed(map(self._located, self._plugins.check_host(config)), config)]
        if found:
            raise ConfigError(sorted(map(self._located, found), key=_place))
        return config

    def _sections(self, values: Any) -> dict[str, Any]:
        """The top level, where an empty section means its defaults."""
        if values is None:
            return {}
        if not isinstance(values, dict):
            message = "must be options, `name: value` in lines, not a list or a single value"
            self._problems.append(Problem("", message, self._file, self._source.lines[()]))
            return {}
        sections = {name for name, field in Settings.model_fields.items() if isinstance(field.default, Options)}
        return {
            name: {} if value is None and name in sections else value
            for name, value in values.items()
            if value is not None or name not in (*self._kinds, *self._further)
        }

    def _override(self, path: Place, value: Any) -> None:
        self._overridden.append(path)
        target = self._values
        defaults: Any = {section: _as_written(kind) for section, kind in self._kinds.items()}
        for depth, part in enumerate(path[:-1]):
            defaults = defaults.get(part) if isinstance(defaults, Mapping) else None
            inner = target.get(str(part))
            if inner is None:
                inner = target[str(part)] = json.loads(json.dumps(defaults)) if defaults and depth == 0 else {}
            if not isinstance(inner, dict):
                self._report(path, f"{_dotted(path[: depth + 1])} has no options")
                return
            target = inner
        is_one = path[0] in self._kinds and not self._kinds[str(path[0])].many
        if is_one and path[1:] == ("name",) and target.get("name") != value:
            target["options"] = {}  # what the file says there is for the component that it names
        target[str(path[-1])] = value

    def _section(self, kind: Kind) -> Part | dict[str, Options] | None:
        """What the file, or the default, says about the components of one kind."""
        given = self._values.get(kind.section, _as_written(kind))
        if kind.many:
            return self._named_parts(kind, given)
        return None if given is None else self._part(kind, given)

    def _part(self, kind: Kind, given: Any) -> Part | None:
        section = kind.section
        if isinstance(given, dict) and kind.default:
            given = {"name": next(iter(kind.default)), **given}
        text = self._validate(_PartText, given, (section,))
        if text is None:
            return None
        options = self._component_options(kind.name, text.name, (section, "name"), text.options, (section, "options"))
        return None if options is None else Part(name=text.name, options=options)

    def _further_parts(self, section: str, kind: Kind) -> dict[str, EnginePart]:
        """More components of a kind of which there is one, by the names that the operator gave them."""
        given = self._values.get(section, {})
        if not isinstance(given, dict):
            self._report((section,), f"must name each further {kind.name}: `english: {{name: …, options: {{…}}}}`")
            return {}
        found: dict[str, EnginePart] = {}
        for name, values in given.items():
            place = (section, name)
            if name == DEFAULT_ENGINE:
                self._report(place, f'"{name}" is what {kind.section} is called; give this one another name')
                continue
            text = self._validate(_EngineText, values, place)
            if text is None:
                continue
            options = self._component_options(kind.name, text.name, (*place, "name"), text.options, (*place, "options"))
            if options is not None:
                found[name] = EnginePart(name=text.name, options=options, required=text.required)
        return found

    def _check_routing(self, settings: Settings, engines: Mapping[str, EnginePart]) -> None:
        written = self._values.get("engines")
        known = [DEFAULT_ENGINE, *(written if isinstance(written, dict) else engines)]
        for language, name in settings.routing.items():
            if name not in known:
                self._report(("routing", language), f'there is no engine "{name}"; known: {", ".join(known)}')

    def _named_parts(self, kind: Kind, given: Any) -> dict[str, Options]:
        section = kind.section
        if not isinstance(given, dict) or not (given or not kind.default):
            self._report((section,), f"must name at least one {kind.name}, as `name:` in an indented line")
            return {}
        if kind.adds:
            given = {**_as_written(kind), **given}
            given = {name: values for name, values in given.items() if values is not False}
            if not given:
                self._report((section,), f"leaves no {kind.name} in use")
        found: dict[str, Options] = {}
        for name, values in given.items():
            options = self._component_options(kind.name, name, (section, name), values, (section, name))
            if options is not None:
                found[name] = options
        return found

    def _component_options(self, kind: str, name: str, name_path: Place, values: Any, path: Place) -> Options | None:
        """The options of a component, read by its own `Config`; None after a problem."""
        try:
            component = self._plugins.component(kind, name)
        except PluginError as error:
            self._report(name_path, str(error))
            return None
        return self._validate(component.Config, {} if values is None else values, path)

    def _validate(
        self, model: type[AnyOptions], values: Any, path: Place, known: Sequence[str] = ()
    ) -> AnyOptions | None:
        """`values` as a `model`. Through JSON, where strict means what a person expects: `7100` is not text,
        `true` is not a number, and a path is text. `known`: names to suggest for an unknown one at the top."""
        values = under_new_names(model, values, path, self._located)
        try:
            return model.model_validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            for below, message in explain(error, values, model, known):
                self._report((*path, *below), message)
        except Exception as error:  # a plugin's validator may raise anything; it must not take the check down
            reason = str(error).partition("\n")[0]
            self._report(path, f"could not be read: {type(error).__name__}: {reason}")
        return None

    def _report(self, path: Place, message: str) -> None:
        self._problems.append(self._located(Problem(_dotted(path), message), path))

    def _located(self, problem: Problem, path: Place | None = None) -> Problem:
        """`problem` with the file and line of its path."""
        place = path if path is not None else self._path_of(problem.path)
        if self._is_overridden(place):
            return Problem(problem.path, problem.message, COMMAND_LINE)
        return Problem(problem.path, problem.message, self._file, self._source.line(place))

    def _is_overridden(self, place: Place) -> bool:
        return any(
            place[: len(given)] == given or (given[: len(place)] == place and place not in self._source.lines)
            for given in self._overridden
            if place
        )

    def _path_of(self, dotted: str) -> Place:
        """The path whose dotted form is `dotted`, where the document has one: a key may itself hold a dot."""
        known = {_dotted(path): path for path in self._source.lines}
        return known.get(dotted, tuple(dotted.split(".")) if dotted else ())


def _as_written(kind: Kind) -> Any:
    """The default of a kind's section, as a file would say it; None: no component is in use."""
    if kind.many:
        return {name: dict(options) for name, options in kind.default.items()}
    return next(({"name": name, "options": dict(options)} for name, options in kind.default.items()), None)


def _dotted(path: Place) -> str:
    return ".".join(str(part) for part in path)


def _place(problem: Problem) -> tuple[bool, int]:
    return problem.line is None, problem.line or 0


def parse_setting(text: str) -> tuple[str, Any]:
    """`PATH=VALUE` of the command line as an override; the value is read as in the file. Raises ValueError."""
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise ValueError(f"{text!r} is not PATH=VALUE, like server.port=7200")
    return path.strip(), read_scalar(value)
