"""Events between the two threads."""

from __future__ import annotations

import asyncio
from threading import Thread

from openedai.engines.llama_cpp.outbox import Outbox
from openedai.engines.llama_cpp.sequence import End, Job, Token


def job() -> Job:
    return Job(prompt=[], sampler=None)  # type: ignore[arg-type]


def test_events_of_another_thread_arrive_in_order() -> None:
    async def go() -> None:
        outbox, jobs = Outbox(), [job(), job()]

        def send() -> None:
            for number in range(100):
                outbox.send([(one, Token(b"%d" % number)) for one in jobs])

        thread = Thread(target=send)
        thread.start()
        for one in jobs:
            found = [await one.events.get() for _ in range(100)]
            assert found == [Token(b"%d" % number) for number in range(100)]
        thread.join()
        outbox.close()

    asyncio.run(go())


def test_what_was_sent_before_the_end_arrives() -> None:
    async def go() -> None:
        outbox, one = Outbox(), job()
        outbox.send([(one, End("stop", 3))])
        outbox.close()
        outbox.close()
        assert one.events.get_nowait() == End("stop", 3)

    asyncio.run(go())
