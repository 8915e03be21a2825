"""`code_interpreter`: code that really runs, called by the echo engine."""

from __future__ import annotations

import base64
import json
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import Any

import openai
import psutil
import pytest
from openai import OpenAI

from tests.api.openai.responses.answers import check_events, raw_events, refusal, respond
from tests.api.openai.responses.served.mcp_servers import call
from tests.api.openai.responses.served.test_web_search import types
from tests.api.openai.responses.test_background import ended
from tests.sandboxes import PLOTS
from tests.support import Running, ServerThread, echo_settings, fetch, wait_until

both_ways = pytest.mark.parametrize("stream", [False, True])

TOOL: Any = {"type": "code_interpreter", "container": {"type": "auto"}}
INCLUDE: Any = ["code_interpreter_call.outputs"]


def code(text: str) -> str:
    """A call as models write it."""
    return call("code_interpreter", code=text)


def run(client: OpenAI, text: str, stream: bool = False, **body: Any) -> Any:
    body = {"tools": [TOOL], "include": INCLUDE, **body}
    return respond(client, stream, input=code(text), **body)


def logs(response: Any) -> str:
    """What the code of the first item wrote."""
    return "".join(one["logs"] for one in response.output[0].to_dict()["outputs"] or ())


@both_ways
def test_code_and_the_answer(code_client: OpenAI, stream: bool) -> None:
    response = run(code_client, "x = 6 * 7\nprint('it is')\nx", stream)
    assert types(response) == ["code_interpreter_call", "message"]
    item = response.output[0].to_dict()
    assert item.pop("id").startswith("ci_")
    container = item.pop("container_id")
    assert item == {
        "type": "code_interpreter_call",
        "status": "completed",
        "code": "x = 6 * 7\nprint('it is')\nx",
        "outputs": [{"type": "logs", "logs": "it is\n42"}],
    }
    assert response.output_text == "it is\n42"
    assert code_client.containers.retrieve(container).name == "auto"
    hidden = run(code_client, "1", stream, include=[])
    assert hidden.output[0].to_dict()["outputs"] is None


def test_the_events(code_server: Running) -> None:
    events = raw_events(code_server, input=code('a = "b"\na'), tools=[TOOL])
    check_events(events)
    names = [event["type"].removeprefix("response.") for event in events]
    deltas = names.count("code_interpreter_call_code.delta")
    assert deltas > 1
    assert names[2 : 9 + deltas - 1] == [
        "output_item.added",
        "code_interpreter_call.in_progress",
        *["code_interpreter_call_code.delta"] * deltas,
        "code_interpreter_call_code.done",
        "code_interpreter_call.interpreting",
        "code_interpreter_call.completed",
        "output_item.done",
    ]
    written = [event["delta"] for event in events if event["type"].endswith("code.delta")]
    assert "".join(written) == 'a = "b"\na'


