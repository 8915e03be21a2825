"""The compliance tests of Open Responses: those of WebSockets, which llm-comply has not.

Written from their public descriptions. Each event is checked against the specification that comes
with llm-comply.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from jsonschema import Draft202012Validator
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.support import fetch

Event = dict[str, Any]

TIMEOUT = 30  # seconds for an event
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")
# Its other ten tests, which llm-comply has.
OVER_HTTP = (
    "basic-response",
    "assistant-phase",
    "response-output-phase-schema",
    "streaming-response",
    "system-prompt",
    "tool-calling",
    "image-input",
    "multi-turn",
    "compact-response",
    "compact-missing-model",
)


class Fault(Exception):
    """What is not as the specification says."""


class Specification:
    """Schemas, by their names and by the types of events."""

    def __init__(self, file: Path) -> None:
        self._components = json.loads(file.read_text("utf-8"))["components"]
        self._events = {
            schema["properties"]["type"]["enum"][0]: name
            for name, schema in self._components["schemas"].items()
            if name.endswith("StreamingEvent")
        }

    def check_event(self, event: Event) -> None:
        """Raises Fault if its type is not known, or if it is not what its type says."""
        type = event.get("type")
        if type == "error":
            self.check("WebSocketErrorEvent", event)
        elif type not in self._events:
            raise Fault(f"unknown event: {type}")
        else:
            self.check(self._events[type], event)

    def check(self, name: str, value: Any) -> None:
        """Raises Fault if a value is not valid by a schema."""
        reference = {"$ref": f"#/components/schemas/{name}", "components": self._components}
        for error in Draft202012Validator(reference).iter_errors(value):
            raise Fault(f"{name}: {error.json_path}: {error.message}")


class Connection:
    """A WebSocket on which responses are created, one after the other."""

    def __init__(self, socket: ClientConnection, specification: Specification) -> None:
        self._socket = socket
        self._specification = specification

    def create(self, text: Any, **fields: Any) -> Event:
        """The last event of a response; raises Fault if an event is not as it should be."""
        body = {"type": "response.create", "model": "gpt-5", "input": text, **fields}
        self._specification.check("WebSocketResponseCreateEvent", body)
        self._socket.send(json.dumps(body))
        numbers = []
        while True:
            event = json.loads(self._socket.recv(TIMEOUT))
            self._specification.check_event(event)
            if event["type"] == "error":
                return dict(event)
            numbers.append(event["sequence_number"])
            if event["type"] in ENDS:
                break
        if numbers != sorted(set(numbers)):
            raise Fault(f"sequence numbers: {numbers}")
        return dict(event)

    def completed(self, text: Any, **fields: Any) -> Event:
        """The response, which must be completed and have an output."""
        end = self.create(text, **fields)
        if end["type"] != "response.completed":
            raise Fault(f"expected response.completed, but got {end}")
        response: Event = end["response"]
        if response["status"] != "completed" or not response["output"]:
            raise Fault(f"the status is {response['status']}, the output {response['output']}")
        return response

    def not_found(self, previous: str) -> None:
        """What `previous` names cannot be continued."""
        end = self.create("Go on.", store=False, previous_response_id=previous)
        if _code(end) != "previous_response_not_found":
            raise Fault(f"expected previous_response_not_found, but got {end}")


class Suite:
    """The seven tests: each raises Fault if it fails."""

    def __init__(self, url: str, specification: Specification) -> None:
        self._url = url
        self._specification = specification

    def websocket_response(self) -> None:
        with self._connected() as socket:
            socket.completed([_message("Count from 1 to 3.")])

    def websocket_sequential_responses(self) -> None:
        with self._connected() as socket:
            ids = {socket.completed(word, store=False)["id"] for word in ("first", "second")}
        if len(ids) != 2:
            raise Fault("both responses have the same id")

    def websocket_continuation(self) -> None:
        with self._connected() as socket:
            first = socket.completed("The code word is cobalt.", store=False)["id"]
            second = socket.completed("And now?", store=False, previous_response_id=first)
        if second["previous_response_id"] != first:
            raise Fault(f"previous_response_id is {second['previous_response_id']}")

    def websocket_reconnect_store_false_recovery(self) -> None:
        with self._connected() as socket:
            first = socket.completed("The code word is copper.", store=False)["id"]
        with self._connected() as socket:
            socket.not_found(first)
            socket.completed([_message("Begin again.")], store=False)

    def websocket_previous_response_not_found(self) -> None:
        with self._connected() as socket:
            socket.not_found("resp_00000000000000000000000000000000")

    def websocket_failed_continuation_evicts_cache(self) -> None:
        with self._connected() as socket:
            first = socket.completed("The code word is ember.", store=False)["id"]
            output = {"type": "function_call_output", "call_id": "call_none", "output": "Sunny."}
            end = socket.create([output], store=False, previous_response_id=first)
            if end["type"] not in ("error", "response.failed"):
                raise Fault(f"an output without its call was answered: {end}")
            socket.not_found(first)

    def websocket_compact_new_chain(self) -> None:
        history = [_message("The code word is slate."), _message("OK.", role="assistant")]
        body = {"model": "gpt-5", "input": history}
        answer = fetch(f"{self._url}/responses/compact", "POST", json=body)
        if answer.status != 200:
            raise Fault(f"HTTP {answer.status}: {answer.body.decode()}")
        compacted = json.loads(answer.body)
        self._specification.check("CompactResource", compacted)
        with self._connected() as socket:
            socket.completed([*compacted["output"], _message("Go on.")], store=False, tools=[])

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        address = f"{self._url.replace('http', 'ws', 1)}/responses"
        headers = {"Authorization": "Bearer dummy"}
        with connect(address, additional_headers=headers, open_timeout=TIMEOUT) as socket:
            yield Connection(socket, self._specification)


def tests(suite: Suite) -> dict[str, Callable[[], None]]:
    """The tests of a suite, by their official names."""
    return {
        name.replace("_", "-"): getattr(suite, name)
        for name in vars(Suite)
        if name.startswith("websocket_")
    }


def over_websockets(url: str, file: Path) -> dict[str, str | None]:
    """The faults that the tests find, None of those that pass.

    `url` is the server's, with its `/v1`; `file` has the specification.
    """
    results: dict[str, str | None] = {}
    for name, test in tests(Suite(url, Specification(file))).items():
        try:
            test()
        except (Fault, WebSocketException, aiohttp.ClientError, OSError) as error:
            results[name] = str(error) or type(error).__name__
        else:
            results[name] = None
    return results


def _message(text: str, *, role: str = "user") -> Event:
    return {"type": "message", "role": role, "content": text}


def _code(event: Event) -> str | None:
    """The code of the error of a last event."""
    holder = event if event["type"] == "error" else event["response"]
    return (holder.get("error") or {}).get("code")
