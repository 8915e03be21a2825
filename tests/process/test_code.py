"""A server that is killed while code runs: nothing is left running, and its files are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai import OpenAI
from openai.types.beta.threads import Run

from tests.process.serving import Process, serving
from tests.process.settings_files import model_table, settings_file
from tests.support import wait_until

pytestmark = pytest.mark.torture

CONFIG = settings_file(model_table("echo"))
ENDS = ("completed", "failed", "cancelled", "incomplete", "expired")
CODE = """
open('kept', 'w').write('kept')
import subprocess
for _ in range(2):
    subprocess.Popen(['sleep', '600'])
"""


def call(code: str, container: str, **options: Any) -> dict[str, Any]:
    tools = [{"type": "code_interpreter", "container": container}]
    return {
        "model": "echo",
        "input": tool_call(code),
        "tools": tools,
        "include": ["code_interpreter_call.outputs"],
        **options,
    }


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize("frozen", [True, False])
def test_the_server_is_killed(tmp_path: Path, frozen: bool) -> None:
    with serving(tmp_path, CONFIG) as server, server.client() as client:
        container = client.containers.create(name="a").id
        client.responses.create(**call(CODE, container))
        if not frozen:
            client.responses.create(**call("while True: pass", container, background=True))
        wait_until(lambda: len(server.workers()) >= 4)
        running = server.workers()
        server.process.kill()
    wait_until(lambda: not any(_runs(one) for one in running))
    with serving(tmp_path, CONFIG) as server, server.client() as client:
        response = client.responses.create(**call("open('kept').read()", container))
        assert response.output[0].to_dict()["outputs"][0]["logs"] == "'kept'"


def _runs(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


# It reads and writes nothing: what it does, another attempt does too.
SLOW = "import subprocess\nsubprocess.run(['sleep', '3'])\n'done'"


@pytest.mark.usefixtures("confined")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_server_is_killed_in_code_of_runs(tmp_path: Path, database_url: str) -> None:
    """A run that nobody reads is made again, in the thread's container; a stream that was read
    fails, and says so; one that is cancelled meanwhile ends. Each thread can be used again.
    """
    settings = {"database": database_url} if database_url else {}
    with serving(tmp_path, CONFIG, **settings) as server, server.client() as client:
        asst = client.beta.assistants.create(model="echo", tools=[{"type": "code_interpreter"}]).id
        whole, streamed, unwanted = [run_of(client, asst, stream=n == 1) for n in range(3)]
        wait_until(lambda: sleeping(server) == 3)
        containers = {one.id for one in client.containers.list()}
        running = server.workers()
        server.process.kill()
    wait_until(lambda: not any(_runs(one) for one in running))
    assert len(containers) == 3
    with serving(tmp_path, CONFIG, **settings) as server, server.client() as client:
        runs = client.beta.threads.runs
        runs.cancel(unwanted[1], thread_id=unwanted[0])
        made = (whole, streamed, unwanted)
        ends = [ended(client, thread, run) for thread, run in made]
        assert [one.status for one in ends] == ["completed", "failed", "cancelled"]
        assert [one.last_error is None for one in ends] == [True, False, True]
        error = ends[1].last_error
        assert error is not None
        assert (error.code, "server" in error.message) == ("server_error", True)
        assert outputs(client, *whole) == [("completed", ["'done'"])]
        assert outputs(client, *streamed) == [("failed", [])]
        assert outputs(client, *unwanted) == [("cancelled", [])]
        for thread, _ in made:
            client.beta.threads.messages.create(thread, role="user", content=tool_call("1 + 1"))
            again = runs.create_and_poll(thread_id=thread, assistant_id=asst, poll_interval_ms=50)
            assert outputs(client, thread, again.id) == [("completed", ["2"])]
        assert {one.id for one in client.containers.list()} == containers
        for thread, _ in made:
            client.beta.threads.delete(thread)
        assert not client.containers.list().data
        wait_until(lambda: not server.workers())


def tool_call(code: str) -> str:
    call = json.dumps({"name": "code_interpreter", "arguments": {"code": code}})
    return f"<tool_call>{call}</tool_call>"


def run_of(client: OpenAI, asst: str, *, stream: bool) -> tuple[str, str]:
    """The ids of a thread and of its run, which runs slow code. A stream was read to the code."""
    message: Any = {"role": "user", "content": tool_call(SLOW)}
    thread = client.beta.threads.create(messages=[message]).id
    if not stream:
        return thread, client.beta.threads.runs.create(thread_id=thread, assistant_id=asst).id
    for event in client.beta.threads.runs.create(thread_id=thread, assistant_id=asst, stream=True):
        if event.event == "thread.run.step.delta":
            break
    (run,) = client.beta.threads.runs.list(thread)
    return thread, run.id


def ended(client: OpenAI, thread: str, run: str) -> Run:
    """A run when it has ended, which takes the lease of a server that was killed."""
    runs = client.beta.threads.runs
    wait_until(lambda: runs.retrieve(run, thread_id=thread).status in ENDS, 60)
    return runs.retrieve(run, thread_id=thread)


def sleeping(server: Process) -> int:
    """How many containers of a server are in the slow code."""
    return sum(one.name() == "sleep" for one in server.workers())


def outputs(client: OpenAI, thread: str, run: str) -> list[tuple[str, list[str]]]:
    """The status and the outputs of each step of a run that ran code."""
    found: list[tuple[str, list[str]]] = []
    for step in client.beta.threads.runs.steps.list(run, thread_id=thread):
        details: Any = step.step_details.to_dict()
        if details["type"] == "tool_calls":
            (call,) = details["tool_calls"]
            logs = [one["logs"] for one in call["code_interpreter"]["outputs"]]
            found.append((step.status, logs))
    return found