@both_ways
@pytest.mark.parametrize(
    ("text", "status", "told"),
    [
        ("1 / 0", "completed", "ZeroDivisionError: division by zero"),
        ("1 +", "completed", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(3)", "completed", "SystemExit: 3"),
        ("while True: pass", "failed", "It took longer than 2 seconds."),
        ("import os; os._exit(1)", "failed", "The Python process has ended."),
        ("  ", "failed", "The argument 'code' is missing, or is not a text."),
    ],
)
def test_what_goes_wrong_is_an_item(
    code_client: OpenAI, stream: bool, text: str, status: str, told: str
) -> None:
    response = run(code_client, text, stream)
    assert (response.status, response.output[0].to_dict()["status"]) == ("completed", status)
    assert told in response.output_text
    assert told in logs(response)


def test_files_go_in_and_come_out(code_client: OpenAI) -> None:
    given = code_client.files.create(file=("in.csv", b"1,2\n3,4"), purpose="user_data")
    tool = {**TOOL, "container": {"type": "auto", "file_ids": [given.id]}}
    text = "t = open('in.csv').read()\nopen('/mnt/data/out.txt', 'w').write(t[::-1])"
    response = run(code_client, text, tools=[tool])
    cited = response.output[1].to_dict()["content"][0]["annotations"]
    container = response.output[0].to_dict()["container_id"]
    (file,) = [
        one for one in code_client.containers.files.list(container) if one.source == "assistant"
    ]
    start = response.output_text.index("/mnt/data/out.txt")
    assert cited == [
        {
            "type": "container_file_citation",
            "container_id": container,
            "file_id": file.id,
            "filename": "out.txt",
            "start_index": start,
            "end_index": start + len("/mnt/data/out.txt"),
        }
    ]
    content = code_client.containers.files.content.retrieve(file.id, container_id=container)
    assert content.read() == b"4,3\n2,1"


def test_variables_stay_in_the_conversation(code_client: OpenAI) -> None:
    """Also with the items sent back; a container of its own has none of them."""
    first = run(code_client, "kept = 'still there'")
    again = run(code_client, "kept", previous_response_id=first.id, include=[])
    assert again.output[0].to_dict()["outputs"] is None
    again = code_client.responses.retrieve(again.id, include=INCLUDE)
    assert logs(again) == "'still there'"
    items: Any = [item.to_dict() for item in first.output]
    sent = respond(
        code_client,
        False,
        input=[*items, {"role": "user", "content": code("kept")}],
        tools=[TOOL],
        include=INCLUDE,
    )
    assert logs(sent) == "'still there'"
    assert "NameError" in logs(run(code_client, "kept"))
    told = respond(code_client, False, model="reveal", input="so", previous_response_id=again.id)
    assert "'still there'" in told.output_text
    assert "kept = 'still there'" in told.output_text


def test_a_container_by_its_id(code_client: OpenAI) -> None:
    made = code_client.containers.create(name="mine")
    tool = {**TOOL, "container": made.id}
    first = run(code_client, "a = 1", tools=[tool])
    assert first.output[0].to_dict()["container_id"] == made.id
    assert logs(run(code_client, "a", tools=[tool])) == "1"
    code_client.containers.delete(made.id)
    with pytest.raises(openai.NotFoundError) as error:
        run(code_client, "a", tools=[tool])
    assert error.value.param == "tools[0].container"


def test_figures_are_images(code_client: OpenAI) -> None:
    response = run(code_client, PLOTS)
    outputs = response.output[0].to_dict()["outputs"]
    assert [one["type"] for one in outputs] == ["image", "image"]
    data = outputs[0]["url"].removeprefix("data:image/png;base64,")
    assert base64.b64decode(data) == b"PNG"
    assert "The user sees 2 images." in response.output_text


@both_ways
def test_several_calls(code_client: OpenAI, stream: bool) -> None:
    text = code("a = 1") + code("a + 1")
    body = {"tools": [TOOL], "include": INCLUDE, "input": text}
    response = respond(code_client, stream, **body)
    assert types(response) == ["code_interpreter_call", "code_interpreter_call", "message"]
    assert response.output[1].to_dict()["outputs"] == [{"type": "logs", "logs": "2"}]
    one = respond(code_client, stream, **body, max_tool_calls=1)
    assert types(one) == ["code_interpreter_call", "message"]
    cut = respond(code_client, stream, **body, max_output_tokens=5)
    assert (cut.status, cut.output[0].to_dict()["status"]) == ("incomplete", "incomplete")


def test_in_the_background(code_client: OpenAI) -> None:
    body: dict[str, Any] = {"model": "echo", "background": True, "tools": [TOOL]}
    made = code_client.responses.create(**body, input=code("2 + 2"), include=INCLUDE)
    assert logs(ended(code_client, made.id)) == "4"
    slow = code_client.responses.create(**body, input=code("import time; time.sleep(60)"))
    code_client.responses.cancel(slow.id)
    assert ended(code_client, slow.id).status == "cancelled"


def test_who_leaves_ends_the_code(code_client: OpenAI, code_server: Running) -> None:
    made = code_client.containers.create(name="left")
    tool: Any = {**TOOL, "container": made.id}
    body: dict[str, Any] = {"model": "echo", "tools": [tool]}
    body["input"] = code("import subprocess\nsubprocess.run(['sleep', '1.7'])\nopen('ended', 'w')")
    connection = HTTPConnection("127.0.0.1", code_server.port)
    with closing(connection):
        headers = {"content-type": "application/json"}
        connection.request("POST", "/v1/responses", json.dumps(body), headers)
        wait_until(lambda: runs("sleep", "1.7"))
    seen = run(code_client, "import os\nos.listdir()", tools=[tool])
    assert logs(seen) == "[]"
    assert not runs("sleep", "1.7")


def runs(*command: str) -> bool:
    """Whether this process or one of those that it started has started this."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.cmdline() == [*command]:
                return True
    return False


def test_two_calls_at_once_take_turns(code_client: OpenAI, code_server: Running) -> None:
    made = code_client.containers.create(name="shared")
    tools: Any = [{**TOOL, "container": made.id}]
    text = "n = globals().get('n', 0)\nimport time\ntime.sleep(0.1)\nn += 1"
    for id in [
        code_client.responses.create(
            model="echo", tools=tools, background=True, input=code(text)
        ).id
        for _ in range(4)
    ]:
        assert ended(code_client, id).status == "completed"
    assert logs(run(code_client, "n", tools=tools)) == "4"


def test_what_is_refused(code_client: OpenAI) -> None:
    for container, expected in (
        (None, ("invalid_type", "tools[0].container")),
        ({"type": "auto", "memory_limit": "4g"}, ("invalid_value", "memory_limit")),
        ({"type": "auto", "memory_limit": "5g"}, ("invalid_value", "memory_limit")),
        (
            {"type": "auto", "network_policy": {"type": "allowlist"}},
            ("unsupported_value", "network_policy.type"),
        ),
        ({"type": "auto", "nothing": 1}, ("unknown_parameter", "nothing")),
    ):
        code, param = refusal(code_client, tools=[{**TOOL, "container": container}])
        assert code == expected[0]
        assert param is not None
        assert param.endswith(expected[1])
    with pytest.raises(openai.NotFoundError) as error:
        run(code_client, "1", tools=[{**TOOL, "container": {"type": "auto", "file_ids": ["x"]}}])
    assert error.value.param == "tools[0].container.file_ids[0]"


def test_without_bubblewrap(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        ServerThread(echo_settings(data=tmp_path_factory.mktemp("data"))) as server,
        server.client() as client,
    ):
        with pytest.raises(openai.BadRequestError, match="apt-get install bubblewrap") as error:
            run(client, "1")
        assert (error.value.code, error.value.param) == ("unsupported_value", "tools[0].type")
        function: Any = {"type": "function", "name": "f"}
        body = {"model": "echo", "input": "hi", "tools": [TOOL, function]}
        answer = fetch(f"{server.url}/v1/responses", "POST", json=body)
        assert "code_interpreter" in answer.headers["x-openedai-warning"]
        with pytest.raises(openai.BadRequestError, match="bubblewrap is not installed"):
            client.containers.create(name="a")


def test_switched_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), code_interpreter=False)
    with (
        ServerThread(settings) as server,
        server.client() as client,
        pytest.raises(openai.BadRequestError, match="'code_interpreter' is off"),
    ):
        run(client, "1")
