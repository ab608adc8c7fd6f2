import asyncio
import os
import signal

import pytest
from wlkd_bench.stopping import run_to_its_end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_a_measurement_started_is_stopped_when_it_is_ended(number):
    started = []

    async def measurement():
        process = await asyncio.create_subprocess_exec("sleep", "60")
        started.append(process)
        try:
            os.kill(os.getpid(), number)
            await process.wait()
        finally:
            process.terminate()
            await process.wait()

    with pytest.raises(SystemExit) as ended:
        run_to_its_end(measurement())
    assert ended.value.code == 128 + number
    assert started[0].returncode == -signal.SIGTERM


def test_a_measurement_that_ends_by_itself_has_its_result():
    async def measurement():
        return 7

    assert run_to_its_end(measurement()) == 7
