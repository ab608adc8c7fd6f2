"""Options that had another name in an earlier version: read under the new name, with a warning that says it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from wlkd.config.document import Place
from wlkd.contract.components import Options
from wlkd.contract.errors import Problem

logger = logging.getLogger(__name__)


def under_new_names(
    model: type[Options], values: Any, path: Place, located: Callable[[Problem, Place], Problem]
) -> Any:
    """`values` for `model`, without the names in its `former`. Where both names are given, the new one counts."""
    if not isinstance(values, dict):
        return values
    values = dict(values)
    for old, new in model.former.items():
        if old in values:
            value = values.pop(old)
            place = (*path, old)
            if new is None:
                message = "has no effect any more; remove it"
            else:
                message = f"is called {new} now; rename it"
                values.setdefault(new, value)
            logger.warning("%s", located(Problem(".".join(map(str, place)), message), place))
    for name, field in model.model_fields.items():
        if name in values and isinstance(field.default, Options):
            values[name] = under_new_names(type(field.default), values[name], (*path, name), located)
    return values
