"""The queue of requests for one model: bounded, and fair between callers.

Requests in the background wait after all others, without a limit. Those that hold slots are asked
to give way when others wait, the newest first, so that the least work is lost.

Only `Admission.wait` awaits, so no cancellation can come between a decision and its effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from openedai.errors import APIError, RateLimited, Unavailable
from openedai.http.exchange import Background
from openedai.scheduling.residency import Resident
from openedai.scheduling.turns import Turns

SHORTEST_RETRY, LONGEST_RETRY = 1.0, 60.0


@dataclass(eq=False)
class Ticket:
    """One request: waiting, then holding slots of `resident`, or refused with `error`.

    It gets its `requested_slots`, or all slots of an engine with fewer. Times are those of the
    pool's clock. With `gives_way` it was asked to release its slots.
    """

    caller: str
    requested_slots: int
    requested_at: float
    background: Background | None = None
    decided: asyncio.Future[None] | None = None
    timer: asyncio.TimerHandle | None = None
    resident: Resident | None = None
    granted_slots: int = 0
    granted_at: float = 0.0
    error: APIError | None = None
    gives_way: bool = False

    def wake(self) -> None:
        """Wake the request: it was granted its slots, or refused."""
        if self.timer is not None:
            self.timer.cancel()
        if self.decided is not None and not self.decided.done():
            self.decided.set_result(None)


class Admission:
    """The queue for the slots of one model's engine, which may be loaded or not.

    Callers take turns: keys or addresses, and then the callers of each. The next request is not
    overtaken while too few slots are free for it.
    """

    def __init__(self, model_id: str, max_queue: int, clock: Callable[[], float]) -> None:
        self.model_id = model_id
        self.resident: Resident | None = None
        self.refused = 0
        self.timeouts = 0
        self._max_queue = max_queue
        self._clock = clock
        self._clients: Turns[Ticket] = Turns()
        self._background: Turns[Ticket] = Turns()
        # The background requests that hold slots, the newest last.
        self._in_background: dict[Ticket, None] = {}
        self._pauses = 0  # of the background
        self._slots = 1
        self._mean_duration: float | None = None

    @property
    def waiting(self) -> int:
        return len(self._clients) + len(self._background)

    @property
    def clients_waiting(self) -> int:
        """The number of waiting requests that are not in the background."""
        return len(self._clients)

    @property
    def max_waiting(self) -> int:
        """The most requests that may wait; without an engine at least one, to start the load."""
        return self._max_queue if self.resident else max(1, self._max_queue)

    @property
    def running(self) -> int:
        """The number of slots in use."""
        return self.resident.running if self.resident else 0

    @property
    def only_background(self) -> bool:
        """Whether only background requests use the engine or wait for it."""
        held = sum(ticket.granted_slots for ticket in self._held_in_background())
        return not self._clients and self.running == held

    def submit(
        self,
        caller: str,
        slots: int = 1,
        timeout: float | None = None,
        background: Background | None = None,
    ) -> Ticket:
        """Take `slots` free slots or enter the queue. The caller must `release` the ticket.

        `timeout` is in seconds. Raises RateLimited or Unavailable if the queue is full.
        """
        ticket = Ticket(caller, max(1, slots), self._clock(), background)
        ahead = self._clients if background is None else self.waiting
        may_begin = background is None or not self._pauses
        if may_begin and not ahead and self._try_grant(ticket):
            return ticket
        if background is None and len(self._clients) >= self.max_waiting:
            self._displace_or_refuse(caller)
        loop = asyncio.get_running_loop()
        ticket.decided = loop.create_future()
        if timeout is not None:
            ticket.timer = loop.call_later(timeout, self._expire, ticket, timeout)
        self._turns(ticket).add(ticket)
        self._make_way()
        return ticket

    async def wait(self, ticket: Ticket) -> Resident:
        """Wait until the ticket has its slots. Raises the APIError of its refusal."""
        if ticket.decided is not None:
            await ticket.decided
        if ticket.error is not None:
            raise ticket.error
        assert ticket.resident is not None, "neither granted nor refused"
        return ticket.resident

    def release(self, ticket: Ticket) -> None:
        """Give back the ticket's slots, or take it out of the queue."""
        if ticket.resident is not None:
            now = self._clock()
            ticket.resident.running -= ticket.granted_slots
            self._note_use(ticket.resident, ticket, now)
            self._in_background.pop(ticket, None)
            if not ticket.gives_way:
                self._record_duration(now - ticket.granted_at)
        elif ticket.error is None:
            self._turns(ticket).remove(ticket)
        ticket.wake()
        self._grant_waiting()

    def attach(self, resident: Resident) -> None:
        """Set the loaded engine, and grant its slots to waiting requests."""
        self.resident = resident
        self._slots = resident.slots
        self._grant_waiting()

    def detach(self) -> None:
        """Remove the engine, so that new requests wait. Its slots in use do not count for the next
        one.
        """
        self.resident = None

    def refuse_all(self, error: APIError) -> None:
        """Refuse every waiting request."""
        for ticket in [*self._clients, *self._background]:
            self._refuse(ticket, error)

    def pause_background(self) -> None:
        """Have background requests wait until every pause is over, and ask those that hold slots to
        give way.
        """
        self._pauses += 1
        for ticket in self._held_in_background():
            if not ticket.gives_way:
                self._ask(ticket)

    def resume_background(self) -> None:
        self._pauses -= 1
        self._grant_waiting()

    def retry_after(self) -> float:
        """The seconds until the queue should be empty, from the mean duration of recent leases."""
        expected = (self._mean_duration or 0.0) * (len(self._clients) + 1) / self._slots
        return min(max(expected, SHORTEST_RETRY), LONGEST_RETRY)

    def _try_grant(self, ticket: Ticket) -> bool:
        resident = self.resident
        if resident is None or not resident.engine.alive():
            return False  # the pool is about to detach it and load it again
        slots = min(ticket.requested_slots, resident.slots)
        if resident.running + slots > resident.slots:
            return False
        resident.running += slots
        ticket.resident, ticket.granted_slots = resident, slots
        ticket.granted_at = self._clock()
        self._note_use(resident, ticket, ticket.granted_at)
        if ticket.background is not None:
            self._in_background[ticket] = None
        return True

    def _note_use(self, resident: Resident, ticket: Ticket, now: float) -> None:
        resident.last_used = now
        if ticket.background is None:
            resident.used_by_client_at = now

    def _grant_waiting(self) -> None:
        while turns := self._next_turns():
            if not self._try_grant(turns.next()):
                return
            turns.take_next().wake()

    def _next_turns(self) -> Turns[Ticket]:
        return self._clients if self._clients or self._pauses else self._background

    def _make_way(self) -> None:
        """Ask background requests for the slots that waiting clients need."""
        resident = self.resident
        here = self._held_in_background()
        if resident is None or not self._clients or not here:
            return
        slots = [min(ticket.requested_slots, resident.slots) for ticket in self._clients]
        free = resident.slots - resident.running
        missing = sum(slots) - free - sum(t.granted_slots for t in here if t.gives_way)
        for ticket in reversed([t for t in here if not t.gives_way]):
            if missing <= 0:
                return
            missing -= ticket.granted_slots if self._ask(ticket) else 0

    def _ask(self, ticket: Ticket) -> bool:
        """Ask a background request to give way. Returns whether it can."""
        if ticket.background is None or ticket.background.give_way is None:
            return False
        ticket.gives_way = True
        ticket.background.give_way()
        return True

    def _held_in_background(self) -> list[Ticket]:
        """The background requests that hold slots, the newest last."""
        return [ticket for ticket in self._in_background if ticket.resident is self.resident]

    def _turns(self, ticket: Ticket) -> Turns[Ticket]:
        return self._clients if ticket.background is None else self._background

    def _displace_or_refuse(self, caller: str) -> None:
        """Refuse the newest request of the caller with the most requests, or else raise a refusal.

        The former only if that evens out the shares of the callers, counting the new request.
        """
        self.refused += 1
        displaced = self._clients.displaced_by(caller)
        if displaced is not None:
            self._refuse(displaced, self._rate_limited())
            return
        if self._clients.has_most(caller):
            raise self._rate_limited()
        raise Unavailable(
            f"The queue of the model `{self.model_id}` is full. Please try again later.",
            retry_after=self.retry_after(),
        )

    def _rate_limited(self) -> RateLimited:
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
        self._grant_waiting()

    def _refuse(self, ticket: Ticket, error: APIError) -> None:
        self._turns(ticket).remove(ticket)
        ticket.error = error
        ticket.wake()

    def _record_duration(self, duration: float) -> None:
        known = duration if self._mean_duration is None else self._mean_duration
        self._mean_duration = 0.8 * known + 0.2 * duration
