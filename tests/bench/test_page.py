"""The blocks of the page, filled from what runs wrote."""

from __future__ import annotations

from pathlib import Path

from bench import page
from bench.figures import SUBJECT, Budget, Figure
from bench.machine import describe
from bench.plan import Section
from bench.report import Run, read_json, write_json

PAGE = """# Page

<!-- figures: text -->
old
<!-- /figures -->

between

<!-- figures: text, disturbed -->
<!-- /figures -->
<!-- figures: bounds -->
<!-- /figures -->
"""


def run(folder: Path, ours: float, busy: int = 0) -> Path:
    budget = Budget(0.98, "at least", of="ratio", peer="peer")
    values = {SUBJECT: [ours, ours], "peer": [100.0, 100.0]}
    figure = Figure("text", "1 stream", "tokens/s", True, values, budget)
    machine = describe(busy)
    machine["load"] = [0.1, 0.2]
    file = folder / f"{ours}-{busy}.json"
    write_json([figure], machine, {}, file)
    return file


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = read_json(run(tmp_path, 99.0))
    assert isinstance(found, Run)
    assert found.machine["cores"] >= 1
    assert found.figures[0].ratios("peer").median == 0.99
    assert found.figures[0].budget == Budget(0.98, "at least", of="ratio", peer="peer")


def test_blocks_take_the_last_run_that_has_them(tmp_path: Path) -> None:
    files = [run(tmp_path, 90.0), run(tmp_path, 99.0), run(tmp_path, 50.0, busy=1)]
    written = page.filled(PAGE, page.blocks([read_json(file) for file in files]))
    quiet, disturbed = written.split("between")
    assert "old" not in quiet
    assert "| text, 1 stream, tokens/s | 99.0 | peer | 100 | 0.99 " in quiet
    assert "0.99 met" in quiet
    assert "0.50 missed" in disturbed
    assert "beside 1 busy" in disturbed
    assert (
        "| text, disturbed: 1 stream, tokens/s, to peer | ≥ 0.98 × | 0.50 | **missed** |" in written
    )
    assert written.count("<!-- /figures -->") == 3


def test_filling_twice_changes_nothing(tmp_path: Path) -> None:
    texts = page.blocks([read_json(run(tmp_path, 99.0))])
    once = page.filled(PAGE, texts)
    assert page.filled(once, texts) == once


def test_a_block_without_figures_stays() -> None:
    assert page.filled(PAGE, {"other": "text"}) == PAGE


def test_the_blocks_of_the_page_are_sections() -> None:
    names = page.names(page.PAGE.read_text("utf-8"))
    assert len(set(names)) == len(names) > 0
    known = {str(section) for section in Section} | {page.BOUNDS}
    assert {name.removesuffix(", disturbed") for name in names} <= known
