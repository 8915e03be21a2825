"""The section of the command: the server started, soaked, looked at and ended."""

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

from bench.client import LoadError, Target, post
from bench.figures import SUBJECT, Budget, Figure
from bench.report import bound
from bench.servers import openedai
from bench.soak import fairness, state
from bench.soak.clients import Fate, Load, Outcome, storm
from bench.soak.fairness import Flood
from bench.soak.mix import CHAT, PATIENCE, Mix
from bench.text import chosen
from openedai.engines.llama_cpp.options import LlamaOptions

SECTION = "soak"
ENOUGH = 60  # looks at the memory, one a second, to say whether it is steady
FINE = (Fate.ANSWERED, Fate.REFUSED, Fate.LEFT)
WRONG = (Fate.MALFORMED, Fate.LOST)
FILES = 8  # more open than at the start: the bench's own last connections


@dataclass(frozen=True)
class Findings:
    """What came of a soak. `order` is that of the answers to the two callers of `flood`."""

    outcomes: Sequence[Outcome]
    memory: state.Memory
    flood: Flood
    order: Sequence[str]
    errors: int
    busy: int
    files: int
    left: int


async def measure(model: str | None, load: Load, console: Console) -> list[Figure]:
    """Prints the table. Raises APIError, LoadError or TimeoutError."""
    spec, options = chosen(model)
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
    """Settings under which the server may refuse nothing for want of room or time."""
    waiting = max(load.clients, (fairness.RATIO + 1) * flood.light)
    return f"max_queue = {2 * waiting}\nqueue_timeout = {PATIENCE}\n"


async def soak(
    server: AbstractAsyncContextManager[tuple[str, int]], mix: Mix, load: Load, flood: Flood
) -> Findings:
    """Put the server under load; look at it, then and when it has ended."""
    async with server as (url, pid):
        target = Target(SUBJECT, url, mix.model)
        await post(target, CHAT, target.chat("Hello!", 2))
        files = state.open_files(pid)
        async with state.watched(pid) as memory:
            outcomes = await storm(url, mix, load)
        served = await fairness.answered(url, mix, flood)
        busy = sum(await state.reached(url, state.IDLE))
        errors = await state.server_errors(url)
        more = state.open_files(pid) - files
        processes = state.family(pid)
    order = [one.caller for one in served]
    return Findings(outcomes, memory, flood, order, errors, busy, more, state.left(processes))


def figures(findings: Findings) -> list[Figure]:
    fates = Counter(outcome.fate for outcome in findings.outcomes)
    none = Budget(0, "at most")
    fair = Budget(findings.flood.fair, "at least")
    return [
        *(_figure(f"requests {fate}", fates[fate]) for fate in FINE),
        *(_figure(f"requests {fate}", fates[fate], none) for fate in WRONG),
        _figure("requests that ended with a 5xx", findings.errors, none),
        *_growths(findings.memory),
        _figure("slots and places in the queue not given back", findings.busy, none),
        _figure("more open files than at the start", findings.files, Budget(FILES, "at most")),
        _figure("processes left after SIGTERM", findings.left, none),
        _figure("share of the light caller", fairness.share(findings.order), fair),
    ]


def _growths(memory: state.Memory) -> list[Figure]:
    """None of a run that was too short."""
    if len(memory.server) < ENOUGH:
        return []
    steady = Budget(1.1, "at most")
    return [
        _figure("memory of the server", state.growth(memory.server), steady),
        _figure("memory of the engine", state.growth(memory.engine), steady),
    ]


def show(findings: Findings, found: Sequence[Figure], console: Console) -> None:
    """Print the table, which is also valid Markdown, and what was wrong, once for each kind."""
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
    wrong = {one.kind: one for one in findings.outcomes if one.fate in WRONG}
    for outcome in wrong.values():
        console.print(f"{outcome.fate}: {outcome.why}", markup=False, highlight=False)


def missed(figures: Sequence[Figure]) -> bool:
    """Whether any figure of this section misses its budget."""
    verdicts = [figure.verdict() for figure in figures if figure.section == SECTION]
    return any(verdict is not None and not verdict.met for verdict in verdicts)


def _figure(case: str, value: float, budget: Budget | None = None) -> Figure:
    return Figure(SECTION, case, "", False, {SUBJECT: [value]}, budget)
