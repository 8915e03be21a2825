"""Cores and memory as control groups limit them."""

from __future__ import annotations

from pathlib import Path

import pytest

from openedai.engines.machine import processor_features, usable_cores, usable_memory


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own"
    file.write_text("0::/outer/inner\n")
    (tmp_path / "groups/outer/inner").mkdir(parents=True)
    return file


def test_without_control_groups(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert usable_cores(nothing, nothing) >= 1
    assert usable_memory(nothing, nothing) > 1 << 28


@pytest.mark.parametrize(("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1)])
def test_a_cpu_quota(tmp_path: Path, own: Path, quota: str, cores: int) -> None:
    groups = tmp_path / "groups"
    (groups / "outer/inner/cpu.max").write_text(quota)
    assert usable_cores(groups, own) == cores
    (groups / "outer/inner/cpu.max").write_text("max 100000")
    assert usable_cores(groups, own) == usable_cores(tmp_path / "nothing", own)


def test_a_group_above_limits_too(tmp_path: Path, own: Path) -> None:
    groups = tmp_path / "groups"
    (groups / "outer/inner/memory.max").write_text("max")
    (groups / "outer/memory.max").write_text(str(1 << 27))
    assert usable_memory(groups, own) == 1 << 27


def test_version_1(tmp_path: Path, own: Path) -> None:
    groups = tmp_path / "groups"
    (groups / "cpu").mkdir()
    (groups / "memory").mkdir()
    (groups / "cpu/cpu.cfs_quota_us").write_text("100000")
    (groups / "cpu/cpu.cfs_period_us").write_text("100000")
    (groups / "memory/memory.limit_in_bytes").write_text(str(1 << 26))
    assert usable_cores(groups, own) == 1
    assert usable_memory(groups, own) == 1 << 26


@pytest.mark.parametrize("name", ["flags\t\t", "Features\t"])
def test_the_features_of_the_first_processor(tmp_path: Path, name: str) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\n{name}: fpu avx2\n\nprocessor\t: 1\n{name}: fpu\n")
    assert processor_features(file) == {"fpu", "avx2"}
    assert processor_features(tmp_path / "nothing") == frozenset()
