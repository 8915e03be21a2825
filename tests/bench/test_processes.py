"""Processes that spin, and what processes take."""

from __future__ import annotations

import os

import psutil

from bench.processes import cpu_seconds, family_cpu_seconds, resident_bytes, spinning


def spinners() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.is_running() and any(word.endswith("spin.py") for word in child.cmdline())
    ]


def test_processes_spin_until_the_end() -> None:
    assert spinners() == []
    with spinning(2):
        running = spinners()
        assert len(running) == 2
        while not all(sum(one.cpu_times()[:2]) for one in running):
            pass  # each of them gets a core at some time
    assert not any(one.is_running() for one in running)


def test_without_neighbours_nothing_is_started() -> None:
    with spinning(0):
        assert spinners() == []


def test_a_family_has_what_its_members_have() -> None:
    alone = resident_bytes(os.getpid())
    with spinning(1):
        assert resident_bytes(os.getpid()) > alone / 2
        assert family_cpu_seconds(os.getpid()) >= cpu_seconds(os.getpid()) > 0
