"""The table of the peers on the page against the one that the bench reads."""

from __future__ import annotations

from bench.peers import table
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
