"""Uploads on a disk that is full, and of clients that leave."""

import asyncio
import errno
import io
import os
import tempfile
import threading

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


async def test_a_large_upload_is_thrown_away_while_live_streams_go_on(monkeypatch, tmp_path):
    threads = []

    class Large(io.FileIO):
        def close(self):
            threads.append(threading.current_thread())
            super().close()

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: Large(tmp_path / "upload", "w+"))
    async with Spool() as spool:
        await spool.write(b"audio")
        file = spool.file
    assert file.closed and threads[0] is not threading.main_thread()


async def test_a_client_that_leaves_writes_into_nobody_elses_upload(monkeypatch):
    at_work, may_go_on = threading.Event(), threading.Event()
    write = os.pwrite

    def slow(*arguments):
        at_work.set()
        may_go_on.wait(5)
        return write(*arguments)

    async def leave():
        async with Spool() as spool:
            await spool.write(b"of one who leaves")

    monkeypatch.setattr(os, "pwrite", slow)
    leaving = asyncio.create_task(leave())
    await asyncio.to_thread(at_work.wait)
    leaving.cancel()
    # As long as it is written to, no other file gets its descriptor.
    done, _ = await asyncio.wait({leaving}, timeout=0.05)
    async with Spool() as other:
        may_go_on.set()
        await asyncio.wait({leaving})
        await asyncio.sleep(0.05)
        assert os.fstat(other.file.fileno()).st_size == 0
    assert not done and leaving.cancelled()
