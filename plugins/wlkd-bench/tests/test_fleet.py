"""The day of a fleet in virtual time."""

import numpy as np
import pytest
from wlkd_bench.fleet.balancer import Balancer, Machine
from wlkd_bench.fleet.day import at_once, busiest_moment, sessions
from wlkd_bench.fleet.simulation import Assumptions, Simulation


def test_as_many_people_at_once_as_asked_for_and_when_meetings_have_begun():
    day = sessions(1000, np.random.default_rng(1))
    assert at_once(day) == pytest.approx(1000, rel=0.1)
    assert 10 * 3600 < busiest_moment(day) < 12 * 3600


def test_a_full_machine_is_passed_over_even_before_the_balancer_knows():
    balancer = Balancer()
    small, large = Machine(places=1), Machine(places=3)
    for machine in (small, large):
        balancer.update(machine)
    for session in range(4):
        machine = balancer.place()
        assert machine is not None
        machine.streams.add(session)
        machine.connections += 1
        balancer.update(machine)
    assert (len(small.streams), len(large.streams)) == (1, 3)
    assert balancer.place() is None
    assert (small.agent, large.agent) == (0, 0)


def test_enough_machines_refuse_nobody_and_whoever_can_resume_is_not_cut_off():
    day = Simulation(200, 12, 0, Assumptions(plain=0.0)).run()
    assert (day.refused, day.gave_up, day.cut) == (0, 0, 0)
    assert day.moved > 0 and day.resumed > 0
    assert len(day.gaps) <= day.moved + day.resumed and max(day.gaps) < 5
    assert sum(day.stream_seconds) == pytest.approx(sessions(200, np.random.default_rng(0))[:, 1].sum(), rel=0.01)


def test_too_few_machines_refuse_people_and_a_seed_repeats_its_day():
    few = Simulation(200, 7, 0, Assumptions()).run()
    assert few.refused > 0 and few.busiest <= 7 * 24
    assert Simulation(200, 7, 0, Assumptions()).run() == few


def test_a_day_stops_as_soon_as_too_many_are_refused():
    assert Simulation(200, 4, 0, Assumptions()).run(most_refused=0.001).refused < 5
