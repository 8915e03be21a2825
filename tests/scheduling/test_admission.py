from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.contract.engine import Engine
from openedai.errors import APIError, EngineFailed, RateLimited, Unavailable
from openedai.scheduling.admission import Admission, Ticket
from openedai.scheduling.residency import Resident
from tests.scheduling.conftest import let_tasks_run, now, run_virtually


def admission(max_queue: int = 100) -> Admission:
    return Admission("m", max_queue, now)


def resident(slots: int) -> Resident:
    return Resident("m", Engine(), slots, now())


def opened(slots: int, max_queue: int = 100) -> Admission:
    made = admission(max_queue)
    made.attach(resident(slots))
    return made


def holding(tickets: Sequence[Ticket]) -> list[bool]:
    return [ticket.resident is not None for ticket in tickets]


def test_a_free_slot_is_taken_at_once() -> None:
    async def go() -> None:
        queue = opened(slots=2)
        tickets = [queue.submit("a") for _ in range(3)]
        assert holding(tickets) == [True, True, False]
        assert (queue.running, queue.waiting) == (2, 1)
        queue.release(tickets[0])
        assert holding(tickets) == [True, True, True]
        assert (queue.running, queue.waiting) == (2, 0)

    run_virtually(go)


def test_a_request_for_several_slots_gets_at_most_all() -> None:
    async def go() -> None:
        queue = opened(slots=4)
        heavy, light, whole = queue.submit("a", 3), queue.submit("b"), queue.submit("c", 99)
        assert holding([heavy, light, whole]) == [True, True, False]
        queue.release(light)
        assert whole.resident is None
        queue.release(heavy)
        assert (whole.granted_slots, queue.running) == (4, 4)

    run_virtually(go)


def test_a_heavy_request_is_not_overtaken() -> None:
    async def go() -> None:
        queue = opened(slots=2)
        first, second = queue.submit("a"), queue.submit("a")
        heavy, late = queue.submit("b", 2), queue.submit("c")
        queue.release(first)
        assert holding([heavy, late]) == [False, False]
        queue.release(second)
        assert holding([heavy, late]) == [True, False]

    run_virtually(go)


def test_a_caller_with_20_times_the_requests_does_not_slow_another() -> None:
    async def go() -> None:
        queue = opened(slots=2)
        running = [queue.submit("big"), queue.submit("big")]
        waiting = [queue.submit("big") for _ in range(40)]
        small = [queue.submit("small") for _ in range(2)]
        finished_before = []
        for ticket in small:
            finished = 0
            while ticket.resident is None:
                finished += 1
                queue.release(running.pop(0))
                everyone = [*waiting, *small]
                running += [t for t in everyone if t.resident is not None and t not in running]
                waiting = [t for t in waiting if t.resident is None]
            finished_before.append(finished)
        assert finished_before == [2, 2]

    run_virtually(go)


def test_the_newest_request_of_the_largest_caller_is_displaced() -> None:
    async def go() -> None:
        queue = opened(slots=1, max_queue=3)
        queue.submit("busy")
        big = [queue.submit("big") for _ in range(3)]
        small = queue.submit("small")
        assert queue.waiting == 3
        with pytest.raises(RateLimited) as refusal:
            await queue.wait(big[2])
        assert refusal.value.code == "rate_limit_exceeded"
        assert refusal.value.retry_after is not None
        assert [t.error is None for t in (*big[:2], small)] == [True, True, True]
        assert queue.refused == 1

    run_virtually(go)


def test_a_full_queue_is_a_429_for_its_largest_caller_and_a_503_for_others() -> None:
    async def go() -> None:
        queue = opened(slots=1, max_queue=2)
        queue.submit("busy")
        queue.submit("a"), queue.submit("b")
        with pytest.raises(RateLimited):
            queue.submit("a")
        with pytest.raises(Unavailable) as refusal:
            queue.submit("c")
        assert refusal.value.retry_after is not None
        assert (queue.waiting, queue.refused) == (2, 2)

    run_virtually(go)


def test_no_queue_at_all() -> None:
    async def go() -> None:
        queue = admission(max_queue=0)
        first = queue.submit("a")
        with pytest.raises(RateLimited):
            queue.submit("a")
        queue.attach(resident(slots=1))
        assert first.resident is not None
        with pytest.raises(Unavailable):
            queue.submit("a")

    run_virtually(go)


def test_waiting_too_long_is_unavailable() -> None:
    async def go() -> None:
        queue = opened(slots=1)
        queue.submit("a")
        ticket = queue.submit("b", timeout=7)
        with pytest.raises(Unavailable) as refusal:
            await queue.wait(ticket)
        assert now() == 7
        assert refusal.value.retry_after is not None
        queue.release(ticket)
        assert (queue.waiting, queue.running, queue.timeouts) == (0, 1, 1)

    run_virtually(go)


def test_a_timeout_of_the_next_request_grants_the_one_after_it() -> None:
    async def go() -> None:
        queue = opened(slots=2)
        queue.submit("a")
        heavy, light = queue.submit("b", 2, timeout=7), queue.submit("c", timeout=9)
        assert light.resident is None
        await queue.wait(light)
        assert now() == 7
        assert heavy.error is not None

    run_virtually(go)


def test_retry_after_follows_recent_leases_and_the_queue() -> None:
    async def go() -> None:
        queue = opened(slots=2)
        assert queue.retry_after() == 1
        ticket = queue.submit("a")
        await asyncio.sleep(8)
        queue.release(ticket)
        assert queue.retry_after() == 4
        for _ in range(5):
            queue.submit("a")
        assert queue.retry_after() == 16
        for _ in range(50):
            queue.submit("a")
        assert queue.retry_after() == 60

    run_virtually(go)


