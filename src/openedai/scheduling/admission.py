"""Who may use one model now, and who waits: a bounded queue that is fair between callers.

Nothing here awaits but `granted`, so no cancellation can come between a decision and its effect.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from openedai.errors import APIError, RateLimited, Unavailable
from openedai.scheduling.residency import Resident

SHORTEST_RETRY, LONGEST_RETRY = 1.0, 60.0


@dataclass(eq=False)
class Ticket:
    """One request's place: waiting, then holding `taken` slots of `resident`, or refused."""

    caller: str
    weight: int
    since: float
    turn: asyncio.Future[None] | None = None
    timer: asyncio.TimerHandle | None = None
    resident: Resident | None = None
    taken: int = 0
    granted_at: float = 0.0
    error: APIError | None = None

    def settle(self) -> None:
        """Wake the request: it was granted its slots, or refused."""
        if self.timer is not None:
            self.timer.cancel()
        if self.turn is not None and not self.turn.done():
            self.turn.set_result(None)


class Admission:
    """The queue of one model, in front of the slots of its engine while that is loaded.

    Callers take turns; within a caller the order is first come, first served. The request whose
    turn it is also keeps its place while too few slots are free for its weight.
    """

    def __init__(self, model_id: str, max_queue: int, clock: Callable[[], float]) -> None:
        self.model_id = model_id
        self.resident: Resident | None = None
        self.waiting = 0
        self.refused = 0
        self.timeouts = 0
        self._max_queue = max_queue
        self._clock = clock
        self._queues: dict[str, deque[Ticket]] = {}  # in the order of the callers' turns
        self._slots = 1
        self._duration: float | None = None

    @property
    def bound(self) -> int:
        """How many may wait. One at least while nothing is loaded, else nothing ever would be."""
        return self._max_queue if self.resident else max(1, self._max_queue)

    @property
    def running(self) -> int:
        """The slots that are taken."""
        return self.resident.running if self.resident else 0

    def enter(self, caller: str, weight: int = 1, timeout: float | None = None) -> Ticket:
        """Take free slots or a place in the queue; `leave` must follow.

        Raises RateLimited or Unavailable where the queue is full.
        """
        ticket = Ticket(caller, max(1, weight), self._clock())
        if not self._queues and self._take(ticket):
            return ticket
        if self.waiting >= self.bound:
            self._make_place(caller)
        loop = asyncio.get_running_loop()
        ticket.turn = loop.create_future()
        if timeout is not None:
            ticket.timer = loop.call_later(timeout, self._expire, ticket, timeout)
        self._queues.setdefault(caller, deque()).append(ticket)
        self.waiting += 1
        return ticket

    async def granted(self, ticket: Ticket) -> Resident:
        """Wait for the ticket's turn. Raises the APIError of its refusal."""
        if ticket.turn is not None:
            await ticket.turn
        if ticket.error is not None:
            raise ticket.error
        assert ticket.resident is not None, "woken, so granted or refused"
        return ticket.resident

    def leave(self, ticket: Ticket) -> None:
        """Give back the ticket's slots or its place, whichever it has, to those who wait."""
        if ticket.resident is not None:
            now = self._clock()
            ticket.resident.running -= ticket.taken
            ticket.resident.last_used = now
            self._learn(now - ticket.granted_at)
        elif ticket.error is None:
            self._remove(ticket)
        ticket.settle()
        self._grant()

    def open(self, resident: Resident) -> None:
        """The engine is loaded: let in those who wait."""
        self.resident = resident
        self._slots = resident.slots
        self._grant()

    def shut(self) -> None:
        """The engine is gone: who comes now waits. Leases of it stay counted on it alone."""
        self.resident = None

    def fail(self, error: APIError) -> None:
        """Refuse everyone who waits."""
        tickets = [ticket for queue in self._queues.values() for ticket in queue]
        for ticket in tickets:
            self._refuse(ticket, error)

    def retry_after(self) -> float:
        """Seconds in which the queue should have passed, from how long recent leases took."""
        expected = (self._duration or 0.0) * (self.waiting + 1) / self._slots
        return min(max(expected, SHORTEST_RETRY), LONGEST_RETRY)

    def _take(self, ticket: Ticket) -> bool:
        resident = self.resident
        if resident is None or not resident.engine.alive():
            return False  # a dead engine is shut in a moment, and loaded again for who waits
        taken = min(ticket.weight, resident.slots)
        if resident.running + taken > resident.slots:
            return False
        resident.running += taken
        ticket.resident, ticket.taken = resident, taken
        ticket.granted_at = resident.last_used = self._clock()
        return True

    def _grant(self) -> None:
        while self._queues:
            caller, queue = next(iter(self._queues.items()))
            if not self._take(queue[0]):
                return
            ticket = queue.popleft()
            self.waiting -= 1
            del self._queues[caller]
            if queue:
                self._queues[caller] = queue
            ticket.settle()

    def _make_place(self, caller: str) -> None:
        """Displace the newest request of the caller with most of them, or refuse the newcomer.

        Displacing must leave the shares more even than before, the newcomer counted.
        """
        own = len(self._queues.get(caller, ()))
        most = max(self._queues.values(), key=len, default=deque[Ticket]())
        if own + 1 < len(most):
            self.refused += 1
            self._refuse(most[-1], self._too_many())
            return
        self.refused += 1
        if own and own == len(most):
            raise self._too_many()
        raise Unavailable(
            f"The queue of the model `{self.model_id}` is full. Please try again later.",
            retry_after=self.retry_after(),
        )

    def _too_many(self) -> RateLimited:
        return RateLimited(
            f"Rate limit reached for the model `{self.model_id}`: too many of your requests "
            "are waiting. Please try again later.",
            code="rate_limit_exceeded",
            retry_after=self.retry_after(),
        )

    def _expire(self, ticket: Ticket, timeout: float) -> None:
        self.timeouts += 1
        message = (
            f"The request waited {timeout:g} s for the model `{self.model_id}`, as long as it "
            "may. Please try again later."
        )
        self._refuse(ticket, Unavailable(message, retry_after=self.retry_after()))
        self._grant()

    def _refuse(self, ticket: Ticket, error: APIError) -> None:
        self._remove(ticket)
        ticket.error = error
        ticket.settle()

    def _remove(self, ticket: Ticket) -> None:
        queue = self._queues[ticket.caller]
        queue.remove(ticket)
        self.waiting -= 1
        if not queue:
            del self._queues[ticket.caller]

    def _learn(self, duration: float) -> None:
        known = duration if self._duration is None else self._duration
        self._duration = 0.8 * known + 0.2 * duration
