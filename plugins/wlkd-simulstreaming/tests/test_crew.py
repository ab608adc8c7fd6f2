"""Threads that share a step's work."""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from wlkd_simulstreaming.crew import Crew


def test_each_part_has_a_thread_and_the_first_is_the_callers():
    together = threading.Barrier(3, timeout=30)

    def names(part: int) -> tuple[int, threading.Thread]:
        together.wait()  # Fails unless three threads are here at once.
        return part, threading.current_thread()

    results = Crew(3).share(names, [5, 6, 7])
    assert [part for part, _ in results] == [5, 6, 7]
    assert results[0][1] is threading.current_thread()
    assert len({thread for _, thread in results}) == 3


def test_every_thread_computes_in_inference_mode():
    crew = Crew(2)
    with torch.inference_mode():
        assert crew.share(lambda _: torch.is_inference_mode_enabled(), [0, 1]) == [True, True]


def test_what_goes_wrong_in_any_part_goes_wrong_for_the_step():
    def fails(part: int) -> int:
        if part == 1:
            raise ValueError("too long")
        return part

    crew = Crew(2)
    with pytest.raises(ValueError, match="too long"):
        crew.share(fails, [0, 1])
    assert crew.share(fails, [2, 3]) == [2, 3]


def test_a_step_that_is_not_alone_has_its_own_thread_only():
    crew, inside, go_on = Crew(2), threading.Event(), threading.Event()

    def other_step() -> None:
        with crew.step():
            inside.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor(1) as other, crew.step():
        assert threads_of(crew) == 2
        running = other.submit(other_step)
        assert inside.wait(30)
        assert threads_of(crew) == 1
        go_on.set()
        running.result(30)
        assert threads_of(crew) == 2


def test_a_step_that_failed_is_over():
    crew = Crew(2)
    with pytest.raises(ValueError, match="no"), crew.step():
        raise ValueError("no")
    with crew.step():
        assert threads_of(crew) == 2


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_gathered_threads_run_on_different_processors():
    crew, allowed = Crew(2), os.sched_getaffinity(0)
    with crew.gathered():
        own, other = crew.share(lambda _: os.sched_getaffinity(0), [0, 1])
    assert len(own) == 1
    assert other
    assert not own & other
    assert os.sched_getaffinity(0) == allowed


def threads_of(crew: Crew) -> int:
    with crew.gathered() as threads:
        return threads


@pytest.mark.usefixtures("one_thread")
def test_its_threads_compute_on_one_each() -> None:
    crew = Crew(2)
    torch.set_num_threads(2)
    assert crew.share(lambda _: torch.get_num_threads(), range(2))[1] == 1


def test_its_threads_end_with_it() -> None:
    crew = Crew(2)
    _, other = crew.share(lambda _: threading.current_thread(), range(2))
    del crew
    gc.collect()
    other.join(30)
    assert not other.is_alive()
