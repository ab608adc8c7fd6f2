"""Secrets that the configuration names: tokens, keys and certificates, as files or as systemd credentials."""

from __future__ import annotations

import os
import re
import secrets
import ssl
from pathlib import Path

from wlkd.contract.errors import ProvisionError

CREDENTIAL_STORE = Path("/etc/credstore")
COMMENT = re.compile(r"(?:^|\s)#.*")
"""A # within a word belongs to the secret."""


def credential(path: Path) -> Path:
    """`path`, or the systemd credential (LoadCredential=) of that name when it is a bare name.

    Outside of the unit, where root checks the configuration, that is the file which systemd would take it from.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if len(path.parts) != 1 or (not folder and path.exists()):
        return path
    return Path(folder or CREDENTIAL_STORE) / path


def read_tokens(path: Path | None) -> frozenset[str]:
    """One token a line; empty lines and comments, as YAML has them, do not count. Raises `ProvisionError`."""
    if path is None:
        return frozenset()
    tokens = frozenset(_secrets_in(path, "auth.tokens_file"))
    if not tokens:
        raise ProvisionError(
            f"auth.tokens_file: {credential(path)} holds no token, so nobody could connect; write one token a line, or "
            "take the option out to let everybody in"
        )
    return tokens


def _secrets_in(path: Path, option: str) -> list[str]:
    """The lines of the file that count, without comments and the blanks around them."""
    try:
        lines = credential(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ProvisionError(f"{option}: cannot read {credential(path)}: {error}") from error
    return list(filter(None, (COMMENT.sub("", line).strip() for line in lines)))


def read_certificate(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The server's end of TLS with this pair; None: there is none. Raises `ProvisionError`."""
    if certificate is None or key is None:
        return None
    certificate, key = credential(certificate), credential(key)

    def ask() -> str:
        # OpenSSL would ask on the terminal; a service has none.
        raise ProvisionError(
            f"server.tls_key: {key} has a passphrase, which nobody can type when the service starts; "
            f"`openssl pkey -in {key} -out FILE` writes it without"
        )

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, ask)
    except OSError as error:  # ssl.SSLError is one
        raise ProvisionError(f"server.tls_key: cannot use {key} with certificate {certificate}: {error}") from error
    return context


class Certificate:
    """The pair of a server that runs, whose files may be renewed."""

    def __init__(self, certificate: Path | None, key: Path | None) -> None:
        """Raises `ProvisionError`."""
        self._pair = certificate, key
        self.context = read_certificate(certificate, key)
        """The server's end of TLS; None: there is none."""
        self._content = self._read()

    def check(self) -> None:
        """Raises `ProvisionError` if the files cannot be used now."""
        read_certificate(*self._pair)

    def renew(self) -> bool:
        """Whoever connects from now on gets what the files hold, which is checked. Returns whether that is new."""
        certificate, key = self._pair
        if self.context is None or certificate is None or key is None or (content := self._read()) == self._content:
            return False
        self.context.load_cert_chain(credential(certificate), credential(key))
        self._content = content
        return True

    def _read(self) -> list[bytes]:
        return [credential(path).read_bytes() for path in self._pair if path is not None]


KEY_CHARACTERS = 32
"""At least, of a key that seals: it has to withstand guessing."""


def read_continuation_keys(path: Path | None) -> tuple[bytes, ...]:
    """One key a line, as `read_tokens`. Without a file: one that is made up, and kept in the folder that systemd keeps
    over a restart of the service, where there is one. Raises `ProvisionError`."""
    if path is None:
        # The unit's, and behind it those of its drop-ins.
        runtime = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
        return (_kept_key(Path(runtime) / "continuation-key") if runtime else secrets.token_bytes(),)
    keys = tuple(line.encode() for line in _secrets_in(path, "auth.continuation_key"))
    if not keys or min(map(len, keys)) < KEY_CHARACTERS:
        raise ProvisionError(
            f"auth.continuation_key: {credential(path)} holds no key of {KEY_CHARACTERS} characters or more; "
            "`openssl rand -base64 32` makes one"
        )
    return keys


def _kept_key(path: Path) -> bytes:
    """The key at `path`; made where there is none."""
    try:
        if not path.exists():
            # Whole or not at all: what a full disk leaves of a key could be guessed.
            new = path.with_suffix(".new")
            new.touch(0o600)
            new.write_bytes(secrets.token_bytes())
            new.replace(path)
        return path.read_bytes()
    except OSError as error:
        raise ProvisionError(
            f"cannot keep a key in {path}: {error}; make room there, or name a file that holds one with "
            "auth.continuation_key"
        ) from error
