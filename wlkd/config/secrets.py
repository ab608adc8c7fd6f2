"""Secrets that the configuration names: tokens, keys and certificates, as files or as systemd credentials."""

from __future__ import annotations

import os
from pathlib import Path

from wlkd.contract.errors import ProvisionError

CREDENTIAL_STORE = Path("/etc/credstore")


def credential(path: Path) -> Path:
    """`path`, or the systemd credential (LoadCredential=) of that name when it is a bare name.

    Outside of the unit, where root checks the configuration, that is the file which systemd would take it from.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if len(path.parts) != 1 or (not folder and path.exists()):
        return path
    return Path(folder or CREDENTIAL_STORE) / path


def read_tokens(path: Path | None) -> frozenset[str]:
    """One token a line; empty lines and lines that begin with # do not count. Raises `ProvisionError`."""
    if path is None:
        return frozenset()
    try:
        lines = credential(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ProvisionError(f"auth.tokens_file: cannot read {credential(path)}: {error}") from error
    tokens = frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not tokens:
        raise ProvisionError(f"auth.tokens_file: {credential(path)} holds no token, so nobody could connect")
    return tokens
