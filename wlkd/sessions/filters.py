"""Which of the configured text filters a session has: the configuration's choice, changed by what its client says."""

from __future__ import annotations

from collections.abc import Mapping

from wlkd.contract.components import Filter, TextFilter
from wlkd.contract.errors import BadParameter
from wlkd.contract.returned import opened

QUERY_NAME = "filters"
"""What clients name filters under: `numbers,-profanity` switches one on and one off."""
MAX_WISH_CHARACTERS = 4096


class Filters:
    """The configured filters by name, in the order in which they work."""

    def __init__(self, configured: Mapping[str, Filter]) -> None:
        self._configured = configured

    def choose(self, query: Mapping[str, str], before: Mapping[str, TextFilter] | None = None) -> dict[str, TextFilter]:
        """The filters of a session that asks for `query`, and had those `before`; None: it is new.

        A wish under a filter's own name switches it on. Raises `BadParameter`.
        """
        switched = self._switched(query.get(QUERY_NAME, ""))
        chosen: dict[str, TextFilter] = {}
        for name, component in self._configured.items():
            wish = query.get(name, "")
            if len(wish) > MAX_WISH_CHARACTERS:
                raise BadParameter(name, f"{name} has {len(wish)} characters; at most {MAX_WISH_CHARACTERS}")
            present = None if before is None else before.get(name)
            active = component.config.active if before is None else present is not None
            if switched.get(name, active or bool(wish)):
                chosen[name] = present if present and not wish else opened(component, component.open(wish), TextFilter)
        return chosen

    def _switched(self, text: str) -> dict[str, bool]:
        switched = {}
        for part in filter(None, map(str.strip, text.split(","))):
            name = part.removeprefix("-")
            if name not in self._configured:
                known = ", ".join(self._configured) or "none: this server has no filters"
                raise BadParameter(QUERY_NAME, f"unknown filter {name!r}; known: {known}")
            switched[name] = not part.startswith("-")
        return switched
