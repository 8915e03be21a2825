"""The `soak` section of the command: runs the clients against a server, and checks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import aiohttp
import psutil
from rich import box
from rich.console import Console
from rich.table import Table

from bench.figures import SUBJECT, Budget, Figure
from bench.load.client import LoadError, Target, post
from bench.report import bound
from bench.sections.text import measured_model
from bench.servers import openedai
from bench.soak import fairness, observe
from bench.soak.clients import Load, Outcome, Result, run_clients
from bench.soak.fairness import Flood
from bench.soak.mix import CHAT, REQUEST_TIMEOUT, Mix
from openedai.engines.llama_cpp.options import LlamaOptions

SECTION = "soak"
MIN_SAMPLES = 60  # of the memory, one per second, to judge whether it is steady
EXPECTED = (Result.ANSWERED, Result.REFUSED, Result.DISCONNECTED)
UNEXPECTED = (Result.MALFORMED, Result.LOST)
FILES = 8  # more open than at the start: the last connections of the benchmark itself


@dataclass(frozen=True)
class Findings:
    """The results of a soak. `order` has the callers of `flood` in the order of their answers."""

    outcomes: Sequence[Outcome]
    memory: observe.Memory
    flood: Flood
    order: Sequence[str]
    errors: int
    busy: int
    files: int
    left: int


async def measure(model: str | None, load: Load, console: Console) -> list[Figure]:
    """Prints the table. Raises APIError, LoadError or TimeoutError."""
    spec, options = measured_model(model)
    default = LlamaOptions()
    mix = Mix(spec.id, spec.options.get("context", default.context))
    flood = Flood(slots=spec.options.get("slots", default.slots))
    server = openedai(config(load, flood), options=options)
    try:
        findings = await soak(server, mix, load, flood)
    except (aiohttp.ClientError, psutil.NoSuchProcess) as error:
        raise LoadError(f"the server is gone: {error!r}") from error
    found = figures(findings)
    show(findings, found, console)
    return found


def config(load: Load, flood: Flood) -> str:
    """Settings with which the server must refuse nothing for lack of room or time."""
    waiting = max(load.clients, (fairness.RATIO + 1) * flood.light)
    return f"max_queue = {2 * waiting}\nqueue_timeout = {REQUEST_TIMEOUT}\n"


async def soak(
    server: AbstractAsyncContextManager[tuple[str, int]], mix: Mix, load: Load, flood: Flood
) -> Findings:
    """Put the server under load, and observe it during the load and after it has ended."""
    async with server as (url, pid):
        target = Target(SUBJECT, url, mix.model)
        for sent in mix.one_of_each_chat():  # all its processes are started
            await post(target, CHAT, sent.body)
        files = observe.open_files(pid)
        async with observe.sampled_memory(pid) as memory:
            outcomes = await run_clients(url, mix, load)
        served = await fairness.answer_order(url, mix, flood)
        busy = sum(await observe.wait_for_counts(url, observe.IDLE))
        errors = await observe.server_errors(url)
        more = observe.open_files(pid) - files
        processes = observe.process_tree(pid)
    order = [one.caller for one in served]
    return Findings(
        outcomes, memory, flood, order, errors, busy, more, observe.count_running(processes)
    )


def figures(findings: Findings) -> list[Figure]:
    results = Counter(outcome.result for outcome in findings.outcomes)
    none = Budget(0, "at most")
    fair = Budget(findings.flood.fair, "at least")
    return [
        *(_figure(f"requests {result}", results[result]) for result in EXPECTED),
        *(_figure(f"requests {result}", results[result], none) for result in UNEXPECTED),
        _figure("requests that ended with a 5xx", findings.errors, none),
        *_memory_growth(findings.memory),
        _figure("slots and places in the queue not given back", findings.busy, none),
        _figure("more open files than at the start", findings.files, Budget(FILES, "at most")),
        _figure("processes left after SIGTERM", findings.left, none),
        _figure("share of the light caller", fairness.light_share(findings.order), fair),
    ]


def _memory_growth(memory: observe.Memory) -> list[Figure]:
    """The growth of the memory; None if the run was too short."""
    if len(memory.server) < MIN_SAMPLES:
        return []
    steady = Budget(1.1, "at most")
    return [
        _figure("memory of the server", observe.growth(memory.server), steady),
        _figure("memory of the engine", observe.growth(memory.engine), steady),
    ]


def show(findings: Findings, found: Sequence[Figure], console: Console) -> None:
    """Print the table, which is also valid Markdown, and one unexpected result of each kind."""
    table = Table("what", "found", "bound", "", box=box.MARKDOWN)
    for figure in found:
        budget, verdict = figure.budget, figure.verdict()
        value = figure.values[SUBJECT][0]
        met = "" if verdict is None else "met" if verdict.met else "missed"
        table.add_row(figure.case, f"{value:,.4g}", bound(budget) if budget else "", met)
    console.print(table)
    memory = findings.memory
    console.print(
        f"resident at the end: server {memory.server[-1]:,.0f} MiB, "
        f"engine {memory.engine[-1]:,.0f} MiB; memory: last third of the run to the second",
        style="dim",
    )
    wrong = {one.kind: one for one in findings.outcomes if one.result in UNEXPECTED}
    for outcome in wrong.values():
        console.print(f"{outcome.result}: {outcome.reason}", markup=False, highlight=False)


def missed(figures: Sequence[Figure]) -> bool:
    """Whether any figure of this section misses its budget."""
    verdicts = [figure.verdict() for figure in figures if figure.section == SECTION]
    return any(verdict is not None and not verdict.met for verdict in verdicts)


def _figure(case: str, value: float, budget: Budget | None = None) -> Figure:
    return Figure(SECTION, case, "", False, {SUBJECT: [value]}, budget)
