"""Requests in the background: behind all others, and out of their way."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from openedai.config import ModelSpec
from openedai.contract.engine import Engine
from openedai.http.exchange import Background
from openedai.scheduling.admission import Admission, Ticket
from openedai.scheduling.residency import Resident
from openedai.scheduling.state import ManagedModel
from tests.scheduling.conftest import now, run_virtually

STAYS = Background()


class Line:
    """A request in the background that can give way; `must_yield` says whether it should."""

    def __init__(self, queue: Admission, caller: str = "batch") -> None:
        self.must_yield = False
        self.ticket = queue.submit(caller, background=Background(self._give_way))

    def _give_way(self) -> None:
        assert not self.must_yield, "requested twice"
        self.must_yield = True


def opened(slots: int, max_queue: int = 100) -> Admission:
    made = Admission("m", max_queue, now)
    made.attach(Resident("m", Engine(), slots, now()))
    return made


def holding(tickets: Sequence[Ticket]) -> list[bool]:
    return [ticket.resident is not None for ticket in tickets]


def test_clients_go_first_and_batches_take_turns() -> None:
    async def go() -> None:
        queue = opened(slots=1)
        running = queue.submit("a", background=STAYS)
        waiting = {
            "a1": queue.submit("a", background=STAYS),
            "a2": queue.submit("a", background=STAYS),
            "b1": queue.submit("b", background=STAYS),
            "b2": queue.submit("b", background=STAYS),
            "client1": queue.submit("client"),
            "client2": queue.submit("client"),
        }
        order = []
        while waiting:
            queue.release(running)
            (name,) = [name for name, ticket in waiting.items() if ticket.resident is not None]
            order.append(name)
            running = waiting.pop(name)
        assert order == ["client1", "client2", "a1", "b1", "a2", "b2"]

    run_virtually(go)


def test_free_slots_are_used_fully() -> None:
    async def go() -> None:
        queue = opened(slots=3)
        lines = [Line(queue) for _ in range(5)]
        assert holding([line.ticket for line in lines]) == [True, True, True, False, False]
        queue.release(lines[0].ticket)
        assert queue.running == 3
        assert not any(line.must_yield for line in lines)

    run_virtually(go)


def test_the_newest_gives_way_to_a_client_and_no_more_than_needed() -> None:
    async def go() -> None:
        queue = opened(slots=3)
        lines = [Line(queue) for _ in range(4)]
        client = queue.submit("client")
        assert [line.must_yield for line in lines] == [False, False, True, False]
        other = queue.submit("client", 2)
        assert [line.must_yield for line in lines] == [True, True, True, False]
        for line in lines[:3]:
            queue.release(line.ticket)
        assert holding([client, other, lines[3].ticket]) == [True, True, False]
        queue.release(client)
        assert lines[3].ticket.resident is not None

    run_virtually(go)


def test_what_cannot_give_way_is_not_asked() -> None:
    async def go() -> None:
        queue = opened(slots=2)
        line = Line(queue)
        stays = queue.submit("batch", background=STAYS)
        queue.submit("client")
        assert line.must_yield
        client = queue.submit("client")
        queue.release(line.ticket)
        assert client.resident is None
        queue.release(stays)
        assert client.resident is not None

    run_virtually(go)


def test_the_background_takes_no_place_of_clients_in_the_queue() -> None:
    async def go() -> None:
        queue = opened(slots=1, max_queue=2)
        model = ManagedModel(ModelSpec(id="m", engine="echo"), queue)
        running = queue.submit("batch", background=STAYS)
        lines = [queue.submit("batch", background=STAYS) for _ in range(50)]
        assert model.occupancy() == (3, 2)
        clients = [queue.submit("client"), queue.submit("other")]
        assert (queue.waiting, queue.clients_waiting) == (52, 2)
        assert not any(ticket.error for ticket in (*lines, *clients, running))

    run_virtually(go)


@given(
    st.lists(st.sampled_from(["client", "batch", "release", "leave"]), max_size=60),
    st.integers(1, 4),
)
def test_no_client_waits_while_the_background_holds_a_slot_unasked(
    plan: list[str], slots: int
) -> None:
    async def go() -> None:
        queue = opened(slots)
        lines: list[Line] = []
        clients: list[Ticket] = []
        for step in plan:
            if step == "client":
                clients.append(queue.submit("client"))
            elif step == "batch":
                lines.append(Line(queue))
            elif step == "release" and clients:
                queue.release(clients.pop(0))
            elif step == "leave":
                for line in [line for line in lines if line.must_yield]:
                    queue.release(line.ticket)
                    lines.remove(line)
            waiting = [ticket for ticket in clients if ticket.resident is None]
            held = [line for line in lines if line.ticket.resident is not None]
            yielding = [line for line in held if line.must_yield]
            assert len(yielding) >= min(len(waiting), len(held))
            assert queue.running == min(slots, len(clients) + len(lines))
            assert not waiting or held == [] or queue.running == slots

    run_virtually(go)
