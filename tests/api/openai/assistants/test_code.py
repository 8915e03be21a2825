"""`code_interpreter` of assistants: code that really runs, called by the echo engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import CodeInterpreterToolCall, RunStep

from tests.api.openai.assistants.conftest import check
from tests.api.openai.assistants.made import assistant, thread
from tests.api.openai.assistants.test_runs import BEGINNING, MESSAGE, Handler, once
from tests.sandboxes import PLOTS
from tests.support import Running, ServerThread, echo_settings, wait_until

# The official client calls all of it deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CODE: Any = {"type": "code_interpreter"}


@pytest.fixture
def client(code_server: Running) -> Iterator[OpenAI]:
    with (
        httpx.Client(event_hooks={"response": [check]}, timeout=60) as http,
        code_server.client(http_client=http) as client,
    ):
        yield client


def code(text: str) -> str:
    """A call as models write it."""
    arguments = json.dumps({"name": "code_interpreter", "arguments": {"code": text}})
    return f"<tool_call>{arguments}</tool_call>"


def files(*ids: str) -> Any:
    return {"code_interpreter": {"file_ids": list(ids)}}


def uploaded(client: OpenAI, name: str, text: str) -> str:
    return client.files.create(file=(name, text.encode()), purpose="assistants").id


def run(client: OpenAI, thread: str, asst: str, text: str = "", **options: Any) -> Run:
    if text:
        client.beta.threads.messages.create(thread, role="user", content=code(text))
    return client.beta.threads.runs.create_and_poll(
        thread_id=thread, assistant_id=asst, poll_interval_ms=20, **options
    )


def call_of(client: OpenAI, run: Run) -> tuple[RunStep, CodeInterpreterToolCall]:
    """The first step of a run, and the code that it ran."""
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc")
    step = steps.data[0]
    assert step.step_details.type == "tool_calls"
    (call,) = step.step_details.tool_calls
    assert call.type == "code_interpreter"
    return step, call


def answer(client: OpenAI, run: Run) -> Message:
    return client.beta.threads.messages.list(run.thread_id, run_id=run.id).data[0]


def text_of(client: OpenAI, run: Run) -> str:
    part = answer(client, run).content[-1]
    assert part.type == "text"
    return part.text.value


def test_code_runs_and_one_container_stays_with_the_thread(client: OpenAI) -> None:
    asst, id = assistant(client, tools=[CODE]), thread(client)
    first = run(client, id, asst, "x = 6 * 7\nprint('it is')\nx")
    assert first.status == "completed", first.last_error
    step, call = call_of(client, first)
    assert (step.status, step.usage is None) == ("completed", False)
    assert call.code_interpreter.to_dict() == {
        "input": "x = 6 * 7\nprint('it is')\nx",
        "outputs": [{"type": "logs", "logs": "it is\n42"}],
    }
    assert text_of(client, first) == "it is\n42"
    again = run(client, id, asst, "x + 1")
    assert text_of(client, again) == "43"
    containers = [one for one in client.containers.list() if one.name == "thread"]
    assert client.beta.threads.delete(id).deleted
    left = {one.id for one in client.containers.list()}
    assert len([one for one in containers if one.id not in left]) == 1


def test_files_go_in(client: OpenAI) -> None:
    ids = [uploaded(client, "in.csv", text) for text in ("1", "2", "3")]
    gone = uploaded(client, "gone.csv", "4")
    asst = assistant(client, tools=[CODE], tool_resources=files(ids[0], gone))
    id = thread(client, tool_resources=files(ids[1]))
    assert client.beta.assistants.retrieve(asst).to_dict()["tool_resources"] == files(ids[0], gone)
    client.files.delete(gone)
    client.beta.threads.messages.create(
        id,
        role="user",
        content=code("import os\nsorted(open(n).read() for n in os.listdir() if 'csv' in n)"),
        attachments=[{"file_id": ids[2], "tools": [CODE]}],
    )
    assert client.beta.threads.retrieve(id).to_dict()["tool_resources"] == files(ids[1], ids[2])
    done = run(client, id, asst)
    assert text_of(client, done) == "['1', '2', '3']"
    changed = client.beta.threads.update(id, tool_resources=files())
    assert changed.to_dict()["tool_resources"] == files()


def test_images_and_files_come_out(client: OpenAI) -> None:
    asst, id = assistant(client, tools=[CODE]), thread(client)
    made = f"{PLOTS}\nopen('/mnt/data/out.txt', 'w').write('seen')"
    done = run(client, id, asst, made)
    _, call = call_of(client, done)
    images = [one.image.file_id for one in call.code_interpreter.outputs if one.type == "image"]
    assert [client.files.content(one).read() for one in images] == [b"PNG", b"PNG"]
    assert client.files.retrieve(images[0]).purpose == "assistants_output"
    message = answer(client, done)
    *shown, text = message.content
    assert [part.image_file.file_id for part in shown if part.type == "image_file"] == images
    assert text.type == "text"
    path = "/mnt/data/out.txt"
    (cited,) = [one for one in text.text.annotations if one.text == path]
    assert cited.type == "file_path"
    assert text.text.value[cited.start_index : cited.end_index] == path
    assert client.files.content(cited.file_path.file_id).read() == b"seen"
    attached = [one.to_dict() for one in message.attachments or ()]
    assert {"file_id": cited.file_path.file_id, "tools": [CODE]} in attached
    # The next run reads the answer without its images, which the model cannot see.
    later = run(client, id, asst, "open('out.txt').read()")
    assert text_of(client, later).startswith("'seen'\n")
    assert "out.txt" not in text_of(client, later)


def test_the_events(client: OpenAI) -> None:
    asst, id = assistant(client, tools=[CODE]), thread(client, code(f'{PLOTS}\na = "b"\na'))
    with client.beta.threads.runs.stream(
        thread_id=id, assistant_id=asst, event_handler=CodeHandler()
    ) as stream:
        ended = stream.get_final_run()
        steps = stream.get_final_run_steps()
        (message,) = stream.get_final_messages()
    assert ended.status == "completed"
    assert once(stream.names) == [
        *BEGINNING,
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.run.step.delta",
        "thread.run.step.completed",
        *MESSAGE,
        "thread.run.completed",
    ]
    step, call = call_of(client, ended)
    assert steps[0].id == step.id
    assert message.to_dict() == answer(client, ended).to_dict()
    assert stream.written == call.code_interpreter.input == f'{PLOTS}\na = "b"\na'
    assert stream.outputs == ["logs", "image", "image"]


class CodeHandler(Handler):
    def __init__(self) -> None:
        super().__init__()
        self.written = ""
        self.outputs: list[str] = []

    def on_tool_call_created(self, tool_call: Any) -> None:
        assert tool_call.type == "code_interpreter"
        self.written += tool_call.code_interpreter.input

    def on_tool_call_delta(self, delta: Any, snapshot: Any) -> None:
        self.written += delta.code_interpreter.input or ""
        self.outputs += [one.type for one in delta.code_interpreter.outputs or ()]

    def on_tool_call_done(self, tool_call: Any) -> None:
        assert tool_call.code_interpreter.input == self.written


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("while True: pass", "It took longer than 2 seconds."),
        ("import os; os._exit(1)", "The Python process has ended."),
        ("  ", "The argument 'code' is missing, or is not a text."),
    ],
)
def test_what_goes_wrong_is_told(client: OpenAI, text: str, told: str) -> None:
    done = run(client, thread(client), assistant(client, tools=[CODE]), text)
    assert done.status == "completed", done.last_error
    step, call = call_of(client, done)
    (output,) = call.code_interpreter.outputs
    assert output.type == "logs"
    assert told in output.logs
    assert told in text_of(client, done)
    assert step.status == "completed"


def test_a_run_is_cancelled_while_code_runs(client: OpenAI) -> None:
    asst, id = assistant(client, tools=[CODE]), thread(client, code("while True: pass"))
    started = client.beta.threads.runs.create(id, assistant_id=asst)
    runs = client.beta.threads.runs

    def is_running() -> bool:
        steps = runs.steps.list(started.id, thread_id=id).data
        return any(one.to_dict()["step_details"]["tool_calls"] for one in steps)  # type: ignore[index]

    wait_until(is_running)
    step, call = call_of(client, started)
    assert (step.status, call.code_interpreter.outputs) == ("in_progress", [])
    runs.cancel(started.id, thread_id=id)
    wait_until(lambda: runs.retrieve(started.id, thread_id=id).status == "cancelled")
    step, call = call_of(client, started)
    assert (step.status, call.code_interpreter.input) == ("cancelled", "while True: pass")


def test_a_choice_of_the_tool(client: OpenAI) -> None:
    """The arguments that the model makes up are no code that does anything."""
    asst = assistant(client, tools=[CODE])
    done = run(client, thread(client, "hello"), asst, tool_choice=CODE)
    assert done.status == "completed"
    _, call = call_of(client, done)
    assert call.type == "code_interpreter"


def test_what_is_refused(client: OpenAI) -> None:
    asst, id = assistant(client), thread(client)
    many = [f"file-{number}" for number in range(21)]
    one = uploaded(client, "a.txt", "a")
    attachments: Any = [{"file_id": "file-1", "tools": [CODE]}]
    refused: list[tuple[Any, str]] = [
        (lambda: assistant(client, tools=[CODE, CODE]), "tools"),
        (lambda: assistant(client, tool_resources=files(*many)), "tool_resources"),
        (lambda: assistant(client, tool_resources=files("file-1")), "tool_resources"),
        (lambda: thread(client, tool_resources=files("file-1")), "tool_resources"),
        (
            lambda: client.beta.threads.messages.create(
                id, role="user", content="a", attachments=attachments
            ),
            "attachments",
        ),
        (
            lambda: client.beta.threads.create_and_run(
                assistant_id=asst, thread={"tool_resources": files("file-1")}
            ),
            "thread.tool_resources",
        ),
        (
            lambda: client.beta.threads.runs.create(id, assistant_id=asst, tool_choice=CODE),
            "tool_choice",
        ),
    ]
    for make, param in refused:
        with pytest.raises((BadRequestError, NotFoundError)) as raised:
            make()
        assert (raised.value.param or "").startswith(param)
    twenty = [uploaded(client, f"{number}.txt", "a") for number in range(20)]
    full = thread(client, tool_resources=files(*twenty))
    with pytest.raises(BadRequestError, match="20 files"):
        client.beta.threads.messages.create(
            full, role="user", content="a", attachments=[{"file_id": one, "tools": [CODE]}]
        )
    assert client.beta.threads.messages.list(full).data == []


def test_a_server_that_runs_no_code_says_why(server: Running) -> None:
    with server.client() as client:
        one = uploaded(client, "a.txt", "a")
        attachments: Any = [{"file_id": one, "tools": [CODE]}]
        for make in (
            lambda: assistant(client, tools=[CODE]),
            lambda: thread(client, tool_resources=files(one)),
            lambda: client.beta.threads.messages.create(
                thread(client), role="user", content="a", attachments=attachments
            ),
        ):
            with pytest.raises(BadRequestError, match="the setting 'code_interpreter' is off"):
                make()
        assert thread(client, tool_resources=files())


def test_code_that_the_server_no_longer_runs(confined: Any, tmp_path: Path) -> None:
    """The assistant was made before."""
    settings = echo_settings(data=tmp_path)
    with ServerThread(settings) as server, server.client() as client:
        asst, id = assistant(client, tools=[CODE]), thread(client, code("open('a', 'w')"))
    off = echo_settings(data=tmp_path, code_interpreter=False)
    with ServerThread(off) as server, server.client() as client:
        done = run(client, id, asst)
        assert "the setting 'code_interpreter' is off" in text_of(client, done)
        assert client.containers.list().data == []
