"""Uploads on a disk that is full."""

import errno
import os

import pytest

from wlkd.contract.errors import SessionRefused
from wlkd.transports.spool import Spool


async def test_a_full_disk_is_told_to_the_client_and_to_the_operator(monkeypatch, caplog):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    async with Spool() as spool:
        with pytest.raises(SessionRefused, match="no room for the upload") as refused:
            await spool.write(b"audio")
    assert refused.value.code == "server_full" and refused.value.retry_after_seconds
    assert "No space left on device; make room there" in caplog.text
