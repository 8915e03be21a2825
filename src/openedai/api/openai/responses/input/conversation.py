"""The items of the input as the messages of a conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from openedai.api.openai.responses.input.calls import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    ComputerCall,
    ComputerCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    LocalShellCall,
    LocalShellCallOutput,
    Screenshot,
    ShellCall,
    ShellCallOutput,
    ToolSearchCall,
)
from openedai.api.openai.responses.input.items import (
    AnyItem,
    Compaction,
    Message,
    Reasoning,
    ToolSearchOutput,
)
from openedai.api.openai.responses.input.media import Located, Media, file_param
from openedai.api.openai.responses.input.parts import (
    InputFile,
    InputImage,
    InputSound,
    InputText,
    OutputText,
    Refusal,
)
from openedai.api.openai.responses.input.served_calls import (
    denied_call,
    earlier_parts,
    file_search,
    made_call,
    web_search,
)
from openedai.api.openai.responses.input.served_items import (
    CodeInterpreterCall,
    FileSearchCall,
    ImageGenerationCall,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    WebSearchCall,
)
from openedai.api.openai.responses.tools import function_name
from openedai.api.parameters.chats.packed import unpack
from openedai.contract.chat import Image, ToolCall
from openedai.contract.chat import Message as EngineMessage
from openedai.errors import InvalidRequest, invalid_value
from openedai.http.body import Body
from openedai.serving.tools.citations import Part

REASONING_PREFIX = "openedai-reasoning-"
COMPACTION_PREFIX = "openedai-compaction-"


def engine_messages(
    items: Iterable[Located],
    media: Media,
    instructions: str | None = None,
    *,
    earlier_reasoning: bool = True,
) -> tuple[EngineMessage, ...]:
    """The messages for the model; the instructions come first.

    Without `earlier_reasoning` the model gets only the reasoning after the user's last message.
    Raises InvalidRequest for the output of a call that does not exist.
    """
    located = _since_compaction(list(items))
    since = 0
    if not earlier_reasoning:
        from_users = (n for n, (_, one) in enumerate(located) if _is_users(one))
        since = max(from_users, default=0)
    builder = _Builder(media)
    parts = earlier_parts([item for _, item in located])
    if instructions:
        builder.add_message("system", instructions, ())
    for number, (path, item) in enumerate(located):
        if isinstance(item, FileSearchCall):
            builder.add_search(item, parts.get(number, ()))
        elif not isinstance(item, Reasoning) or number >= since:
            builder.add(path, item)
    return builder.messages()


def known_parts(items: Iterable[Located]) -> list[Part]:
    """The parts of files that `engine_messages` shows again, indexed by the numbers of their
    marks.
    """
    found = earlier_parts([item for _, item in _since_compaction(list(items))])
    return [part for parts in found.values() for part in parts]


def _since_compaction(items: list[Located]) -> list[Located]:
    """The items from the last compaction onwards. It replaces everything before it except the
    system messages.
    """
    compactions = (n for n, (_, one) in enumerate(items) if isinstance(one, Compaction))
    last = max(compactions, default=0)
    systems = [(path, one) for path, one in items[:last] if _is_systems(one)]
    return [*systems, *items[last:]]


def _is_systems(item: AnyItem) -> bool:
    return isinstance(item, Message) and item.role in ("system", "developer")


def _is_users(item: AnyItem) -> bool:
    return isinstance(item, Message) and item.role == "user"


class _Builder:
    """Joins what the model wrote in one turn, its reasoning, text and calls, into one message."""

    def __init__(self, media: Media) -> None:
        self._media = media
        self._messages: list[EngineMessage] = []
        self._reasoning: list[str] = []
        self._text: str | None = None
        self._calls: list[ToolCall] = []
        self._known_calls: set[str] = set()
        self._requests: dict[str, McpApprovalRequest] = {}
        self._parts = 0  # of files

    def messages(self) -> tuple[EngineMessage, ...]:
        self._end_turn()
        return tuple(self._messages)

    def add(self, path: str, item: AnyItem) -> None:
        match item:
            case Message(role="assistant"):
                self._add_text(_assistant_text(item))
            case Message(role=role):
                text, images = self._content(f"{path}.content", item.content)
                self.add_message("system" if role == "developer" else role, text, images)
            case Reasoning():
                if text := reasoning_text(item):
                    self._add_reasoning(text)
            case Compaction():
                self._add_compaction(path, item)
            case ComputerCallOutput():
                images = self._images([(f"{path}.output", item.output)])
                self._add_output(path, item.call_id, "", images)
            case FunctionCallOutput() | CustomToolCallOutput():
                text, images = self._content(f"{path}.output", item.output)
                self._add_output(path, item.call_id, text, images)
            case _:
                self._add_call_item(path, item)

    def add_message(self, role: str, text: str, images: Sequence[Image]) -> None:
        """System messages at the start become one: some templates accept only that."""
        self._end_turn()
        if role == "system" and len(self._messages) == 1 and self._messages[0].role == "system":
            text = f"{self._messages.pop().content}\n\n{text}"
        self._messages.append(EngineMessage(role=role, content=text, images=tuple(images)))

    def add_search(self, item: FileSearchCall, parts: Sequence[Part]) -> None:
        """Add a search in files, with the parts that are shown again."""
        self._add_answered(*file_search(item, parts, self._parts))
        self._parts += len(parts)

    def _add_call_item(self, path: str, item: AnyItem) -> None:
        match item:
            case LocalShellCallOutput(output=output):
                self._add_output(path, item.call_id or item.id or "", output, ())
            case ShellCallOutput(output=outputs):
                self._add_output(path, item.call_id, _json([_sent(one) for one in outputs]), ())
            case ApplyPatchCallOutput(status=status, output=output):
                self._add_output(path, item.call_id, f"{status}\n{output or ''}".strip(), ())
            case McpCall() | ImageGenerationCall() | CodeInterpreterCall():
                self._add_answered(*made_call(item))
            case WebSearchCall():
                self._add_answered(*web_search(item))
            case McpApprovalResponse(approve=False):
                if (request := self._requests.get(item.approval_request_id)) is not None:
                    self._add_answered(*denied_call(request, item.reason))
            case McpApprovalRequest():
                self._requests[item.id] = item
            case ToolSearchOutput(tools=tools):
                names = [getattr(tool, "name", tool.type) for tool in tools]
                self._add_output(path, item.call_id or "", _json({"tools": names}), ())
            case _:
                call = _call(item)
                if call is not None:
                    self._calls.append(call)
                    self._known_calls.add(call.id)

    def _add_answered(self, call: ToolCall, text: str) -> None:
        """Add a call that was made or denied, and what the model was told about it."""
        self._calls.append(call)
        self._end_turn()
        self._messages.append(EngineMessage(role="tool", content=text, tool_call_id=call.id))

    def _add_reasoning(self, text: str) -> None:
        if self._text is not None or self._calls:
            self._end_turn()
        self._reasoning.append(text)

    def _add_text(self, text: str) -> None:
        if self._text is not None or self._calls:
            self._end_turn()
        self._text = text

    def _add_output(self, path: str, call_id: str, text: str, images: Sequence[Image]) -> None:
        """Images that a tool returns are shown in a user message."""
        self._end_turn()
        if call_id not in self._known_calls:
            raise InvalidRequest(
                f"No tool call found for the output with call_id {call_id!r:.80}.",
                code="invalid_value",
                param=f"{path}.call_id",
            )
        self._messages.append(EngineMessage(role="tool", content=text, tool_call_id=call_id))
        if images:
            shown = tuple(msgspec.structs.replace(image, at=0) for image in images)
            self._messages.append(EngineMessage(role="user", images=shown))

    def _add_compaction(self, path: str, item: Compaction) -> None:
        text = unpack(COMPACTION_PREFIX, item.encrypted_content)
        if text is None:
            raise invalid_value(f"{path}.encrypted_content", "it is not from this server")
        self.add_message("system", text, ())

    def _end_turn(self) -> None:
        """Add the assistant's message, which is complete now, if there is one."""
        if self._text is not None or self._calls or self._reasoning:
            self._messages.append(
                EngineMessage(
                    role="assistant",
                    content=self._text or "",
                    reasoning="\n".join(self._reasoning) or None,
                    tool_calls=tuple(self._calls),
                )
            )
        self._reasoning, self._text, self._calls = [], None, []

    def _content(self, path: str, content: str | Sequence[Body]) -> tuple[str, list[Image]]:
        """The text, and the images at their positions in it; a sound becomes its transcript."""
        if isinstance(content, str):
            return content, []
        texts: list[str] = []
        located = [(f"{path}[{number}]", part) for number, part in enumerate(content)]
        images: list[Image] = []
        for where, part in located:
            match part:
                case InputText(text=text) | OutputText(text=text) | Refusal(refusal=text):
                    texts.append(text)
                case InputSound():
                    texts.append(self._media.transcripts[f"{where}.input_audio.data"])
                case InputFile() if (param := file_param(where, part)) in self._media.file_texts:
                    texts.append(self._media.file_texts[param])
                case _:
                    images += self._images([(where, part)], at=sum(map(len, texts)))
        return "".join(texts), images

    def _images(self, parts: Iterable[tuple[str, Body]], at: int = 0) -> list[Image]:
        images = []
        for path, part in parts:
            if isinstance(part, InputImage | Screenshot | InputFile):
                loaded = self._media.images[file_param(path, part)]
                detail = part.detail or "auto"
                images.append(
                    Image(raw=loaded.raw, media_type=loaded.media_type, at=at, detail=detail)
                )
        return images


