"""The command: a very short run on the echo engine, and what it writes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from rich.console import Console

from bench import report
from bench.__main__ import parse_target, run
from bench.figures import SUBJECT, Budget, Figure
from bench.load.client import Target
from bench.machine import Machine, describe
from bench.plan import DEFAULT, Plan, Section
from bench.scale import QUICK
from tests.support import Running, ServerThread, echo_settings

TINY = replace(
    QUICK,
    rounds=1,
    echo_tokens=20,
    echo_answers=4,
    echo_streams=2,
    front_answers=2,
    small_chats=4,
    small_chat_streams=2,
    starts=1,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with ServerThread(echo_settings()) as running:
        yield running


def figures() -> list[Figure]:
    ratio = Budget(0.97, "at least", of="ratio", peer="native")
    both = {SUBJECT: [90.0, 96.0], "native": [100.0, 100.0], "other": [10.0, 20.0]}
    alone = {SUBJECT: [1.0, 1.25]}
    return [
        Figure("text", "1 stream", "tokens/s", True, both, ratio, "a note"),
        Figure("idle", "time to ready", "s", False, alone, Budget(1.5, "at most")),
        Figure("overhead", "chats", "chats/s", True, alone, replace(ratio, peer="absent")),
    ]


def test_a_short_run_on_the_echo_engine(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    found = run(Plan([Section.OVERHEAD, Section.IDLE], TINY), console, tmp_path)
    assert [figure.section for figure in found] == ["overhead"] * 4 + ["idle"] * 3
    assert all(value > 0 for figure in found for value in figure.values[SUBJECT])
    (file,) = tmp_path.glob("*.json")
    written = json.loads(file.read_text())
    assert written["scale"]["echo_tokens"] == 20
    assert written["machine"]["cores"] >= 1
    assert len(written["machine"]["load"]) == 2
    assert [figure["case"] for figure in written["figures"]] == [figure.case for figure in found]
    assert all(figure["verdict"]["found"] > 0 for figure in written["figures"] if figure["verdict"])


def test_the_peers_are_measured_only_on_request() -> None:
    assert Section.PEERS not in DEFAULT
    assert set(DEFAULT) < set(Section)


def test_table() -> None:
    output = io.StringIO()
    report.show(figures(), machine(), Console(file=output, width=200))
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in output.getvalue().splitlines()
        if line.strip().startswith("|")
    ]
    assert rows[0] == ["what", "openedai", "peer", "theirs", "ratio", "budget", "found"]
    native = ["native", "100", "0.93 (0.90 – 0.96)", "≥ 0.97 ×", "0.93 missed"]
    assert rows[2:] == [
        ["text, 1 stream, tokens/s", "93.0 (90.0 – 96.0)", *native],
        ["", "", "other", "15.0 (10.0 – 20.0)", "6.90 (4.80 – 9.00)", "", ""],
        ["idle, time to ready, s", "1.12 (1.00 – 1.25)", "", "", "", "≤ 1.5", "1.12 met"],
        ["overhead, chats, chats/s", "1.12 (1.00 – 1.25)", *[""] * 3, "≥ 0.97 ×", "needs absent"],
    ]


def test_json_has_ratios_and_verdicts(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    report.write_json(figures(), machine(), {"rounds": 2}, file)
    first, second, third = json.loads(file.read_text())["figures"]
    assert first["ratios"]["native"] == pytest.approx({"low": 0.9, "median": 0.93, "high": 0.96})
    assert first["verdict"] == {"found": pytest.approx(0.93), "met": False}
    assert second["verdict"] == {"found": 1.125, "met": True}
    assert third["verdict"] is None


def test_plot(tmp_path: Path) -> None:
    files = [tmp_path / "figures.png", tmp_path / "figures.svg"]
    report.plot(figures(), machine(), files)
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert "<svg" in files[1].read_text()


def test_other_servers_are_named_by_url(server: Running) -> None:
    url = f"{server.url}/v1"
    assert parse_target(f"ours={url}") == Target("ours", url, "echo")
    assert parse_target(f"ours={url}#owner/model:tag") == Target("ours", url, "owner/model:tag")


@pytest.mark.parametrize("text", ["http://127.0.0.1:1/v1#m", "name=ftp://127.0.0.1/v1#m", "name"])
def test_invalid_urls(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not name=http"):
        parse_target(text)


def machine() -> Machine:
    found = describe()
    found["load"] = [0.1, 0.2]
    return found
