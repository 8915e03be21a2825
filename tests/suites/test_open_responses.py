"""Our compliance tests on the echo engine: they pass, and they fail when they should."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openedai.config import ModelSpec
from tests.suites.expected import known_failures
from tests.suites.open_responses import OVER_HTTP, over_websockets
from tests.support import Running, ServerThread, echo_settings

EVENTS = (
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
)
SUITES = Path(__file__).parent
DOCS = SUITES.parents[1] / "docs"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    model = ModelSpec(id="gpt-5", engine="echo", options={"context": 100_000})
    data = tmp_path_factory.mktemp("data")
    with ServerThread(echo_settings(data=data, chat_model="gpt-5", models=(model,))) as running:
        yield running


def specification(folder: Path, **changed: Any) -> Path:
    """A file with schemas of all events, and with what is changed of them."""
    schemas = {
        f"{number}StreamingEvent": {"properties": {"type": {"enum": [event]}}}
        for number, event in enumerate(EVENTS)
    }
    others = ("WebSocketResponseCreateEvent", "WebSocketErrorEvent", "CompactResource")
    schemas |= {name: {} for name in others} | changed
    file = folder / "specification.json"
    file.write_text(json.dumps({"components": {"schemas": schemas}}))
    return file


def run(server: Running, file: Path) -> dict[str, str | None]:
    return over_websockets(f"{server.url}/v1", file)


def test_all_pass(server: Running, tmp_path: Path) -> None:
    results = run(server, specification(tmp_path))
    assert len(results) == 7
    assert set(results.values()) == {None}


@pytest.mark.parametrize(
    ("changed", "fault", "passing"),
    [
        ({"8StreamingEvent": {"properties": {"type": {"enum": ["no"]}}}}, "unknown event", 1),
        ({"WebSocketErrorEvent": {"required": ["nothing"]}}, "'nothing' is a required", 4),
        ({"CompactResource": {"type": "array"}}, "is not of type 'array'", 6),
    ],
)
def test_what_is_not_as_specified(
    server: Running, tmp_path: Path, changed: dict[str, Any], fault: str, passing: int
) -> None:
    faults = [error for error in run(server, specification(tmp_path, **changed)).values() if error]
    assert len(faults) == 7 - passing
    assert all(fault in error for error in faults)


def test_a_server_without_responses(server: Running, tmp_path: Path) -> None:
    results = over_websockets(f"{server.url}/v2", specification(tmp_path))
    assert None not in results.values()


def test_the_page_has_the_figure(server: Running, tmp_path: Path) -> None:
    names = [*OVER_HTTP, *run(server, specification(tmp_path))]
    known = known_failures(SUITES / "llm-comply" / "failing.toml")
    failing = [name for name in names for one in known if one.matches([f"open-responses.{name}"])]
    figure = f"{len(names) - len(failing)} of {len(names)}"
    assert figure in (DOCS / "responses.md").read_text("utf-8")
