"""Single components, as measurements in their own process need them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from wlkd import ConfigError, Context, Problem
from wlkd.config.messages import explain
from wlkd.plugins import load_plugins


def add_options(parser: argparse.ArgumentParser) -> None:
    """`-o NAME=VALUE`, repeatable: pairs in `option`, each value read as YAML."""
    parser.add_argument(
        "-o", "--option", action="append", default=[], type=_pair, metavar="NAME=VALUE", help="of the backend"
    )


def _pair(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text}: give it as NAME=VALUE")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"{text}: the value is not YAML: {error}") from error


async def component(kind: str, name: str, options: Mapping[str, Any], ctx: Context) -> Any:
    """A provisioned component.

    Raises `PluginError` for a name that no plugin has, `ConfigError` for wrong options, and `ProvisionError`.
    """
    cls = load_plugins([name]).component(kind, name)
    try:
        config = cls.Config(**options)
    except ValidationError as error:
        mistakes = explain(error, options, cls.Config)
        raise ConfigError([Problem(".".join(map(str, place)), words) for place, words in mistakes]) from error
    made = cls(config)
    await made.provision(ctx)
    return made
