"""How many cores are free: the choice on simulated neighbours, and the reading of /proc/stat."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.free_cores import (
    PERIOD,
    Choice,
    FreeCores,
    LinuxMeter,
    Sample,
    limit_spinning,
)

# What the others would use if they had the machine alone, in cores, at a time in seconds.
Load = Callable[[float], float]
TICK = 0.004


class Machine:
    """A machine that shares its cores fairly between the others and a process that always runs."""

    def __init__(self, cores: int, load: Load, seed: int = 0, spare: int = 0) -> None:
        self.choice = Choice(cores, spare)
        self.cores = cores + spare
        self.load = load
        self.time = self.busy = self.own = 0.0
        self.noise = random.Random(seed)
        self.choice.add(self.sample())

    def run(self, seconds: float) -> list[int]:
        """The counts chosen in each period; the process runs as many threads."""
        counts = []
        for _ in range(round(seconds / PERIOD)):
            ours = self.choice.count
            demand = self.load(self.time)
            others = demand
            if demand + ours > self.cores:
                others = min(demand, self.cores * demand / (demand + ours))
            self.time += PERIOD
            self.own += min(ours, self.cores - others) * PERIOD
            self.busy += (others + min(ours, self.cores - others)) * PERIOD
            self.choice.add(self.sample())
            counts.append(self.choice.count)
        return counts

    def sample(self) -> Sample:
        """With the error of an accounting by ticks."""
        error = sum(self.noise.uniform(-TICK, TICK) for _ in range(self.cores))
        return Sample(self.time, max(0.0, self.busy + error), self.own, running=1)


def changes(counts: Sequence[int]) -> int:
    return sum(one != other for one, other in itertools.pairwise(counts))


def test_a_quiet_machine_is_used_completely() -> None:
    assert set(Machine(2, lambda _: 0.0).run(20)) == {2}


@given(load=st.floats(0, 0.3), seed=st.integers(0, 1000), cores=st.integers(2, 8))
def test_a_light_load_leaves_all_cores(load: float, seed: int, cores: int) -> None:
    assert set(Machine(cores, lambda _: load, seed).run(20)) == {cores}


@given(busy=st.integers(0, 12), seed=st.integers(0, 1000), cores=st.integers(2, 16))
def test_each_busy_neighbour_takes_one_core(busy: int, seed: int, cores: int) -> None:
    counts = Machine(cores, lambda _: float(busy), seed).run(10)
    assert set(counts[-50:]) == {max(1, cores - busy)}


@given(load=st.floats(0, 4), seed=st.integers(0, 1000), cores=st.integers(1, 8))
def test_a_steady_load_makes_it_change_rarely(load: float, seed: int, cores: int) -> None:
    """A load between two counts changes it at most as often as the patience allows."""
    counts = Machine(cores, lambda _: load, seed).run(60)
    assert all(1 <= count <= cores for count in counts)
    assert changes(counts[100:]) <= 2 * (50 / 6.4 + 1)


def test_a_neighbour_is_noticed_soon_when_it_comes_and_when_it_goes() -> None:
    machine = Machine(2, lambda now: 1.0 if 4.95 < now < 9.95 else 0.0)
    machine.run(5)
    arrival = machine.run(5)
    departure = machine.run(5)
    assert arrival.index(1) <= 2
    assert set(arrival[3:]) == {1}
    assert departure.index(2) <= 9
    assert set(departure[10:]) == {2}


def test_cores_beyond_the_wanted_ones_are_for_the_others() -> None:
    machine = Machine(2, lambda now: 6.0 if now < 5 else 7.0, spare=6)
    assert set(machine.run(5)) == {2}
    assert machine.run(2)[-1] == 1


def test_bursts_make_it_ever_more_patient() -> None:
    machine = Machine(2, lambda now: 1.0 if now % 1.5 < 0.5 else 0.0)
    assert changes(machine.run(60)) <= 30


def test_two_processes_that_follow_share_the_cores_without_oscillating() -> None:
    first, second = Choice(2), Choice(2)
    used = [0.0, 0.0]
    counts = []
    for step in range(300):
        now = step * PERIOD
        both = first.count + second.count
        for index, choice in enumerate((first, second)):
            used[index] += PERIOD * min(choice.count, 2 * choice.count / both)
        for index, choice in enumerate((first, second)):
            choice.add(Sample(now, sum(used), used[index], running=2))
        counts.append((first.count, second.count))
    assert set(counts[5:]) == {(1, 1)}


@pytest.mark.parametrize(
    ("average", "running", "expected"),
    [(0.9, 1, 2), (0.9, 2, 1), (0.1, 1, 2), (0.1, 3, 2)],
)
def test_a_long_idle_window_counts_only_with_neighbours_that_still_run(
    average: float, running: int, expected: int
) -> None:
    choice = Choice(2)
    choice.add(Sample(0.0, 0.0, 0.0, running=1))
    choice.add(Sample(60.0, 60 * average, 0.0, running))
    assert choice.count == expected


def test_a_guess_after_a_pause_is_given_up_with_the_first_window_that_tells() -> None:
    choice = Choice(2)
    choice.add(Sample(0.0, 0.0, 0.0, running=1))
    choice.add(Sample(60.0, 60.0, 0.0, running=2))
    assert choice.count == 1
    choice.add(Sample(60.1, 60.1, 0.1, running=1))
    choice.add(Sample(60.2, 60.2, 0.2, running=1))
    assert choice.count == 2


def test_a_neighbour_that_ran_in_a_pause_is_none_later() -> None:
    choice = Choice(2)
    for step in range(6):
        choice.add(Sample(step / 10, step / 5, step / 5, running=2))
    choice.add(Sample(1.0, 2.0, 1.1, running=1))
    choice.add(Sample(1.1, 2.2, 1.3, running=2))
    choice.add(Sample(1.2, 2.4, 1.5, running=2))
    assert choice.count == 2


@pytest.mark.parametrize(("later", "expected"), [((3, 1), 2), ((3, 2), 1)])
def test_a_program_that_passed_a_request_on_is_no_neighbour(
    later: tuple[int, int], expected: int
) -> None:
    """In a pause a core was busy. At its end something runs; a neighbour still does a bit later."""
    now = 0.0
    running = iter((1, 2, *later))
    cores = FreeCores(2, lambda: Sample(now, now, 0.0, next(running)), lambda: now)
    now = 5.0
    assert cores.count() == expected


def test_what_happened_while_idle_is_forgotten_with_the_next_window() -> None:
    choice = Choice(2)
    choice.add(Sample(0.0, 0.0, 0.0, running=1))
    choice.add(Sample(60.0, 6.0, 0.0, running=2))
    choice.add(Sample(60.1, 6.0 + 0.17, 0.13, running=3))
    assert choice.count == 2  # not enough time yet
    choice.add(Sample(60.2, 6.0 + 0.4, 0.26, running=3))
    assert choice.count == 1


def test_the_figures_are_read_once_a_period() -> None:
    now = 0.0
    read = []

    def measure() -> Sample:
        read.append(now)
        return Sample(now, 2 * now, now, running=2)

    cores = FreeCores(2, measure, lambda: now)
    for step in range(1001):
        now = step / 1000
        cores.count()
    assert len(read) <= 11
    assert cores.count() == 1


@pytest.mark.parametrize("error", [OSError, ValueError, KeyError])
def test_without_figures_all_cores_are_free(error: type[Exception]) -> None:
    def measure() -> Sample:
        reads.append(error)
        raise error

    reads: list[type[Exception]] = []
    cores = FreeCores(4, measure, lambda: len(reads) * 10.0)
    assert [cores.count() for _ in range(3)] == [4, 4, 4]
    assert len(reads) == 1


def test_one_core_is_never_measured() -> None:
    def measure() -> Sample:
        raise AssertionError

    assert FreeCores(1, measure).count() == 1


STAT = """cpu  9 9 9 9 9 9 9 9 9 9
cpu0 100 20 30 4000 50 6 7 8 90 10
cpu1 1 1 1 1 1 1 1 1 1 1
cpu10 1000 0 0 0 0 0 0 0 0 0
intr 1 2 3
procs_running 3
procs_blocked 0
"""


def test_the_busy_time_is_that_of_our_cores_without_idle_guests_and_lower_priorities(
    tmp_path: Path,
) -> None:
    stat = tmp_path / "stat"
    stat.write_text(STAT)
    sample = LinuxMeter(frozenset({0, 1}), stat).sample()
    own_priority = os.getpriority(os.PRIO_PROCESS, 0)
    expected = 100 + 30 + 6 + 7 + 8 + 1 + 1 + 1 + 1 + 1 + (20 + 1 if own_priority > 0 else 0)
    assert sample.busy == pytest.approx(expected / os.sysconf("SC_CLK_TCK"))
    assert sample.running == 3


@pytest.mark.parametrize("text", ["", "cpu0 a b\n", STAT.replace("procs_running 3\n", "")])
def test_other_figures_are_an_error(tmp_path: Path, text: str) -> None:
    stat = tmp_path / "stat"
    stat.write_text(text)
    with pytest.raises((OSError, ValueError, LookupError)):
        LinuxMeter(frozenset({0}), stat).sample()


def test_the_real_figures_include_our_own_time() -> None:
    if not hasattr(os, "sched_getaffinity") or not Path("/proc/stat").exists():
        pytest.skip("not Linux")
    meter = LinuxMeter(frozenset(os.sched_getaffinity(0)))
    before = meter.sample()
    while time.process_time() - before.own < 0.1:
        pass
    after = meter.sample()
    assert after.own - before.own >= 0.1
    assert after.busy - before.busy >= 0.05
    assert after.time > before.time
    assert after.running >= 1


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "20000"}),
        ({"GOMP_SPINCOUNT": "5"}, {"GOMP_SPINCOUNT": "5"}),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, {"OMP_WAIT_POLICY": "PASSIVE"}),
    ],
)
def test_spinning_is_limited_unless_the_user_has_set_it(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, str], expected: dict[str, str]
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    limit_spinning()
    found = {name: os.environ[name] for name in expected}
    assert found == expected
    assert ("GOMP_SPINCOUNT" in os.environ) == ("GOMP_SPINCOUNT" in expected)
