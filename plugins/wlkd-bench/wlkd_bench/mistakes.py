"""What whoever runs a measurement can mend themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from wlkd import ConfigError, PluginError, ProvisionError
from wlkd.client import ClientError
from wlkd_bench.clips import ManifestError
from wlkd_bench.daemon import DaemonError
from wlkd_bench.report import ReportError

MISTAKES = (ManifestError, ReportError, ConfigError, PluginError, ProvisionError, DaemonError, ClientError)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Such a mistake is told in its own words on stderr, without a traceback, and ends the program with status 2."""
    try:
        yield
    except MISTAKES as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
