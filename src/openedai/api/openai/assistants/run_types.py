"""The bodies of runs, and the parameters in their URLs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from openedai.api.openai.assistants.tools import (
    FormatOption,
    ToolChoice,
    ToolList,
    ToolResources,
    answer_constraint,
    kept_code_files,
    kept_stores,
)
from openedai.api.openai.assistants.types import (
    MAX_MESSAGES,
    Instructions,
    ListQuery,
    MessageRequest,
    ThreadCreateRequest,
)
from openedai.api.parameters.chats.labels import Metadata
from openedai.api.parameters.generation.other_servers import Effort
from openedai.api.parameters.numbers import MAX_INT
from openedai.errors import invalid_value, missing_parameter
from openedai.http.body import Body

Include = Literal["step_details.tool_calls[*].file_search.results[*].content"]
TokenLimit = Annotated[int | None, Field(ge=1, le=MAX_INT)]


class Truncation(Body):
    type: Literal["auto", "last_messages"]
    last_messages: int | None = Field(None, ge=1, le=MAX_INT)

    def check(self) -> None:
        if self.type == "last_messages" and self.last_messages is None:
            raise missing_parameter("truncation_strategy.last_messages")
        if self.type == "auto" and self.last_messages is not None:
            param = "truncation_strategy.last_messages"
            raise invalid_value(param, "it is only allowed with the type 'last_messages'")


class RunOptions(Body):
    """The options in which a run can differ from its assistant."""

    assistant_id: str
    model: str | None = None
    instructions: Instructions | None = None
    tools: ToolList | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: FormatOption | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    max_prompt_tokens: TokenLimit = None
    max_completion_tokens: TokenLimit = None
    truncation_strategy: Truncation | None = None
    metadata: Metadata | None = None
    stream: bool | None = None

    def check(self) -> None:
        answer_constraint(self.response_format)
        if self.truncation_strategy is not None:
            self.truncation_strategy.check()

    @property
    def effort(self) -> str | None:
        return None

    @property
    def more_instructions(self) -> str | None:
        return None

    def shown(self, name: str) -> Any:
        """A field as it is stored."""
        return self.model_dump(include={name}, exclude_unset=True, by_alias=True).get(name)


class RunCreateRequest(RunOptions):
    additional_instructions: Instructions | None = None
    additional_messages: list[MessageRequest] | None = Field(None, max_length=MAX_MESSAGES)
    reasoning_effort: Effort | None = None

    def check(self) -> None:
        super().check()
        for number, message in enumerate(self.additional_messages or ()):
            message.check_at(f"additional_messages[{number}]")

    @property
    def effort(self) -> str | None:
        return self.reasoning_effort

    @property
    def more_instructions(self) -> str | None:
        return self.additional_instructions


class ThreadRunRequest(RunOptions):
    """A run in a new thread."""

    thread: ThreadCreateRequest | None = None
    tool_resources: ToolResources | None = None

    def check(self) -> None:
        super().check()
        if self.thread is not None:
            self.thread.check_at("thread.")

    def stores(self) -> list[str] | None:
        return kept_stores(self.tool_resources)

    def code_files(self) -> list[str] | None:
        return kept_code_files(self.tool_resources)


class ToolOutput(Body):
    tool_call_id: str
    output: str = ""


class ToolOutputsRequest(Body):
    tool_outputs: list[ToolOutput] = Field(max_length=1024)
    stream: bool | None = None

    def outputs(self) -> dict[str, str]:
        return {one.tool_call_id: one.output for one in self.tool_outputs}


class IncludeQuery(Body):
    include: list[Include] | None = None


class StepListQuery(ListQuery):
    include: list[Include] | None = None
