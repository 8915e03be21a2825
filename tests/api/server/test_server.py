"""`/health`, `/metrics`, `/openapi.json`."""

from __future__ import annotations

import json

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam
from prometheus_client.parser import text_string_to_metric_families

from openedai.api import routes
from tests.support import Running, fetch


def test_health(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}/health")
    assert answer.status == 200
    assert json.loads(answer.body)["status"] == "ok"


def test_the_schema_has_every_route(echo_server: Running) -> None:
    schema = json.loads(fetch(f"{echo_server.url}/openapi.json").body)
    paths = {route.path.replace(":path}", "}") for route in routes(echo_server.app.state.services)}
    assert set(schema["paths"]) == paths
    chat, edits = (
        schema["paths"][path]["post"]["requestBody"]["content"]
        for path in ("/v1/chat/completions", "/v1/images/edits")
    )
    assert set(edits) == {"application/json", "multipart/form-data"}
    bodies = schema["components"]["schemas"]
    assert chat["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ChatCompletionRequest"
    }
    assert "temperature" in bodies["ChatCompletionRequest"]["properties"]
    edit = edits["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
    assert "binary" in json.dumps(bodies[edit]["properties"]["image"])


def test_metrics_count(client: OpenAI, echo_server: Running) -> None:
    def value(name: str, **labels: str) -> float:
        text = fetch(f"{echo_server.url}/metrics").body.decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    route = "/v1/chat/completions"
    names: list[tuple[str, dict[str, str], float]] = [
        ("openedai_requests_total", {"route": route, "status": "200"}, 1),
        ("openedai_requests_total", {"route": route, "status": "404"}, 1),
        ("openedai_tokens_total", {"model": "echo", "kind": "prompt"}, 4),
        ("openedai_tokens_total", {"model": "echo", "kind": "completion"}, 3),
        ("openedai_time_to_first_token_seconds_count", {"model": "echo"}, 1),
        ("openedai_queue_seconds_count", {"model": "echo"}, 1),
    ]
    before = [value(name, **labels) for name, labels, _ in names]
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "one two three"}]
    client.chat.completions.create(model="echo", messages=messages)
    body = {"model": "none", "messages": messages}
    assert fetch(f"{echo_server.url}{route}", "POST", json=body).status == 404
    for (name, labels, step), old in zip(names, before, strict=True):
        assert value(name, **labels) == old + step, name
    assert value("openedai_model_loaded", model="echo") == 1
