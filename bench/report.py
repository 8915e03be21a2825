"""The figures as a table, as JSON and as a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from bench.figures import SUBJECT, Budget, Figure, Spread
from bench.machine import Machine


def show(figures: list[Figure], machine: Machine, console: Console) -> None:
    """Print one table, which is also valid Markdown, and what the machine was."""
    wide = console if console.is_terminal else Console(file=console.file, width=160)
    if figures:
        _table(figures, wide)
    wide.print(machine_line(machine), soft_wrap=True, highlight=False)


def machine_line(machine: Machine) -> str:
    busy = f"; beside {machine['busy']} busy processes" if machine["busy"] else ""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} GB, {machine['system']}, "
        f"{machine['python']}; {machine['date']}{busy}; load {machine['load'][0]} before the run "
        f"and {machine['load'][-1]} after it"
    )


def _table(figures: list[Figure], wide: Console) -> None:
    table = Table(box=box.MARKDOWN)
    table.add_column("what")
    for column in ("openedai", "peer", "theirs", "ratio", "budget", "found"):
        table.add_column(column, justify="left" if column == "peer" else "right", no_wrap=True)
    for figure in figures:
        for place, peer in enumerate(figure.peers or [""]):
            table.add_row(*_row(figure, peer, first=place == 0))
    wide.print(
        "median (least – most) over the rounds; ratios are taken round by round, "
        "and above 1 openedai is better",
        soft_wrap=True,
    )
    wide.print(table)
    for figure in figures:
        wide.print(f"{figure.section}, {figure.case}: {figure.note}", style="dim", soft_wrap=True)


def write_json(figures: list[Figure], machine: Machine, scale: object, file: Path) -> None:
    content = {"machine": machine, "scale": scale, "figures": [_object(one) for one in figures]}
    file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


@dataclass(frozen=True)
class Run:
    machine: Machine
    figures: list[Figure]


def read_json(file: Path) -> Run:
    """What `write_json` wrote. Raises ValueError."""
    return msgspec.json.decode(file.read_bytes(), type=Run)


def plot(figures: list[Figure], machine: Machine, files: list[Path]) -> None:
    """Plot the median of each ratio, with its smallest and largest rounds. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    bars = [(figure, peer) for figure in figures for peer in figure.peers]
    if not bars:
        return
    spreads = [figure.ratios(peer) for figure, peer in bars]
    names = [f"{figure.section}: {figure.case}, {peer}" for figure, peer in bars]
    middles = [spread.median for spread in spreads]
    below = [spread.median - spread.low for spread in spreads]
    above = [spread.high - spread.median for spread in spreads]
    canvas, axes = pyplot.subplots(figsize=(9, 1.5 + 0.4 * len(bars)))
    axes.barh(names, middles, xerr=[below, above], color="#4c72b0", ecolor="#333333", capsize=3)
    axes.axvline(1, color="#c44e52", linewidth=1)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("openedai to its peer (more is better for openedai)")
    axes.set_title(f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}", fontsize=9)
    for place, middle in enumerate(middles):
        axes.annotate(f" {middle:.2f}", (middle, place), va="bottom", fontsize=8)
    canvas.tight_layout()
    for file in files:
        canvas.savefig(file, dpi=150)
    pyplot.close(canvas)


def _row(figure: Figure, peer: str, *, first: bool) -> list[str]:
    *others, found = cells(figure, peer, first=first)
    colour = {"met": "green", "missed": "red"}.get(found.rpartition(" ")[2])
    return [*others, f"[{colour}]{found}[/]" if colour else found]


def cells(figure: Figure, peer: str, *, first: bool) -> list[str]:
    """One row of a table: a figure and one of its peers, or no peer if it is empty."""
    budget, verdict = figure.budget, figure.verdict()
    applies = budget is not None and (budget.peer in ("", peer) or not figure.peers)
    found = ""
    if applies and verdict is not None:
        found = f"{number(verdict.found)} {'met' if verdict.met else 'missed'}"
    elif budget is not None and applies:
        found = f"needs {budget.peer}"
    ratios = figure.ratios(peer) if peer else None
    return [
        f"{figure.section}, {figure.case}, {figure.unit}" if first else "",
        spread(figure.spread(SUBJECT)) if first else "",
        peer,
        spread(figure.spread(peer)) if peer else "",
        f"{ratios.median:.2f} ({ratios.low:.2f} – {ratios.high:.2f})" if ratios else "",
        bound(budget) if budget is not None and applies else "",
        found,
    ]


def spread(values: Spread) -> str:
    if values.low == values.high:
        return number(values.median)
    return f"{number(values.median)} ({number(values.low)} – {number(values.high)})"


def number(value: float) -> str:
    """The value with three significant digits."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def bound(budget: Budget) -> str:
    sign = "≥" if budget.sense == "at least" else "≤"
    kind = {"value": "", "ratio": " ×", "difference": " more"}[budget.of]
    return f"{sign} {budget.bound:,g}{kind}{', worst' if budget.worst else ''}"


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _object(figure: Figure) -> dict[str, Any]:
    verdict = figure.verdict()
    return {
        **asdict(figure),
        "ratios": {peer: asdict(figure.ratios(peer)) for peer in figure.peers},
        "verdict": None if verdict is None else asdict(verdict),
    }
