"""`image_generation`, by the echo engine's images of one colour."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from PIL import Image

from openedai.config import ModelSpec
from tests.api.openai.responses.answers import check_events, raw_events, refusal, respond
from tests.api.openai.responses.served.mcp_servers import call
from tests.api.openai.responses.served.test_web_search import types
from tests.api.openai.responses.test_background import ended
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings, occupancy, wait_until

both_ways = pytest.mark.parametrize("stream", [False, True])

TOOL: Any = {"type": "image_generation", "size": "32x16"}
TEXT = call("image_generation", prompt="a red cat")
TOLD = "The image was made, and the user sees it."
MODELS = (
    *ECHO_MODELS,
    ModelSpec(id="painter", engine="echo", options={"delay": 3600}),
    ModelSpec(id="broken-painter", engine="echo", options={"fail_after": 0}),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), models=MODELS)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


@both_ways
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_an_image_is_made(client: OpenAI, stream: bool, kind: str) -> None:
    tool = {**TOOL, "output_format": kind, "model": "gpt-image-1", "quality": "low"}
    response = respond(client, stream, input=TEXT, tools=[tool])
    assert types(response) == ["image_generation_call", "message"]
    assert response.output_text == TOLD
    made: Any = response.output[0].to_dict()
    image = Image.open(io.BytesIO(base64.b64decode(made.pop("result"))))
    assert (image.size, (image.format or "").lower()) == ((32, 16), kind)
    assert made.pop("id").startswith("ig_")
    assert made == {
        "type": "image_generation_call",
        "status": "completed",
        "action": "generate",
        "background": "opaque",
        "output_format": kind,
        "quality": "low",
        "revised_prompt": "a red cat",
        "size": "32x16",
    }


def test_the_events(server: Running) -> None:
    events = raw_events(server, input=TEXT, tools=[{**TOOL, "partial_images": 2}])
    response = check_events(events)
    names = [event["type"].removeprefix("response.") for event in events]
    assert names[2:9] == [
        "output_item.added",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        *["image_generation_call.partial_image"] * 2,
        "image_generation_call.completed",
        "output_item.done",
    ]
    partial = events[6]
    assert (partial["partial_image_index"], partial["size"]) == (1, "16x8")
    image = Image.open(io.BytesIO(base64.b64decode(partial["partial_image_b64"])))
    assert image.size == (16, 8)
    assert response["output"][0]["result"]


@both_ways
@pytest.mark.parametrize(
    ("text", "model", "told"),
    [
        (call("image_generation"), None, "The argument 'prompt' is missing, or is not a text."),
        (TEXT, "nothing", "The model `nothing` does not exist"),
        (TEXT, "broken-painter", "The echo engine was told to fail."),
    ],
)
def test_a_failure_is_an_item(
    client: OpenAI, stream: bool, text: str, model: str | None, told: str
) -> None:
    response = respond(client, stream, input=text, tools=[{**TOOL, "model": model}])
    made: Any = response.output[0].to_dict()
    assert (response.status, made["status"], made["result"]) == ("completed", "failed", None)
    assert made["error"]["message"].startswith(told)
    assert response.output_text.startswith(f"Error: {told}")


def test_what_was_made_is_told_in_the_next_response(client: OpenAI) -> None:
    first = respond(client, False, input=TEXT, tools=[TOOL])
    again = respond(client, False, model="reveal", input="and?", previous_response_id=first.id)
    messages = json.loads(again.output_text)["prompt"]["messages"]
    assert [message["role"] for message in messages] == [
        *("user", "assistant", "tool", "assistant", "user")
    ]
    (made,) = messages[1]["tool_calls"]
    assert json.loads(made["arguments"]) == {"prompt": "a red cat"}
    items: Any = [item.to_dict() for item in first.output]
    assert respond(client, False, input=[*items, {"role": "user", "content": "so"}]).output_text


def test_in_the_background_and_cancelled(client: OpenAI, server: Running) -> None:
    body: dict[str, Any] = {"model": "echo", "input": TEXT, "background": True}
    made = client.responses.create(**body, tools=[TOOL])
    assert types(ended(client, made.id)) == ["image_generation_call", "message"]
    painted: Any = [{**TOOL, "model": "painter"}]
    slow = client.responses.create(**body, tools=painted)
    wait_until(lambda: occupancy(server, "painter")[0] == 1)
    client.responses.cancel(slow.id)
    wait_until(lambda: occupancy(server, "painter")[0] == 0)


def test_what_is_refused(client: OpenAI) -> None:
    for fields, expected in (
        ({"size": "9x9"}, ("invalid_value", "size")),
        ({"output_format": "gif"}, ("unsupported_value", "output_format")),
        ({"action": "edit"}, ("unsupported_value", "action")),
        ({"output_compression": 50}, ("invalid_value", "output_compression")),
        ({"output_format": "jpeg", "background": "transparent"}, ("invalid_value", "background")),
        ({"input_image_mask": {}}, ("unsupported_parameter", "input_image_mask")),
        ({"nothing": 1}, ("unknown_parameter", "nothing")),
    ):
        code, param = refusal(client, tools=[{**TOOL, **fields}])
        assert (code, param) == (expected[0], f"tools[0].{expected[1]}")


def test_without_a_model_for_images(tmp_path_factory: pytest.TempPathFactory) -> None:
    chat = ModelSpec(id="echo", engine="upstream", options={"base_url": "http://127.0.0.1:9/v1"})
    folder = tmp_path_factory.mktemp("data")
    settings = echo_settings(data=folder, models=(chat,), embedding_model="echo")
    with ServerThread(settings) as server, server.client() as client:
        code, param = refusal(client, tools=[TOOL])
    assert (code, param) == ("unsupported_value", "tools[0].type")
