"""How many cores other programs leave to this process, for engines that choose how many threads to
use.

Threads that wait for each other at every step are as fast as the slowest of them. If one of them
has to share its core with another program, they are several times slower than fewer threads are.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

# Seconds between two samples, and the shortest time on which a decision is based.
PERIOD = 0.1
WINDOW = 0.15
# Seconds for which a core has to be free before it is used again; longer if it was soon lost again.
PATIENCE = 0.4
MOST_PATIENCE = 6.4
# How much of a core others may want while this process keeps it, and for this process to take it.
KEPT_BELOW = 0.6
TAKEN_BELOW = 0.35
# The fraction of all cores in use above which not everyone gets what they want.
SATURATED = 0.95
# After a longer time without a sample, in which this process was mostly idle, old samples say
# little about the present.
PAUSE = 0.3
# How often to look, after a pause, at who is still running. A program that has just passed a
# request on to this one is not running at the last look.
LOOKS = 3
LOOK_INTERVAL = 0.002
# Rounds of a waiting thread of OpenMP: longer than most waits within a run on free cores.
SPINS = 20_000

_STAT = Path("/proc/stat")
_NICE, _IDLE, _IOWAIT, _GUESTS = 1, 3, 4, 8


@dataclass(frozen=True)
class Sample:
    """The processor time so far, in seconds, at a point in time."""

    time: float
    busy: float
    """Of all programs on the cores that this process may use."""
    own: float
    """Of this process, all threads."""
    running: int
    """How many threads of all programs run or wait for a core at that moment, ours included."""


class FreeCores:
    """The cores that are free now. Call `count` before every batch, from one thread only."""

    def __init__(
        self,
        cores: int,
        measure: Callable[[], Sample] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`cores` is the most that `count` returns. Without `measure`, the figures of Linux are
        read.

        `measure` raises OSError, ValueError or LookupError if there are no figures. It is first
        called here, so that `count` has something to compare with.
        """
        usable = _affinity()
        self._choice = Choice(cores, spare=max(0, len(usable) - cores) if measure is None else 0)
        self._measure = measure or LinuxMeter(usable).sample
        self._clock = clock
        self._due = self._clock() if cores > 1 else float("inf")
        self.count()

    def count(self) -> int:
        """From 1 to `cores`: the cores that others do not use; all of them if that is not known."""
        if self._clock() >= self._due:
            self._due = self._clock() + PERIOD
            try:
                self._choice.add(self._sample())
            except (OSError, ValueError, LookupError):
                self._choice = Choice(self._choice.cores)
                self._due = float("inf")
        return self._choice.count

    def _sample(self) -> Sample:
        sample = self._measure()
        if self._choice.doubts(sample):
            for _ in range(LOOKS - 1):
                time.sleep(LOOK_INTERVAL)
                sample = replace(sample, running=min(sample.running, self._measure().running))
        return sample


def limit_spinning() -> None:
    """Call this before a library that uses GNU's OpenMP is loaded.

    Its threads spin while they wait for each other, which is fastest on free cores. By default they
    spin for so long that one step next to a busy program takes seconds. A user's own setting is
    kept.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))


class Choice:
    """Chooses a number of threads: gives up a core at once, but waits before taking one."""

    def __init__(self, cores: int, spare: int = 0) -> None:
        """`spare` is the number of cores that others may use in addition to these `cores`."""
        self.cores = max(1, cores)
        self.count = self.cores
        self._all = self.cores + spare
        self._samples: deque[Sample] = deque()
        self._patience = PATIENCE
        self._free_since: float | None = None
        self._raised = float("-inf")

    def add(self, sample: Sample) -> None:
        """Update `count`. The sample must be later than all earlier ones."""
        others = self._others(sample)
        if others is None:
            return
        if self._free(others, KEPT_BELOW) < self.count:
            self._lower(self._free(others, KEPT_BELOW), sample.time)
            if len(self._samples) == 1:  # a guess after a pause, not to be kept for long
                self._free_since = float("-inf")
        else:
            self._raise(self._free(others, TAKEN_BELOW), sample.time)

    def doubts(self, sample: Sample) -> bool:
        """Whether the choice depends on who is running at the end of a pause."""
        return self._paused(sample) and _used(self._samples[-1], sample)[0] > TAKEN_BELOW

    def _paused(self, sample: Sample) -> bool:
        """Whether this process was mostly idle for long before the sample."""
        if not self._samples or sample.time - self._samples[-1].time <= PAUSE:
            return False
        return _used(self._samples[-1], sample)[1] < 0.5

    def _free(self, others: float, margin: float) -> int:
        return min(self.cores, max(1, int(self._all - others + margin)))

    def _others(self, last: Sample) -> float | None:
        """The cores that others want; None if the samples do not cover enough time yet."""
        samples = self._samples
        if self._paused(last):
            others, _ = _used(samples[-1], last)
            self._samples = deque([last])
            return min(others, max(0, last.running - 1))
        samples.append(last)
        while len(samples) > 2 and last.time - samples[1].time >= WINDOW:
            samples.popleft()
        first = samples[0]
        elapsed = last.time - first.time
        if elapsed < WINDOW:
            return None
        others, own = _used(first, last)
        if own + others > SATURATED * self._all:
            # The scheduler is fair: each of our threads got as much time as each of theirs.
            return others * max(1.0, self.count / max(own, 0.1))
        return others

    def _lower(self, count: int, now: float) -> None:
        soon = now - self._raised < 2 * self._patience
        self._patience = min(MOST_PATIENCE, 2 * self._patience) if soon else PATIENCE
        self._free_since = None
        self.count = count

    def _raise(self, count: int, now: float) -> None:
        if count <= self.count:
            self._free_since = None
        elif self._free_since is None:
            self._free_since = now
        elif now - self._free_since >= self._patience:
            self._free_since = None
            self._raised = now
            self.count = count


def _used(first: Sample, last: Sample) -> tuple[float, float]:
    """The cores that others and this process used between two samples."""
    elapsed = last.time - first.time
    own = (last.own - first.own) / elapsed
    return max(0.0, (last.busy - first.busy) / elapsed - own), own


class LinuxMeter:
    """Takes samples from /proc/stat. Its resolution is a tick, some milliseconds for each core."""

    def __init__(self, cores: frozenset[int], stat: Path = _STAT) -> None:
        self._stat = stat
        self._names = frozenset(f"cpu{core}" for core in cores)
        # Programs with a lower priority than ours yield to us.
        self._skip_nice = bool(cores) and os.getpriority(os.PRIO_PROCESS, 0) <= 0

    def sample(self) -> Sample:
        """Take a sample. Raises OSError, ValueError or LookupError if there is no such file."""
        values = {
            name: rest
            for line in self._stat.read_bytes().decode().splitlines()
            for name, _, rest in [line.partition(" ")]
        }
        ticks = sum(self._busy(values[name]) for name in self._names)
        return Sample(
            time=time.monotonic(),
            busy=ticks / os.sysconf("SC_CLK_TCK"),
            own=time.process_time(),
            running=int(values["procs_running"]),
        )

    def _busy(self, fields: str) -> int:
        """The ticks in which the core was neither idle nor given to another virtual machine."""
        ticks = [int(field) for field in fields.split()[:_GUESTS]]
        ticks[_IDLE] = ticks[_IOWAIT] = 0
        if self._skip_nice:
            ticks[_NICE] = 0
        return sum(ticks)


def _affinity() -> frozenset[int]:
    """The cores that this process may use; empty if the system does not tell."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
