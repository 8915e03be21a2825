"""The thread that computes the answers of one model, with continuous batching.

Each step computes one batch: the next token of every answer, and as much of new prompts as there
is time for. It uses as many threads as cores are free. Only this thread uses the model's context.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Event as Signal
from threading import Thread
from typing import TypeVar

from openedai.engines.free_cores import FreeCores
from openedai.engines.llama_cpp.native.batch import TokenBatch
from openedai.engines.llama_cpp.native.model import Model
from openedai.engines.llama_cpp.outbox import Outbox
from openedai.engines.llama_cpp.prefixes import Prefixes
from openedai.engines.llama_cpp.sequence import End, Event, Job, Sequence
from openedai.errors import APIError, EngineCrashed, EngineFailed

log = logging.getLogger("openedai.engines")

T = TypeVar("T")

# Seconds for a part of the prompts while answers are generated, which stand still meanwhile. It is
# more if more prompts than answers wait, because answers are generated faster together.
_PROMPT_TIME = 0.15
_MANY_PROMPTS_TIME = 0.25
_FEWEST_PROMPT_TOKENS = 8
# An answer whose reader is this many events behind is not continued.
_MOST_UNREAD = 1000
_UNREAD_INTERVAL = 0.01  # seconds


class Loop:
    """Runs jobs. The number of its native threads follows `free_cores`, if given."""

    def __init__(
        self, name: str, model: Model, prefixes: Prefixes, free_cores: FreeCores | None
    ) -> None:
        self._name = name
        self._model = model
        self._prefixes = prefixes
        self._free_cores = free_cores
        self._threads = 0
        self._batch = TokenBatch(model.batch)
        self._pace = Pace()
        self._waiting: deque[Job] = deque()
        self._running: dict[Job, Sequence] = {}
        self._cancelled: set[Job] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._adapter: tuple[int, float] | None = None
        self._work = Signal()
        self._closing = self._ended = False
        self._out: list[tuple[Job, Event]] = []
        self._outbox = Outbox()
        self._events = asyncio.get_running_loop()
        self.failed = asyncio.Event()
        self._thread = Thread(target=self._run, name=f"llama.cpp {name}", daemon=True)
        self._thread.start()

    # These may be called in the event loop's thread.

    def submit(self, job: Job) -> None:
        """Start a job. Raises EngineCrashed if the computing thread has failed."""
        if self.failed.is_set():
            raise EngineCrashed(self._name)
        self._waiting.append(job)
        self._work.set()

    def cancel(self, job: Job) -> None:
        """End a job before its next step, unless it has ended."""
        self._cancelled.add(job)
        self._work.set()

    def progress(self) -> list[int]:
        """How many tokens of each running job have been computed."""
        return [sequence.computed for sequence in [*self._running.values()]]

    async def call(self, function: Callable[[], T]) -> T:
        """Run a function in the computing thread, between two steps. Raises EngineCrashed if the
        thread has ended.
        """
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                if self._ended:
                    raise EngineCrashed(self._name)
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        self._calls.append(run)
        self._work.set()
        if self._ended:
            self._run_calls()
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """End the computing thread after its step; its jobs get no more events. May be called
        again.
        """
        self._closing = True
        self._work.set()
        await asyncio.to_thread(self._thread.join)
        self._outbox.close()

    # The rest runs in the computing thread.

    def _run(self) -> None:
        try:
            while not self._closing:
                self._work.clear()
                self._take_orders()
                if not self._step():
                    self._work.wait(_UNREAD_INTERVAL if self._running else None)
        except Exception as error:
            log.exception("The engine of the model `%s` failed", self._name)
            for job in [*self._running, *self._waiting]:
                self._out.append((job, _failure(self._name, error)))
            self._events.call_soon_threadsafe(self.failed.set)
        self._ended = True
        self._run_calls()
        self._deliver()
        for job in [*self._running, *self._waiting]:
            job.close()

    def _take_orders(self) -> None:
        self._run_calls()
        while self._cancelled:
            job = self._cancelled.pop()
            if job in self._running:
                self._end(job)
            elif job in self._waiting:
                self._waiting.remove(job)
                job.close()
        for job in [*self._waiting]:
            if self._prefixes.full:
                break
            if job.reports_prompt or not self._prefixes.is_coming(job.prompt, job.adapter):
                self._waiting.remove(job)
                self._start(job)
        while self._prefixes.close_gap():
            pass

    def _run_calls(self) -> None:
        with suppress(IndexError):
            while True:
                self._calls.popleft()()

    def _start(self, job: Job) -> None:
        slot, cached = self._prefixes.take(job.prompt, job.adapter, reuse=not job.reports_prompt)
        self._running[job] = Sequence(self._model, job, slot, cached)

    def _step(self) -> bool:
        """Compute the next token of every answer, and a part of the prompts. False if there is
        nothing to compute now.
        """
        ready = self._ready()
        if not ready:
            self._deliver()
            return False
        self._prepare(ready[0].job.adapter)
        images = [sequence for sequence in ready if sequence.image]
        if images:
            self._compute_image(images[0])
            ready.remove(images[0])
        continuing = [sequence for sequence in ready if sequence.continuing]
        if continuing:
            self._continue(continuing[0], beside=len(ready) > len(continuing))
        # One after the other, because a batch with both would be computed in more parts, and
        # slower.
        short = [sequence for sequence in ready if sequence.pending == 1]
        long = [sequence for sequence in ready if sequence.pending > 1]
        self._compute(self._fill(short, self._model.batch))
        if long:
            self._compute_prompts(long, beside=sum(sequence.answering for sequence in short))
        return True

    def _ready(self) -> list[Sequence]:
        """What can be computed now, with a single adapter. Jobs are in order of arrival, and go to
        the end once they were served.
        """
        ready = [
            sequence
            for sequence in [*self._running.values()]
            if sequence.job.events.qsize() < _MOST_UNREAD
            and sequence.ready(self._work.set)
            and self._has_room(sequence)
        ]
        same = [sequence for sequence in ready if sequence.job.adapter == ready[0].job.adapter]
        if len(same) < len(ready):
            for sequence in same:
                self._running[sequence.job] = self._running.pop(sequence.job)
        return same

    def _has_room(self, sequence: Sequence) -> bool:
        """Whether the sequence can go on in the context. If there is no memory for that, it
        fails.
        """
        try:
            return self._model.has_room(sequence.length, self._work.set)
        except MemoryError:
            error = EngineFailed("There is no memory for a text so long.")
            self._fail(sequence.job, error)
            return False

    def _prepare(self, adapter: tuple[int, float] | None) -> None:
        if self._free_cores is not None and (count := self._free_cores.count()) != self._threads:
            self._model.set_threads(count)
            self._threads = count
        if adapter != self._adapter:
            self._model.apply_adapter(*(adapter or (None, 0.0)))
            self._adapter = adapter

    def _compute_prompts(self, sequences: list[Sequence], *, beside: int) -> None:
        """Compute a part of the prompts; a small part if `beside`, the number of answers being
        generated, is not 0.
        """
        room = self._model.batch
        if beside:
            seconds = _PROMPT_TIME if len(sequences) <= beside else _MANY_PROMPTS_TIME
            room = self._pace.room(room, seconds)
        filled = self._fill(sequences, room)
        began = time.perf_counter()
        self._compute(filled)
        self._pace.record(len(self._batch), time.perf_counter() - began)

    def _fill(self, ready: list[Sequence], room: int) -> list[tuple[Sequence, int, int]]:
        """Fill the batch with at most `room` tokens. Returns the sequences in it with their first
        row and number of tokens.

        The shortest come first. In the batch they are in the order of their slots, so that
        llama.cpp computes adjacent ones in one go.
        """
        self._batch.clear()
        outputs = self._model.max_outputs - len(ready)  # besides the last token of each
        chosen: list[tuple[Sequence, list[int], bool]] = []
        for sequence in sorted(ready, key=lambda sequence: sequence.pending):
            scoring = sequence.scoring
            limit = min(room, outputs) if scoring else room
            keys = sequence.text_ahead(limit) if limit > 0 else []
            room -= len(keys)
            outputs -= len(keys) if scoring else 0
            if keys:
                chosen.append((sequence, keys, scoring))
        return [
            (sequence, self._add(sequence, keys, scoring), len(keys))
            for sequence, keys, scoring in sorted(chosen, key=lambda one: one[0].slot.number)
        ]

    def _add(self, sequence: Sequence, keys: list[int], scoring: bool) -> int:
        """Add the next keys of a sequence to the batch; returns the row of the first."""
        return self._batch.add(
            sequence.slot.number,
            keys,
            sequence.computed,
            every_output=scoring,
            last_output=len(keys) == sequence.pending,
        )

    def _compute(self, filled: list[tuple[Sequence, int, int]]) -> None:
        self._deliver()  # of the previous step: the event loop handles it meanwhile
        if not filled:
            return
        try:
            self._model.decode(self._batch.value)
        except EngineFailed as error:
            for sequence, _, _ in filled:
                self._fail(sequence.job, error)
            return
        for sequence, row, count in filled:
            try:
                self._advance(sequence, row, count)
            except Exception as error:
                self._fail(sequence.job, error)

    def _advance(self, sequence: Sequence, row: int, count: int) -> None:
        """Report the results in the rows of a sequence in the batch."""
        job = sequence.job
        if job.labels is not None:
            sequence.read_labels(job.labels, row, count)
        elif sequence.scoring:
            self._out.append((job, sequence.score(row, count)))
        sequence.computed += count
        if sequence.pending:
            return
        for event in sequence.advance(row + count - 1):
            self._out.append((job, event))
            if isinstance(event, End):
                self._end(job)

    def _compute_image(self, sequence: Sequence) -> None:
        image = sequence.image
        assert image is not None
        try:
            image.compute(self._model.context, sequence.slot.number, sequence.computed)
        except Exception as error:
            self._fail(sequence.job, error)
            return
        sequence.computed += image.positions

    def _continue(self, sequence: Sequence, *, beside: bool) -> None:
        """Compute a part of the sequence's continuation; a small one if `beside` others."""
        limit = self._model.batch
        if beside:
            limit = self._pace.room(limit, _PROMPT_TIME)
        try:
            events = sequence.continue_by(limit, self._threads or self._model.threads)
        except Exception as error:
            self._fail(sequence.job, error)
            return
        self._out += [(sequence.job, event) for event in events]
        if events:
            self._end(sequence.job)
        else:  # the next one's turn
            self._running[sequence.job] = self._running.pop(sequence.job)

    def _end(self, job: Job) -> None:
        sequence = self._running.pop(job)
        job.close()
        self._prefixes.release(sequence.slot, sequence.keys[: sequence.computed])

    def _fail(self, job: Job, error: Exception) -> None:
        self._out.append((job, _failure(self._name, error)))
        sequence = self._running.pop(job)
        job.close()
        self._prefixes.forget(sequence.slot)

    def _deliver(self) -> None:
        if self._out:
            self._outbox.send(self._out)
            self._out = []


class Pace:
    """How much of the prompts to compute between two tokens of the answers, judged by the time that
    it took before.
    """

    def __init__(self) -> None:
        self._seconds = 0.003  # for each token

    def record(self, tokens: int, seconds: float) -> None:
        if tokens >= _FEWEST_PROMPT_TOKENS:
            self._seconds += (seconds / tokens - self._seconds) * 0.3

    def room(self, most: int, seconds: float) -> int:
        """The number of prompt tokens that take this long."""
        return max(_FEWEST_PROMPT_TOKENS, min(most, int(seconds / self._seconds)))


def _failure(model: str, error: Exception) -> APIError:
    if isinstance(error, APIError):
        return error
    log.error("A request to the model `%s` failed", model, exc_info=error)
    return EngineFailed(f"The engine of model `{model}` failed: {error}")
