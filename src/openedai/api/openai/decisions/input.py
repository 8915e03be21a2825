"""The input of `POST /v1/decisions`: a text, or messages and calls, as one text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from openedai.api.parameters.unions import BY_JSON_TYPE, BY_TYPE, ByType, branch
from openedai.errors import invalid_value
from openedai.http.body import Body, UnsupportedValues
from openedai.prompts.decisions import as_text

# The official limits of JSON in a part.
_MOST_LEVELS = 32
_MOST_VALUES = 10_000
_MOST_BYTES = 256 << 10

ItemType = Literal[
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
]
Status = Literal["in_progress", "completed", "incomplete"]


class TextPart(Body):
    type: Literal["input_text", "output_text"]
    text: str
    prompt_cache_breakpoint: Any = None


class RefusalPart(Body):
    type: Literal["refusal"]
    refusal: str


class JSONPart(Body):
    type: Literal["input_json"]
    data: Annotated[
        Annotated[dict[str, Any], branch("an object")]
        | Annotated[list[dict[str, Any]], branch("an array")],
        BY_JSON_TYPE,
    ]


class OtherPart(Body):
    """A part that is not supported; it also gives the error for an unknown one."""

    type: Annotated[
        Literal["input_text", "output_text", "refusal", "input_json", "input_image"],
        UnsupportedValues("input_image"),
    ]


Part = Annotated[TextPart | RefusalPart | JSONPart | OtherPart, BY_TYPE]
Content = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[list[Part], Field(min_length=1), branch("an array")],
    BY_JSON_TYPE,
]


class Message(Body):
    type: Literal["message"] = "message"
    role: Literal["user", "developer", "system", "assistant"]
    content: Content
    phase: Literal["commentary", "final_answer"] | None = None


class FunctionCall(Body):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    namespace: str | None = None
    status: Status | None = None


class CustomToolCall(Body):
    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    input: str
    id: str | None = None
    namespace: str | None = None
    status: Status | None = None


class CallOutput(Body):
    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: Content
    id: str | None = None
    status: Status | None = None


class OtherItem(Body):
    """Gives the error for an unknown item."""

    type: ItemType


Item = Annotated[
    Message | FunctionCall | CallOutput | CustomToolCall | OtherItem,
    ByType(lambda value: "message"),
]
Input = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[list[Item], Field(min_length=1), branch("an array")],
    BY_JSON_TYPE,
]

_PARTS = {
    "user": {"input_text", "input_json"},
    "developer": {"input_text"},
    "system": {"input_text"},
    "assistant": {"output_text", "refusal"},
    "output": {"input_text"},
    "instructions": {"input_text", "input_json"},
}


def input_text(value: str | Sequence[Item]) -> str:
    """What the model reads of a valid input. A single user message is the same as its text."""
    if isinstance(value, str):
        return value
    if len(value) == 1 and isinstance(value[0], Message) and value[0].role == "user":
        return content_text(value[0].content)
    return "\n\n".join(map(_item_text, value))


def content_text(content: str | Sequence[Part]) -> str:
    return content if isinstance(content, str) else "\n".join(map(_part_text, content))


def check_input(value: str | Sequence[Item]) -> None:
    """Raise InvalidRequest for an item that is not valid at its position."""
    calls: set[tuple[str, str]] = set()
    for index, item in enumerate([] if isinstance(value, str) else value):
        path = f"input[{index}]"
        match item:
            case Message(role=role, content=content):
                check_content(content, role, f"{path}.content")
            case FunctionCall(type=kind, call_id=id) | CustomToolCall(type=kind, call_id=id):
                calls.add((f"{kind}_output", id))
            case CallOutput(type=kind, call_id=id, output=output):
                check_content(output, "output", f"{path}.output")
                if (kind, id) not in calls:
                    raise invalid_value(f"{path}.call_id", "no call before it has this id")


def check_content(content: str | Sequence[Part], where: str, path: str) -> None:
    """Raise InvalidRequest for a part that is not allowed where it is: in a message of a role, in
    the output of a call, or in the instructions of a question.
    """
    for index, part in enumerate([] if isinstance(content, str) else content):
        if part.type not in _PARTS[where]:
            allowed = " or ".join(f"'{one}'" for one in sorted(_PARTS[where]))
            raise invalid_value(f"{path}[{index}].type", f"it must be {allowed} here")
        if isinstance(part, JSONPart):
            _check_json(part.data, f"{path}[{index}].data")


def _check_json(data: Any, path: str) -> None:
    """Raise InvalidRequest for JSON beyond the official limits."""
    values = 0
    level: list[Any] = [data]
    for _ in range(_MOST_LEVELS + 1):
        values += len(level)
        level = [child for value in level for child in _children(value)]
        if not level:
            break
    if level or values > _MOST_VALUES or len(as_text(data).encode()) > _MOST_BYTES:
        raise invalid_value(
            path,
            f"it may have {_MOST_LEVELS} levels, {_MOST_VALUES} values and {_MOST_BYTES} bytes",
        )


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _item_text(item: Item) -> str:
    match item:
        case Message(role=role, content=content):
            return f"{role}: {content_text(content)}"
        case FunctionCall(name=name, arguments=text) | CustomToolCall(name=name, input=text):
            return f"call of {name}: {text}"
        case CallOutput(output=output):
            return f"result: {content_text(output)}"
        case _:
            raise AssertionError("not a valid input")


def _part_text(part: Part) -> str:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return text
        case JSONPart(data=data):
            return as_text(data)
        case _:
            raise AssertionError("not a valid part")
