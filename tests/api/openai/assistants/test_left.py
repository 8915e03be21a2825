"""What an attempt at a run has begun is seen while it works, and ended by the next one."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from openai import NotFoundError, OpenAI
from openai.types.beta.threads import Message as ShownMessage

from openedai.api.openai.assistants.conversation import Thread
from openedai.api.openai.assistants.output import RunOutput
from openedai.contract.generate import Finish, TextDelta, ToolCallDelta, Usage
from openedai.serving.assistants.handler import Left, Progress
from openedai.store.assistants.messages import Message, MessageFields
from openedai.store.assistants.runs import Run, RunFields
from openedai.store.assistants.steps import Step
from tests.api.openai.assistants.made import assistant, thread
from tests.support import Running, occupancy, wait_until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RUN = Run(
    id="run_1",
    thread="thread_1",
    owner="me",
    created_at=1.0,
    expires_at=4e9,
    status="in_progress",
    job="job_1",
    streamed=0,
    fields=RunFields(
        assistant="asst_1", model="echo", instructions="", caller="me", truncation={"type": "auto"}
    ),
)
TEXT = TextDelta(text="Hello.")
CALL = ToolCallDelta(index=0, id="call_1", name="f", arguments="{}")


def finish(reason: str) -> Finish:
    return Finish(reason=reason, usage=Usage(prompt_tokens=1, completion_tokens=1))  # type: ignore[arg-type]


class Kept:
    """The rows that progress leaves."""

    def __init__(self, *progress: Progress) -> None:
        self.messages: dict[str, Message] = {}
        self.steps: dict[str, Step] = {}
        self.add(progress)

    def add(self, progress: Iterable[Progress]) -> None:
        for one in progress:
            self.messages |= {message.id: message for message in one.messages}
            self.steps |= {step.id: step for step in one.steps}

    def left(self) -> Left:
        steps = {step.fields.type: step for step in self.steps.values()}
        (message, *_) = [*self.messages.values(), None]
        return Left(message, steps.get("message_creation"), steps.get("tool_calls"))

    def shown(self) -> list[str]:
        messages = [message.fields.status for message in self.messages.values()]
        steps = [f"{step.fields.type} {step.fields.status}" for step in self.steps.values()]
        return [*messages, *steps]


def test_a_message_that_is_left_is_gone_on_with() -> None:
    kept = Kept(*RunOutput(RUN, Left()).add(TEXT))
    assert kept.shown() == ["in_progress", "message_creation in_progress"]
    output = RunOutput(RUN, kept.left())
    kept.add(output.add(TEXT))
    kept.add(output.end_text(finish("stop")))
    assert kept.shown() == ["completed", "message_creation completed"]
    (message,) = kept.messages.values()
    assert message.fields.content[0]["text"]["value"] == "Hello."


def test_a_message_that_is_left_where_tools_are_called_instead() -> None:
    kept = Kept(*RunOutput(RUN, Left()).add(TEXT))
    output = RunOutput(RUN, kept.left())
    kept.add(output.add(CALL))
    kept.add(output.end_calls(finish("tool_calls"), {}))
    assert kept.shown() == ["incomplete", "message_creation failed", "tool_calls in_progress"]
    assert output.run.status == "requires_action"
    (message,) = kept.messages.values()
    assert message.fields.incomplete_reason == "run_failed"


@pytest.mark.parametrize("text", ["", "Hello."])
def test_calls_that_are_left_where_none_are_made(text: str) -> None:
    kept = Kept(*RunOutput(RUN, Left()).add(CALL))
    assert kept.shown() == ["tool_calls in_progress"]
    output = RunOutput(RUN, kept.left())
    kept.add(output.add(TextDelta(text=text)) if text else ())
    kept.add(output.end_text(finish("stop")))
    assert kept.shown() == ["completed", "tool_calls failed", "message_creation completed"]
    (step, _) = kept.steps.values()
    assert step.fields.error is not None
    assert "stopped" in step.fields.error
    assert output.run.status == "completed"


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (TEXT, ["incomplete", "message_creation failed"]),
        (CALL, ["tool_calls failed"]),
    ],
)
def test_what_is_left_of_a_run_that_cannot_be_gone_on_with(
    event: TextDelta | ToolCallDelta, shown: list[str]
) -> None:
    for end in (
        lambda output: output.exceed_prompt(),
        lambda output: [output.stop("failed", ("server_error", "It stopped."))],
    ):
        kept = Kept(*RunOutput(RUN, Left()).add(event))
        kept.add(end(RunOutput(RUN, kept.left())))
        assert kept.shown() == shown
        (step,) = kept.steps.values()
        assert step.fields.error_code == "server_error"
        assert step.fields.failed_at


def test_the_code_that_ran_when_the_server_died_is_still_shown() -> None:
    """A search of which nothing was found is not."""
    first = RunOutput(RUN, Left())
    kept = Kept()
    for index, name in enumerate(("code_interpreter", "file_search")):
        text = msgspec.json.encode({"code": "1 + 1"}).decode()
        call = ToolCallDelta(index=index, id=f"call_{index}", name=name, arguments=text)
        kept.add(first.add(call))
    kept.add([first.serve()[0]])
    kept.add([RunOutput(RUN, kept.left()).stop("failed", ("server_error", "It stopped."))])
    (step,) = kept.steps.values()
    (call_made,) = step.fields.details["tool_calls"]
    assert call_made["code_interpreter"] == {"input": "1 + 1", "outputs": []}
    assert step.fields.status == "failed"


def first_message(client: OpenAI, id: str, run: str) -> ShownMessage:
    """The message of a run, as soon as it is listed."""
    found: list[ShownMessage] = []

    def is_listed() -> bool:
        found[:] = client.beta.threads.messages.list(id, run_id=run)
        return bool(found)

    wait_until(is_listed)
    return found[0]


def until_cancelled(client: OpenAI, id: str, run: str) -> None:
    runs = client.beta.threads.runs
    wait_until(lambda: runs.retrieve(run, thread_id=id).status == "cancelled")


def test_who_polls_sees_a_message_and_its_step_in_progress(server: Running, client: OpenAI) -> None:
    asst, id = assistant(client, model="slow"), thread(client, "a b")
    run = client.beta.threads.runs.create(id, assistant_id=asst)
    message = first_message(client, id, run.id)
    assert (message.status, message.content, message.role) == ("in_progress", [], "assistant")
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=id)
    assert (step.status, step.type, step.usage) == ("in_progress", "message_creation", None)
    assert step.step_details.to_dict()["message_creation"] == {"message_id": message.id}
    client.beta.threads.messages.update(message.id, thread_id=id, metadata={"a": "b"})
    client.beta.threads.runs.cancel(run.id, thread_id=id)
    until_cancelled(client, id, run.id)
    assert occupancy(server, "slow") == (0, 0)
    (ended,) = client.beta.threads.messages.list(id, run_id=run.id)
    assert (ended.id, ended.status, ended.metadata) == (message.id, "incomplete", {"a": "b"})
    (ended_step,) = client.beta.threads.runs.steps.list(run.id, thread_id=id)
    assert (ended_step.id, ended_step.status) == (step.id, "cancelled")


def test_a_message_that_is_deleted_while_it_is_made(client: OpenAI) -> None:
    asst, id = assistant(client, model="slow"), thread(client, "a b")
    run = client.beta.threads.runs.create(id, assistant_id=asst)
    message = first_message(client, id, run.id)
    assert client.beta.threads.messages.delete(message.id, thread_id=id).deleted
    client.beta.threads.runs.cancel(run.id, thread_id=id)
    until_cancelled(client, id, run.id)
    with pytest.raises(NotFoundError):
        client.beta.threads.messages.retrieve(message.id, thread_id=id)
    assert list(client.beta.threads.messages.list(id, run_id=run.id)) == []
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=id)
    assert step.status == "cancelled"


def test_the_model_does_not_read_answers_without_a_text() -> None:
    said = [{"type": "text", "text": {"value": "Hi.", "annotations": []}}]
    texts = [("user", said), ("assistant", []), ("user", []), ("assistant", said)]
    messages = [
        Message(
            f"msg_{number}",
            "thread_1",
            None,
            MessageFields(created_at=1, role=role, content=content),
        )
        for number, (role, content) in enumerate(texts)
    ]
    read = Thread.of(RUN, messages, []).engine_messages({})
    assert [(one.role, one.content) for one in read] == [
        ("user", "Hi."),
        ("user", ""),
        ("assistant", "Hi."),
    ]
