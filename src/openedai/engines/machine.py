"""The cores and the memory that this process may use, and the features of the processor.

Containers and schedulers give a process less than the machine has: the affinity mask and the
limits of the control group are applied. Linux' control groups are read in versions 1 and 2.
"""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_PROCESSORS = Path("/proc/cpuinfo")


def usable_cores(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """The cores of the affinity mask, or fewer if the CPU quota allows less."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = affinity or 1
    for text in _limits("cpu.max", cgroups, own):
        quota, _, period = text.partition(" ")
        if quota.isdigit() and period.isdigit():
            cores = min(cores, max(1, int(quota) // int(period)))
    v1 = cgroups / "cpu"
    if (v1 / "cpu.cfs_quota_us").is_file():
        micros = int((v1 / "cpu.cfs_quota_us").read_text())
        if micros > 0:
            cores = min(cores, max(1, micros // int((v1 / "cpu.cfs_period_us").read_text())))
    return cores


def usable_memory(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """Bytes of the machine's memory, or fewer if the control group allows less."""
    total = _memory()
    limits = _limits("memory.max", cgroups, own)
    v1 = cgroups / "memory" / "memory.limit_in_bytes"
    if v1.is_file():
        limits.append(v1.read_text().strip())
    return min([total, *(int(text) for text in limits if text.isdigit())])


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # not on this system
        import psutil

        return int(psutil.virtual_memory().total)


def processor_features(processors: Path = _PROCESSORS) -> frozenset[str]:
    """The processor's instruction sets, by Linux' names; empty where they are not known."""
    try:
        lines = processors.read_text().splitlines()
    except OSError:
        return frozenset()
    pairs = (line.partition(":") for line in lines)
    found = (value for name, _, value in pairs if name.strip() in ("flags", "Features"))
    return frozenset(next(found, "").split())


def _limits(name: str, cgroups: Path, own: Path) -> list[str]:
    """The contents of `name` in this process's control group and all above it."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    groups = [Path(line.partition("::")[2].lstrip("/")) for line in lines if line[:3] == "0::"]
    folders = {cgroups / part for group in groups for part in (group, *group.parents)}
    files = [folder / name for folder in folders]
    return [file.read_text().strip() for file in files if file.is_file()]
