"""`mcp`: the tools of servers, by the official library's own server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.api.openai.responses.answers import check_events, raw_events, refusal, respond
from tests.api.openai.responses.served.mcp_servers import RealServer, call, real_server
from tests.api.openai.responses.served.test_web_search import types
from tests.api.openai.responses.test_background import ended
from tests.api.openai.responses.test_socket import connection, create
from tests.support import Running, ServerThread, echo_settings, wait_until

both_ways = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture(scope="module")
def shared() -> Iterator[RealServer]:
    with real_server() as server:
        yield server


@pytest.fixture
def files(shared: RealServer) -> RealServer:
    shared.headers.clear()
    shared.calls.clear()
    return shared


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("data")
    with ServerThread(echo_settings(data=folder, mcp_private_hosts=["127.0.0.1"])) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def mcp(files: RealServer, path: str = "/mcp", **fields: Any) -> Any:
    url = f"{files.url}{path}"
    return {
        "type": "mcp",
        "server_label": "files",
        "server_url": url,
        "require_approval": "never",
        **fields,
    }


@both_ways
@pytest.mark.parametrize("path", ["/mcp", "/sse"])
def test_tools_are_listed_and_called(
    client: OpenAI, files: RealServer, stream: bool, path: str
) -> None:
    response = respond(client, stream, input=call("files__add", a=1, b=2), tools=[mcp(files, path)])
    assert types(response) == ["mcp_list_tools", "mcp_call", "message"]
    listed, called = (item.to_dict() for item in response.output[:2])
    tools: Any = listed["tools"]
    assert [tool["name"] for tool in tools] == ["add", "delete", "hang", "odd.name/2"]
    assert tools[0]["annotations"] == {"readOnlyHint": True}
    assert tools[0]["input_schema"]["required"] == ["a", "b"]
    assert {name: called[name] for name in ("name", "server_label", "status", "output")} == {
        "name": "add",
        "server_label": "files",
        "status": "completed",
        "output": "3",
    }
    assert json.loads(str(called["arguments"])) == {"a": 1, "b": 2}
    assert response.output_text == "3"


def test_the_events(server: Running, files: RealServer) -> None:
    text = call("files__add", a=1, b=2)
    events = raw_events(server, input=text, tools=[mcp(files)])
    check_events(events)
    names = [event["type"].removeprefix("response.") for event in events]
    names = [name for n, name in enumerate(names) if name != names[n - 1]]
    assert names[2:12] == [
        "output_item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "output_item.done",
        "output_item.added",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
        "output_item.done",
    ]


@both_ways
def test_a_tool_that_fails(client: OpenAI, files: RealServer, stream: bool) -> None:
    text = call("files__delete", path="missing")
    response = respond(client, stream, input=text, tools=[mcp(files)])
    item: Any = response.output[1].to_dict()
    assert (item["status"], item["output"]) == ("failed", None)
    assert item["error"]["type"] == "mcp_tool_execution_error"
    assert "there is no such file" in item["error"]["content"][0]["text"]
    assert response.status == "completed"
    assert response.output_text.startswith("Error: ")
    assert "there is no such file" in response.output_text


@both_ways
def test_names_that_models_cannot_write(client: OpenAI, files: RealServer, stream: bool) -> None:
    shown = client.responses.create(model="reveal", input="x", tools=[mcp(files)])
    prompt = json.loads(shown.output_text)["prompt"]
    odd = prompt["tools"][3]["name"]
    assert odd.startswith("files__odd_name_2_")
    response = respond(client, stream, input=call(odd, text="hi"), tools=[mcp(files)])
    assert response.output[1].to_dict()["name"] == "odd.name/2"
    assert response.output_text == "hi"


def test_what_is_allowed(client: OpenAI, files: RealServer) -> None:
    for allowed, expected in (
        (["add"], ["files__add"]),
        ({"read_only": True}, ["files__add"]),
        ({"tool_names": ["delete", "nothing"]}, ["files__delete"]),
        ({"tool_names": ["delete"], "read_only": True}, []),
    ):
        tools: Any = [mcp(files, allowed_tools=allowed)]
        shown = client.responses.create(model="reveal", input="x", tools=tools)
        prompt = json.loads(shown.output_text)["prompt"]
        assert [tool["name"] for tool in prompt.get("tools", ())] == expected
    choice: Any = {"type": "mcp", "server_label": "files", "name": "hang"}
    response = client.responses.create(
        model="reveal", input="x", tools=[mcp(files)], tool_choice=choice
    )
    prompt = json.loads(response.output_text)["prompt"]
    assert [tool["name"] for tool in prompt["tools"]] == ["files__hang"]
    assert prompt["call_required"]
    assert refusal(client, tools=[mcp(files)], tool_choice={**choice, "server_label": "x"}) == (
        "invalid_value",
        "tool_choice",
    )


@both_ways
@pytest.mark.parametrize("approve", [True, False])
def test_approvals(client: OpenAI, files: RealServer, stream: bool, approve: bool) -> None:
    tool = mcp(files, require_approval="always")
    first = respond(client, stream, input=call("files__delete", path="a"), tools=[tool])
    assert types(first) == ["mcp_list_tools", "mcp_approval_request"]
    assert files.calls == []
    asked: Any = first.output[1].to_dict()
    assert (asked["name"], json.loads(asked["arguments"])) == ("delete", {"path": "a"})
    answer = {
        "type": "mcp_approval_response",
        "approval_request_id": asked["id"],
        "approve": approve,
        "reason": None if approve else "Not this one.",
    }
    body: dict[str, Any] = {"tools": [tool], "previous_response_id": first.id}
    second = respond(client, stream, input=[answer], **body)
    if not approve:
        assert (types(second), files.calls) == (["message"], [])
        assert second.output_text == "The user did not allow this call. Not this one."
        return
    assert types(second) == ["mcp_call", "message"]
    assert (second.output_text, files.calls) == ("deleted a", ["delete"])
    assert second.output[0].to_dict()["approval_request_id"] == asked["id"]
    third = respond(
        client, stream, model="reveal", input="and?", tools=[tool], previous_response_id=second.id
    )
    messages = json.loads(third.output_text)["prompt"]["messages"]
    assert [message["role"] for message in messages] == [
        *("user", "assistant", "tool", "assistant", "user")
    ]
    assert messages[2]["content"] == "deleted a"
    assert files.calls == ["delete"]


def test_whose_calls_need_an_approval(client: OpenAI, files: RealServer) -> None:
    for given, adding, deleting in (
        (None, True, True),
        ({"never": {"read_only": True}}, False, True),
        ({"always": {"tool_names": ["delete"]}}, False, True),
        ({"always": {"tool_names": ["add"]}, "never": {"tool_names": ["delete"]}}, True, False),
    ):
        tool = mcp(files, require_approval=given)
        for text, needed in (
            (call("files__add", a=1, b=1), adding),
            (call("files__delete", path="a"), deleting),
        ):
            response = respond(client, False, input=text, tools=[tool])
            kind = "mcp_approval_request" if needed else "mcp_call"
            assert response.output[1].type == kind


def test_approvals_that_are_not_valid(client: OpenAI, files: RealServer) -> None:
    asked = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "files",
        "name": "delete",
        "arguments": '{"path": "a"}',
    }
    answer = {
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        "approve": True,
    }
    at = "approval_request_id"
    assert refusal(client, input=[answer], tools=[mcp(files)]) == (
        "invalid_value",
        f"input[0].{at}",
    )
    assert refusal(client, input=[asked, answer]) == ("invalid_value", f"input[1].{at}")
    only = mcp(files, allowed_tools=["add"])
    response = respond(client, False, input=[asked, answer], tools=[only])
    assert response.output[1].to_dict()["status"] == "failed"
    assert files.calls == []


def test_secrets_are_sent_and_never_told(
    client: OpenAI, files: RealServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "openedai")
    headers = {"X-Secret": "s3cret-header"}
    tool = mcp(files, path="/mcp?k=s3cret-query", headers=headers, authorization="s3cret-token")
    response = respond(client, False, input=call("files__add", a=1, b=2), tools=[tool])
    sent = files.headers[-1]
    assert (sent["x-secret"], sent["authorization"]) == ("s3cret-header", "Bearer s3cret-token")
    kept = client.responses.retrieve(response.id)
    items = client.responses.input_items.list(response.id)
    for shown in (response, kept, items):
        assert "s3cret" not in shown.to_json()
    assert "s3cret" not in caplog.text
    (shown_tool,) = (one.to_dict() for one in response.tools)
    assert shown_tool["server_url"] == f"{files.url}/<redacted>"
    for bad in ({"Host": "x"}, {"a b": "c"}, {"a": "b\r\nc: d"}):
        assert refusal(client, tools=[mcp(files, headers=bad)])[1] == "tools[0].headers"


def test_secrets_of_responses_in_the_background(
    tmp_path: Path, database_url: str, files: RealServer, caplog: pytest.LogCaptureFixture
) -> None:
    """They are made by the server that was given them, and by no other one."""
    caplog.set_level("DEBUG", "openedai")
    tool = mcp(files, headers={"X-Secret": "s3cret-header"}, authorization="s3cret-token")
    asked: Any = {"model": "echo", "input": call("files__add", a=1, b=2), "tools": [tool]}
    settings = echo_settings(
        data=tmp_path, mcp_private_hosts=["127.0.0.1"], database=database_url or None
    )
    with (
        ServerThread(settings) as first,
        ServerThread(settings) as second,
        first.client() as one,
        second.client() as two,
    ):
        made = [client.responses.create(**asked, background=True) for client in (one, two) * 5]
        ends = [ended(one, response.id) for response in made]
        assert {response.output_text for response in ends} == {"3"}
        assert "s3cret" not in "".join(response.to_json() for response in (*made, *ends))
        wait_until(
            lambda: not any(len(one.app.state.services.jobs.private) for one in (first, second))
        )
    told = {(sent.get("x-secret"), sent.get("authorization")) for sent in files.headers}
    assert told == {("s3cret-header", "Bearer s3cret-token")}
    assert "s3cret" not in caplog.text
    stored = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"s3cret" in content for content in stored)


def test_servers_are_told_the_trace(client: OpenAI, files: RealServer) -> None:
    """Unless the client has another one for the server."""
    trace, other = f"00-{'a' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'c' * 16}-01"
    for own, told in (({}, trace), ({"Traceparent": other}, other)):
        files.headers.clear()
        respond(
            client,
            False,
            input=call("files__add", a=1, b=2),
            tools=[mcp(files, headers=own)],
            extra_headers={"traceparent": trace},
        )
        assert {sent["traceparent"] for sent in files.headers} == {told}


@both_ways
def test_a_refused_session(client: OpenAI, files: RealServer, stream: bool) -> None:
    tool = mcp(files, authorization="wrong")
    response = respond(client, stream, input="hi", tools=[tool])
    assert types(response) == ["mcp_list_tools", "message"]
    listed = response.output[0].to_dict()
    assert listed["error"] == "The MCP server answered with the status 401."
    assert (response.status, response.output_text) == ("completed", "hi")


def test_addresses_are_checked(files: RealServer, echo_server: Running) -> None:
    """The shared server allows no private hosts."""
    port = files.url.rpartition(":")[2]
    with echo_server.client() as client:
        for url in (
            f"{files.url}/mcp",
            f"http://localhost:{port}/mcp",
            f"http://[::ffff:127.0.0.1]:{port}/mcp",
            "http://169.254.169.254/mcp",
            "http://10.0.0.1/mcp",
            "http://127.0.0.1:22/mcp",
            "ftp://example.com/mcp",
            "http://user@example.com/mcp",
        ):
            response = respond(client, False, input="hi", tools=[mcp(files, server_url=url)])
            error = str(response.output[0].to_dict()["error"])
            assert error.startswith("The MCP server failed: its"), url
        for url in ("http://[host]/mcp", "http://[::1/mcp"):
            found = refusal(client, tools=[mcp(files, server_url=url)])
            assert found == ("invalid_value", "tools[0].server_url")
            assert response.output_text == "hi"
    assert files.headers == []


def test_everywhere_else(client: OpenAI, server: Running, files: RealServer) -> None:
    body: dict[str, Any] = {"input": call("files__add", a=2, b=2), "tools": [mcp(files)]}
    with connection(server) as socket:
        first = check_events(create(socket, **body, store=False))
        assert first["output"][-1]["content"][0]["text"] == "4"
        files.headers.clear()
        again = create(socket, **body, store=False, previous_response_id=first["id"])
        assert [item["type"] for item in check_events(again)["output"]] == ["mcp_call", "message"]
    made = client.responses.create(**body, model="echo", background=True)
    assert ended(client, made.id).output_text == "4"
    conversation = client.conversations.create()
    one = client.responses.create(**body, model="echo", conversation=conversation.id)
    two = client.responses.create(**body, model="echo", conversation=conversation.id)
    assert (types(one)[0], types(two)[0]) == ("mcp_list_tools", "mcp_call")
    kinds = [item.type for item in client.conversations.items.list(conversation.id)]
    assert kinds.count("mcp_call") == 2


def test_a_cancelled_response_ends_its_call(client: OpenAI, files: RealServer) -> None:
    body: dict[str, Any] = {"model": "echo", "input": call("files__hang"), "tools": [mcp(files)]}
    made = client.responses.create(**body, background=True)
    wait_until(lambda: files.hanging == 1)
    client.responses.cancel(made.id)
    wait_until(lambda: files.hanging == 0)
    assert client.responses.retrieve(made.id).status == "cancelled"


def test_it_can_be_turned_off(files: RealServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), mcp_servers=False)
    with ServerThread(settings) as server, server.client() as client:
        assert refusal(client, tools=[mcp(files)]) == ("unsupported_value", "tools[0].type")
    two = [mcp(files), mcp(files)]
    with ServerThread(echo_settings()) as server, server.client() as client:
        assert refusal(client, tools=two) == ("invalid_value", "tools[1].server_label")
        assert refusal(client, tools=[mcp(files, connector_id="connector_gmail")]) == (
            "unsupported_parameter",
            "tools[0].connector_id",
        )