def test_leases_of_a_dead_engine_do_not_count_on_the_next() -> None:
    async def go() -> None:
        queue = opened(slots=1)
        old = queue.submit("a")
        queue.detach()
        new = queue.submit("a")
        queue.attach(resident(slots=1))
        assert new.resident is not None
        queue.release(old)
        assert queue.running == 1

    run_virtually(go)


def test_a_request_cancelled_as_it_is_granted_passes_its_slot_on() -> None:
    async def go() -> None:
        queue = opened(slots=1)
        first = queue.submit("a")

        async def request() -> None:
            ticket = queue.submit("b")
            try:
                await queue.wait(ticket)
            finally:
                queue.release(ticket)

        task = asyncio.create_task(request())
        await let_tasks_run()
        last = queue.submit("c")
        queue.release(first)
        assert (queue.running, last.resident) == (1, None)
        task.cancel()
        await let_tasks_run()
        assert task.cancelled()
        assert last.resident is not None

    run_virtually(go)


def test_everyone_waiting_gets_the_one_error() -> None:
    async def go() -> None:
        queue = admission()
        tickets = [queue.submit(caller) for caller in "aab"]
        error = EngineFailed("no")
        queue.refuse_all(error)
        for ticket in tickets:
            with pytest.raises(EngineFailed) as raised:
                await queue.wait(ticket)
            assert raised.value is error
            queue.release(ticket)
        assert queue.waiting == 0

    run_virtually(go)


class AdmissionModel:
    """The admission under random operations, with a record of which ticket was granted when."""

    def __init__(self, slots: int, max_queue: int) -> None:
        self.queue = admission(max_queue)
        self.slots = slots
        self.most_waiting = max(1, max_queue)
        self.tickets: list[Ticket] = []
        self.ungranted: list[Ticket] = []

    def enter(self, caller: str, slots: int) -> None:
        before = self.queue.waiting
        try:
            ticket = self.queue.submit(caller, slots)
        except APIError:
            assert before >= self.queue.max_waiting
            return
        self.tickets.append(ticket)
        self.ungranted.append(ticket)

    def leave(self, index: int) -> None:
        if self.tickets:
            ticket = self.tickets.pop(index % len(self.tickets))
            self.queue.release(ticket)
            self.ungranted = [other for other in self.ungranted if other is not ticket]

    def toggle(self) -> None:
        if self.queue.resident is None:
            self.queue.attach(resident(self.slots))
        else:
            self.queue.detach()

    def check(self) -> None:
        held = [t for t in self.tickets if t.resident is not None]
        current = self.queue.resident
        taken = sum(t.granted_slots for t in held if t.resident is current)
        assert self.queue.running == taken <= self.slots
        waiting = [t for t in self.tickets if t.resident is None and t.error is None]
        assert self.queue.waiting == len(waiting) <= self.most_waiting
        for caller in "abc":
            mine = [t for t in self.ungranted if t.caller == caller and t.error is None]
            granted = [t.resident is not None for t in mine]
            assert granted == sorted(granted, reverse=True), "not first come, first served"
        self.ungranted = [t for t in self.ungranted if t.resident is None and t.error is None]
        if current is not None and waiting:
            assert self.queue.running > 0, "an idle engine, and requests that wait"


operations = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from("abc"), st.integers(1, 5)),
    st.tuples(st.just("leave"), st.integers(0, 50), st.just(0)),
    st.tuples(st.just("toggle"), st.just(0), st.just(0)),
)


@settings(deadline=None)
@given(st.lists(operations, max_size=80), st.integers(1, 4), st.integers(0, 6))
def test_no_slot_leaks_and_no_request_is_lost(
    steps: list[tuple[str, str | int, int]], slots: int, max_queue: int
) -> None:
    async def go() -> None:
        model = AdmissionModel(slots, max_queue)
        for name, which, requested in steps:
            if name == "enter":
                model.enter(str(which), requested)
            elif name == "leave":
                model.leave(int(which))
            else:
                model.toggle()
            model.check()
        while model.tickets:
            model.leave(0)
            model.check()
        assert (model.queue.running, model.queue.waiting) == (0, 0)

    run_virtually(go)


def test_a_key_gets_no_more_turns_from_many_addresses() -> None:
    async def go() -> None:
        queue = opened(slots=1)
        running = queue.submit("big/0")
        many = [queue.submit(f"big/{number}") for number in range(30)]
        few = [queue.submit("small/0") for _ in range(3)]
        order = []
        for _ in range(8):
            queue.release(running)
            (running,) = [one for one in (*many, *few) if one.resident and one not in order]
            order.append(running)
        assert [one.caller.partition("/")[0] for one in order] == [
            *("big", "small", "big", "small", "big", "small", "big", "big")
        ]
        assert len({one.caller for one in order if one in many}) == 5
        queue.release(running)

    run_virtually(go)


def test_addresses_with_the_same_key_take_turns() -> None:
    async def go() -> None:
        queue = opened(slots=1, max_queue=6)
        running = queue.submit("key/flood")
        flood = [queue.submit("key/flood") for _ in range(6)]
        polite = queue.submit("key/polite")
        assert [one.error is not None for one in flood] == [*[False] * 5, True]
        queue.release(running)
        queue.release(flood[0])
        assert polite.resident is not None
        queue.release(polite)

    run_virtually(go)
