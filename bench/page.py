"""Put the figures of runs into the page: `python -m bench.page RUN.json …`.

The page has blocks, from a line `<!-- figures: NAME -->` to `<!-- /figures -->`. The name is that
of a section, with `, disturbed` for a run beside busy processes, or `bounds` for the table of all
bounds. A block takes its figures from the last of the runs that has them, and stays as it is
without one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench.figures import Figure
from bench.peers import report as peers_report
from bench.peers import rounds
from bench.peers.rounds import Outcome
from bench.report import Run, bound, cells, machine_line, markdown, number, read_json

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BOUNDS = "bounds"
_BLOCK = re.compile(r"(<!-- figures: (.+?) -->\n).*?(<!-- /figures -->)", re.DOTALL)


def blocks(runs: Sequence[Run]) -> dict[str, str]:
    """The text of each block for which these runs have figures."""
    found: dict[str, tuple[Run, list[Figure]]] = {}
    for run in runs:
        for section in dict.fromkeys(figure.section for figure in run.figures):
            figures = [figure for figure in run.figures if figure.section == section]
            found[block_name(section, run)] = (run, figures)
    texts = {name: _text(run, figures) for name, (run, figures) in found.items()}
    return {**texts, BOUNDS: _bounds({name: figures for name, (_, figures) in found.items()})}


def block_name(section: str, run: Run) -> str:
    return f"{section}, disturbed" if run.machine["busy"] else section


def filled(page: str, texts: dict[str, str]) -> str:
    """The page with these texts in the blocks of these names; other blocks are unchanged."""

    def fill(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        return f"{begin}\n{texts[name]}\n{end}" if name in texts else match[0]

    return _BLOCK.sub(fill, page)


def names(page: str) -> list[str]:
    """The names of the blocks in a page."""
    return [match[2] for match in _BLOCK.finditer(page)]


def _text(run: Run, figures: Sequence[Figure]) -> str:
    peers = figures[0].section == rounds.SECTION
    tables = _peers(figures) if peers else [_table(figures)]
    return "\n".join([*tables, f"{machine_line(run.machine)}.\n"])


def _table(figures: Sequence[Figure]) -> str:
    titles = ["measurement", "openedai", "peer", "theirs", "ratio", "bound", ""]
    rows = [
        cells(figure, peer, first=place == 0)
        for figure in figures
        for place, peer in enumerate(figure.peers or [""])
    ]
    return markdown(titles, rows)


def _peers(figures: Sequence[Figure]) -> list[str]:
    tables: Sequence[Callable[[], str]] = (
        lambda: peers_report.values(Outcome(list(figures), {})),
        lambda: peers_report.ratios(figures),
        lambda: peers_report.verdicts(figures),
    )
    return [table() for table in tables]


def _bounds(found: dict[str, list[Figure]]) -> str:
    rows = []
    for name, figures in found.items():
        for figure in figures:
            verdict = figure.verdict()
            if figure.budget is not None:
                peer = figure.budget.peer
                what = f"{name}: {figure.case}, {figure.unit}" + (f", to {peer}" if peer else "")
                result = ["", "not measured"]
                if verdict is not None:
                    result = [number(verdict.found), "met" if verdict.met else "**missed**"]
                rows.append([what, bound(figure.budget), *result])
    return markdown(["measurement", "bound", "found", ""], rows)


def main(
    runs: Annotated[list[Path], typer.Argument(help="JSON files of runs.", exists=True)],
    page: Annotated[Path, typer.Option(help="The page.", exists=True)] = PAGE,
) -> None:
    """Fill the page's blocks with the figures of these runs."""
    texts = blocks([read_json(run) for run in runs])
    before = page.read_text("utf-8")
    page.write_text(filled(before, texts), "utf-8")
    for name in names(before):
        typer.echo(f"{name}: {'written' if name in texts else 'left as it was'}")


if __name__ == "__main__":
    typer.run(main)
