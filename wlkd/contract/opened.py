"""What a component's `open()` returned."""

from __future__ import annotations

from typing import Any, TypeVar

from wlkd.contract.components import Component

T = TypeVar("T")


def opened(component: Component[Any], stream: T, kind: type[Any]) -> T:
    """`stream`, which `component.open()` returned. Raises `TypeError`: without its `return` it would fail elsewhere."""
    if not isinstance(stream, kind):
        raise TypeError(f"{type(component).__name__}.open() returned {stream!r}; due is a {kind.__name__}")
    return stream
