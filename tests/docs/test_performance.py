"""The tables of the page against what the bench reads and prints."""

from __future__ import annotations

from bench.peers import table
from bench.soak.fairness import Flood
from bench.soak.observe import Memory
from bench.soak.section import MIN_SAMPLES, Findings, figures
from tests.docs.pages import code_words, section, tables


def test_the_peers_are_those_of_the_bench() -> None:
    peers, _ = tables(section("docs/performance.md", "The peers"))
    assert [code_words(row[0]) for row in peers] == [[peer.name] for peer in table.read()]


def test_the_install_lines_are_those_of_the_bench() -> None:
    peers, _ = tables(section("docs/performance.md", "The peers"))
    installed = [peer for peer in table.read() if peer.install]
    rows = [row for row in peers if code_words(row[1])]
    for row, peer in zip(rows, installed, strict=True):
        assert code_words(row[1]) == [line for line in peer.install if line.startswith("pip ")]


def test_the_lines_of_the_soak_are_those_of_its_table() -> None:
    lines, _ = tables(section("docs/performance.md", "Under load"))
    memory = Memory([1.0] * MIN_SAMPLES, [1.0] * MIN_SAMPLES)
    findings = Findings([], memory, Flood(), ["light"], errors=0, busy=0, files=0, left=0)
    documented = [name for row in lines for name in code_words(row[0])]
    assert documented == [figure.case for figure in figures(findings)]