def _assistant_text(message: Message) -> str:
    """What the model said. A refusal counts only if there is nothing else."""
    if isinstance(message.content, str):
        return message.content
    texts = [part.text for part in message.content if isinstance(part, OutputText | InputText)]
    refused = [part.refusal for part in message.content if isinstance(part, Refusal)]
    return "".join(texts or refused)


def reasoning_text(item: Reasoning) -> str:
    """The reasoning in an item; empty if only another server can read its content."""
    if item.encrypted_content is not None:
        return unpack(REASONING_PREFIX, item.encrypted_content) or ""
    parts = item.content or item.summary
    return "\n".join(part.text for part in parts)


def _call(item: AnyItem) -> ToolCall | None:
    """The function call that an item represents; None for other items."""
    match item:
        case FunctionCall():
            name = function_name(item.name, item.namespace)
            return ToolCall(id=item.call_id, name=name, arguments=item.arguments)
        case CustomToolCall():
            name = function_name(item.name, item.namespace)
            return ToolCall(id=item.call_id, name=name, arguments=_json({"input": item.input}))
        case LocalShellCall(action=action):
            given = _sent(action)
            del given["type"]
            return ToolCall(id=item.call_id, name="local_shell", arguments=_json(given))
        case ShellCall(action=action):
            return ToolCall(id=item.call_id, name="shell", arguments=_json(_sent(action)))
        case ApplyPatchCall(operation=operation):
            arguments = _json(_sent(operation))
            return ToolCall(id=item.call_id, name="apply_patch", arguments=arguments)
        case ComputerCall(actions=list() as actions):
            arguments = _json({"actions": actions})
            return ToolCall(id=item.call_id, name="computer", arguments=arguments)
        case ComputerCall(action=action):
            arguments = _json({"action": action})
            return ToolCall(id=item.call_id, name="computer_use_preview", arguments=arguments)
        case ToolSearchCall():
            arguments = _json(item.arguments)
            return ToolCall(id=item.call_id or "", name="tool_search", arguments=arguments)
        case _:
            return None


def _sent(body: Body) -> dict[str, object]:
    """The fields that were sent and are not null."""
    return body.model_dump(exclude_unset=True, exclude_none=True, by_alias=True)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
