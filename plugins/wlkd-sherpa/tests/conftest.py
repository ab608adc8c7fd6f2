"""A model to test with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .random_transducer import make_transducer as write_transducer


@pytest.fixture(scope="session")
def make_transducer() -> Callable[[Path], None]:
    """Writes one with random weights into a new folder."""
    return write_transducer
