"""The lines of training files, as they are written and as examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from openedai.bounded_json import read_json
from openedai.contract.chat import Chat, Message, Tool, ToolCall

Method = Literal["supervised", "dpo"]
Name = Annotated[str, Meta(min_length=1)]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object of a line."""


class TextPart(Line, frozen=True):
    type: Literal["text"]
    text: str


class Function(Line, frozen=True):
    name: Name
    arguments: str


class CallField(Line, frozen=True):
    id: str
    function: Function
    type: Literal["function"] = "function"


class MessageField(Line, frozen=True):
    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[CallField] | None = None
    tool_call_id: str | None = None
    function_call: Function | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    weight: Literal[0, 1] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or self.refusal or ""

    def message(self) -> Message:
        calls = [
            ToolCall(id=one.id, name=one.function.name, arguments=one.function.arguments)
            for one in self.tool_calls or ()
        ]
        if self.function_call is not None:
            old = self.function_call
            calls.append(ToolCall(id="", name=old.name, arguments=old.arguments))
        return Message(
            role="system" if self.role == "developer" else self.role,
            content=self.text,
            name=self.name,
            reasoning=self.reasoning_content,
            tool_calls=tuple(calls),
            tool_call_id=self.tool_call_id,
        )


class FunctionField(Line, frozen=True):
    name: Name
    description: str = ""
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    def tool(self) -> Tool:
        return Tool(name=self.name, description=self.description, parameters=self.parameters)


class ToolField(Line, frozen=True):
    function: FunctionField
    type: Literal["function"]


class ChatLine(Line, frozen=True):
    messages: Annotated[list[MessageField], Meta(min_length=1)]
    tools: list[ToolField] = []
    functions: list[FunctionField] = []
    parallel_tool_calls: bool = True


class CompletionLine(Line, frozen=True):
    prompt: str
    completion: Annotated[str, Meta(min_length=1)]


class PreferenceLine(Line, frozen=True):
    input: ChatLine
    preferred_output: Annotated[list[MessageField], Meta(min_length=1, max_length=1)]
    non_preferred_output: Annotated[list[MessageField], Meta(min_length=1, max_length=1)]


@dataclass(frozen=True)
class Conversation:
    """An example whose answers, the messages with these indices, are learned."""

    chat: Chat
    learned: tuple[int, ...]


@dataclass(frozen=True)
class Completion:
    """An example for a model without a chat template: what follows the prompt is learned."""

    prompt: str
    completion: str


@dataclass(frozen=True)
class Preference:
    """An example of two answers to a conversation, the first of which is preferred."""

    chat: Chat
    preferred: Message
    rejected: Message


Example = Conversation | Completion | Preference


def read_line(line: bytes, method: Method) -> Example:
    """The example of a line. Raises ValueError, whose message says what is wrong with it."""
    try:
        fields = read_json(line)
    except ValueError as error:
        raise ValueError(f"it is not valid JSON: {_first_line(error)}") from error
    if not isinstance(fields, dict):
        raise ValueError("it is not a JSON object")
    if method == "dpo":
        if "input" not in fields:
            raise ValueError("it has no `input`, as the lines of preferences do")
        return _preference(msgspec.convert(fields, PreferenceLine))
    if "messages" in fields or "prompt" not in fields:
        return _conversation(msgspec.convert(fields, ChatLine))
    found = msgspec.convert(fields, CompletionLine)
    return Completion(found.prompt, found.completion)


def _conversation(line: ChatLine) -> Conversation:
    _check_messages(line.messages, "messages")
    if line.messages[-1].role != "assistant":
        raise ValueError("the last of its `messages` is not from the assistant")
    learned = [
        index
        for index, one in enumerate(line.messages)
        if one.role == "assistant" and one.weight != 0
    ]
    if learned[:1] == [0]:
        raise ValueError("its first message is from the assistant, and has nothing to answer")
    if not learned:
        raise ValueError("all its messages from the assistant have a `weight` of 0")
    return Conversation(_chat(line), tuple(learned))


def _preference(line: PreferenceLine) -> Preference:
    messages = line.input.messages
    _check_messages(messages, "input.messages")
    if messages[-1].role == "assistant":
        raise ValueError("the last of its `input.messages` is from the assistant")
    outputs = {
        "preferred_output": line.preferred_output,
        "non_preferred_output": line.non_preferred_output,
    }
    for field, output in outputs.items():
        if output[0].role != "assistant":
            raise ValueError(f"its `{field}` is not a message from the assistant")
        _check_messages(output, field)
    preferred, rejected = (output[0].message() for output in outputs.values())
    if preferred == rejected:
        raise ValueError("its `preferred_output` and its `non_preferred_output` are the same")
    return Preference(_chat(line.input), preferred, rejected)


def _chat(line: ChatLine) -> Chat:
    functions = [*(tool.function for tool in line.tools), *line.functions]
    return Chat(
        messages=tuple(one.message() for one in line.messages),
        tools=tuple(function.tool() for function in functions),
        parallel_calls=line.parallel_tool_calls,
    )


def _check_messages(messages: Sequence[MessageField], field: str) -> None:
    """Raise ValueError for a message that is not valid at its position."""
    open_calls: set[str] = set()
    for index, one in enumerate(messages):
        path = f"{field}[{index}]"
        calls = [call.function for call in one.tool_calls or ()]
        calls += [] if one.function_call is None else [one.function_call]
        if one.role != "assistant" and (calls or one.weight is not None):
            name = "weight" if one.weight is not None else "tool_calls"
            raise ValueError(f"`{path}` has a `{name}`, but it is not from the assistant")
        if not (one.text or calls or one.role in ("user", "tool", "function", "system")):
            raise ValueError(f"`{path}` has neither `content` nor `tool_calls`")
        if one.content is None and one.role not in ("assistant", "function"):
            raise ValueError(f"`{path}` has no `content`")
        for call in calls:
            _check_arguments(call.arguments, path)
        if one.role == "tool":
            if one.tool_call_id not in open_calls:
                raise ValueError(f"`{path}.tool_call_id` is not the id of a tool call before it")
        else:
            open_calls = {call.id for call in one.tool_calls or ()}


def _check_arguments(arguments: str, path: str) -> None:
    try:
        valid = isinstance(read_json(arguments), dict)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"`{path}` has a tool call whose `arguments` are not a JSON object")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
