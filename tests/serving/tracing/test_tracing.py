"""Traces of requests: their spans, and how they are sent."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openai import APIError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from openedai.config import ModelSpec
from tests.process.serving import serving
from tests.process.settings_files import model_table, settings_file
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings, fetch, wait_until

HELLO: Any = [{"role": "user", "content": "one two three"}]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LATE = ModelSpec(id="late", engine="echo", options={"load_delay": 0.2})


class Traced(ServerThread):
    """Its spans are in `spans` when it has stopped."""

    def __init__(self, folder: Path, *models: ModelSpec) -> None:
        self.exporter = InMemorySpanExporter()
        settings = echo_settings(data=folder, traces=True, models=(*ECHO_MODELS, LATE, *models))
        super().__init__(settings, span_exporter=self.exporter)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()


def below(spans: Sequence[ReadableSpan], parent: ReadableSpan) -> dict[str, ReadableSpan]:
    found = [one for one in spans if one.parent and one.parent.span_id == parent.context.span_id]
    return {one.name: one for one in found}


def roots(spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    ids = {one.context.span_id for one in spans}
    return [one for one in spans if one.parent is None or one.parent.span_id not in ids]


def check_times(root: ReadableSpan, chat: ReadableSpan, parts: Mapping[str, ReadableSpan]) -> None:
    """Fails unless each part of the chat is within its request, and the load took its time."""
    assert set(parts) == {"queue", "load", "generation"}
    load = parts["load"]
    assert load.start_time is not None
    assert load.end_time is not None
    assert load.end_time - load.start_time >= 190_000_000
    for one in (chat, *parts.values()):
        assert root.start_time is not None
        assert root.end_time is not None
        assert one.start_time is not None
        assert one.end_time is not None
        assert root.start_time <= one.start_time <= one.end_time <= root.end_time


def test_a_chat_and_its_parts(tmp_path: Path) -> None:
    server = Traced(tmp_path)
    with server as running, running.client() as client:
        client.chat.completions.create(
            model="late",
            messages=HELLO,
            extra_headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b"},
        )
    (root,) = roots(server.spans)
    assert root.name == "POST /v1/chat/completions"
    assert f"{root.context.trace_id:032x}" == TRACE
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == PARENT
    assert root.context.trace_state.get("a") == "b"
    attributes = dict(root.attributes or {})
    assert attributes.pop("openedai.request.id", "").__class__ is str
    assert attributes == {
        "server.address": "127.0.0.1",
        "server.port": 5001,
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
    }
    children = below(server.spans, root)
    assert list(children) == ["chat late"]
    chat = children["chat late"]
    found = dict(chat.attributes or {})
    assert found.pop("gen_ai.response.time_to_first_chunk", 0)
    assert found == {
        "server.address": "127.0.0.1",
        "server.port": 5001,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openedai",
        "gen_ai.request.model": "late",
        "gen_ai.response.model": "late",
        "gen_ai.usage.input_tokens": 4,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.response.finish_reasons": ("stop",),
    }
    check_times(root, chat, below(server.spans, chat))
    texts = [str(one.to_json()) for one in server.spans]
    assert not any("two" in text for text in texts)


def test_other_requests(tmp_path: Path) -> None:
    server = Traced(tmp_path)
    with server as running, running.client() as client:
        client.embeddings.create(model="echo", input="a b")
        client.completions.create(model="echo", prompt="a b")
        with pytest.raises(APIError):
            client.chat.completions.create(model="fails-first", messages=HELLO)
        fetch(f"{running.url}/nowhere")
        sampled_out = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
        client.embeddings.create(model="echo", input="a", extra_headers=sampled_out)
        malformed = {"traceparent": "00-zz-1"}
        client.embeddings.create(model="echo", input="a", extra_headers=malformed)
    names = [one.name for one in roots(server.spans)]
    assert names == [
        "POST /v1/embeddings",
        "POST /v1/completions",
        "POST /v1/chat/completions",
        "GET unmatched",
        "POST /v1/embeddings",
    ]
    embedding, text, failed, _, _ = roots(server.spans)
    assert set(below(server.spans, embedding)) == {"embeddings echo"}
    assert set(below(server.spans, text)) == {"text_completion echo"}
    assert not failed.status.is_ok
    assert (failed.attributes or {})["error.type"] == "500"


def test_a_job_is_a_trace_of_its_own(tmp_path: Path) -> None:
    server = Traced(tmp_path)
    with server as running, running.client() as client:
        made = client.responses.create(model="echo", input="one", background=True)
        wait_until(lambda: client.responses.retrieve(made.id).status == "completed")
    found = [one for one in roots(server.spans) if (one.attributes or {}).get("openedai.origin")]
    assert [(one.attributes or {})["openedai.request.id"] for one in found] == [made.id]


def test_tools_that_the_server_runs(tmp_path: Path) -> None:
    called = json.dumps({"name": "file_search", "arguments": {"query": "cats"}})
    server = Traced(tmp_path)
    with server as running, running.client() as client:
        store = client.vector_stores.create()
        answer = client.responses.create(
            model="echo",
            input=f"<tool_call>{called}</tool_call>",
            tools=[{"type": "file_search", "vector_store_ids": [store.id]}],
        )
    assert answer.output[0].type == "file_search_call"
    (root,) = [one for one in roots(server.spans) if one.name == "POST /v1/responses"]
    found = below(server.spans, root)
    assert set(found) == {"chat echo", "execute_tool file_search"}
    tool = found["execute_tool file_search"]
    attributes = dict(tool.attributes or {})
    assert attributes["gen_ai.operation.name"] == "execute_tool"
    assert attributes["gen_ai.tool.name"] == "file_search"
    assert root.start_time is not None
    assert root.end_time is not None
    assert tool.start_time is not None
    assert tool.end_time is not None
    assert root.start_time < tool.start_time <= tool.end_time <= root.end_time


def far(server: Running) -> ModelSpec:
    """The echo model of another server."""
    options = {"url": server.url, "server": "openedai", "model": "echo"}
    return ModelSpec(id="far", engine="upstream", options=options)


def client_trace(sampled: bool = True) -> dict[str, str]:
    return {"traceparent": f"00-{TRACE}-{PARENT}-0{int(sampled)}", "tracestate": "a=b,c=d"}


def test_upstreams_get_the_trace(tmp_path: Path) -> None:
    upstream = Traced(tmp_path / "far")
    with upstream as there:
        server = Traced(tmp_path / "near", far(there))
        with server as running, running.client() as client:
            client.chat.completions.create(model="far", messages=HELLO)
            client.embeddings.create(model="far", input="a", extra_headers=client_trace())
            unsampled = client_trace(sampled=False)
            client.embeddings.create(model="far", input="a", extra_headers=unsampled)
    chat, embedding = roots(server.spans)
    far_chat, far_embedding = roots(upstream.spans)  # what is not sampled here, is not there
    for here, beyond in ((chat, far_chat), (embedding, far_embedding)):
        assert beyond.context.trace_id == here.context.trace_id
        assert beyond.parent is not None
        assert beyond.parent.span_id == here.context.span_id
    assert chat.parent is None
    assert f"{embedding.context.trace_id:032x}" == TRACE
    assert dict(far_embedding.context.trace_state) == {"a": "b", "c": "d"}


def test_a_server_without_traces_passes_the_clients_on(tmp_path: Path) -> None:
    upstream = Traced(tmp_path)
    with (
        upstream as there,
        ServerThread(echo_settings(models=(*ECHO_MODELS, far(there)))) as running,
        running.client() as client,
    ):
        for headers in ({}, client_trace(), {"traceparent": f"00-{TRACE}-{'0' * 16}-01"}):
            client.embeddings.create(model="far", input="a", extra_headers=headers)
    without, passed, malformed = roots(upstream.spans)
    assert (without.parent, malformed.parent) == (None, None)
    assert passed.parent is not None
    assert f"{passed.context.trace_id:032x} {passed.parent.span_id:016x}" == f"{TRACE} {PARENT}"
    assert dict(passed.context.trace_state) == {"a": "b", "c": "d"}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert isinstance(self.server, OtlpServer)
        self.server.received.append((self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class OtlpServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.received: list[tuple[str, dict[str, str], bytes]] = []


@pytest.fixture
def otlp() -> Iterator[OtlpServer]:
    with OtlpServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_spans_are_sent_as_the_standard_variables_say(
    tmp_path: Path, otlp: OtlpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{otlp.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=me")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "my-models")
    config = settings_file(model_table("echo"))
    with serving(tmp_path, config, traces=True) as server:
        with server.client() as client:
            client.embeddings.create(model="echo", input="a b")
        server.process.terminate()
        assert server.process.wait(30) == 0
    path, headers, body = otlp.received[0]
    assert path == "/v1/traces"
    assert {name.lower(): value for name, value in headers.items()}["x-tenant"] == "me"
    request = ExportTraceServiceRequest.FromString(body)
    (resource,) = request.resource_spans
    service = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert service["service.name"] == "my-models"
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert {"embeddings echo", "POST /v1/embeddings"} <= set(names)


def test_an_endpoint_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    config = settings_file(model_table("echo"))
    with serving(tmp_path, config, traces=True) as server:
        with server.client() as client:
            for _ in range(20):
                client.embeddings.create(model="echo", input="a b")
        server.process.terminate()
        assert server.process.wait(30) == 0


def test_nothing_is_imported_unless_it_is_on() -> None:
    program = (
        "import sys; from openedai.app import create_app; from openedai.config import Settings;"
        "create_app(Settings(_env_file=None));"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
