"""A thread as the conversation that a model reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from openedai.api.openai.assistants.served.code import CODE, arguments_of, tool_output
from openedai.api.openai.assistants.served.search import SEARCH, part_of, results_text
from openedai.contract.chat import Image, Message, ToolCall
from openedai.media.images import ImageRef
from openedai.serving.files.kept import FileId
from openedai.serving.files.loading import FileRef
from openedai.serving.images.loading import LoadedImages
from openedai.serving.tools.citations import Part
from openedai.store.assistants.messages import Message as ThreadMessage
from openedai.store.assistants.runs import Run
from openedai.store.assistants.steps import Step


@dataclass(frozen=True)
class Thread:
    """The messages that a run reads, those that it has written, and the tool calls of this run and
    earlier ones.
    """

    run: Run
    messages: Sequence[ThreadMessage]
    made_messages: Sequence[ThreadMessage]
    steps: Sequence[Step]

    @classmethod
    def of(cls, run: Run, messages: Sequence[ThreadMessage], steps: Sequence[Step]) -> Thread:
        """The thread without what the run leaves out: older messages, calls without outputs, and
        answers that have no text yet or were cut short.
        """
        messages = [one for one in messages if one.fields.content or one.fields.role == "user"]
        answered = [step for step in steps if _is_answered(step)]
        own = [one for one in messages if one.run == run.id]
        count = run.fields.truncation.get("last_messages")
        if count is not None and count < len(messages):
            messages = messages[len(messages) - count :]
            answered = [
                step
                for step in answered
                if step.run == run.id or step.position > messages[0].position
            ]
        return cls(run, messages, own, answered)

    @property
    def has_calls(self) -> bool:
        """Whether the run has called tools."""
        return any(step.run == self.run.id for step in self.steps)

    def parts(self) -> list[Part]:
        """What the searches of this run found, by the numbers of their marks."""
        calls = [call for step in self.steps if step.run == self.run.id for call in _calls(step)]
        return [
            part_of(one)
            for call in calls
            if call["type"] == SEARCH
            for one in call[SEARCH]["results"]
        ]

    def made(self) -> dict[str, str]:
        """The files that code of this run has made, by their paths."""
        return {one["path"]: one["file_id"] for code in self._codes() for one in code["files"]}

    def new_images(self) -> list[str]:
        """The images that code of this run has made and none of its messages shows yet."""
        shown = {
            part["image_file"]["file_id"]
            for message in self.made_messages
            for part in message.fields.content
            if part["type"] == "image_file"
        }
        made = [
            one["image"]["file_id"]
            for code in self._codes()
            for one in code["outputs"]
            if one["type"] == "image"
        ]
        return [id for id in made if id not in shown]

    def attached(self) -> set[str]:
        """The files attached to messages of this run."""
        return {
            one["file_id"] for message in self.made_messages for one in message.fields.attachments
        }

    def _codes(self) -> Iterator[dict[str, Any]]:
        for step in self.steps:
            if step.run == self.run.id:
                yield from (call[CODE] for call in _calls(step) if call["type"] == CODE)

    def last_question(self) -> str:
        """The text of the user's last message."""
        texts = [_text(one) for one in self.messages if one.fields.role == "user"]
        return texts[-1] if texts else ""

    def file_refs(self) -> Iterator[FileRef]:
        """The images among the user's files, in order."""
        for path, part in self._parts():
            if part["type"] == "image_file":
                param = f"{path}.image_file.file_id"
                source = FileId(part["image_file"]["file_id"])
                yield FileRef(source, None, param, f"{path}.type", image_only=True)

    def image_refs(self) -> Iterator[ImageRef]:
        for path, part in self._parts():
            if part["type"] == "image_url":
                yield ImageRef(part["image_url"]["url"], f"{path}.image_url.url", f"{path}.type")

    def engine_messages(self, images: LoadedImages) -> tuple[Message, ...]:
        messages = [Message(role="system", content=self.run.fields.instructions)]
        if not self.run.fields.instructions:
            messages = []
        first = 0
        items: list[ThreadMessage | Step] = [*self.messages, *self.steps]
        for item in sorted(items, key=lambda item: item.position):
            if isinstance(item, ThreadMessage):
                messages.append(_message(item, images))
                continue
            own = item.run == self.run.id
            last = messages[-1] if messages else None
            calls = tuple(map(_call, _calls(item)))
            if last is not None and last.role == "assistant" and not last.tool_calls:
                messages[-1] = replace(last, tool_calls=calls)
            else:
                messages.append(Message(role="assistant", tool_calls=calls))
            for call in _calls(item):
                output = _output(call, first if own else 0)
                messages.append(Message(role="tool", content=output, tool_call_id=call["id"]))
                if own and call["type"] == SEARCH:
                    first += len(call[SEARCH]["results"])
        return tuple(messages)

    def _parts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for message in self.messages:
            for index, part in enumerate(message.fields.content):
                if message.fields.role == "user":  # code makes the images of others
                    yield _path(message, index), part


def _path(message: ThreadMessage, index: int) -> str:
    return f"{message.id}.content[{index}]"


def _message(message: ThreadMessage, images: LoadedImages) -> Message:
    texts, found = list[str](), list[Image]()
    for index, part in enumerate(message.fields.content):
        path, type = _path(message, index), part["type"]
        if type == "text":
            texts.append(part["text"]["value"])
        if type == "text" or message.fields.role != "user":
            continue
        param = f"{path}.image_file.file_id" if type == "image_file" else f"{path}.image_url.url"
        image = images[param]
        detail = part[type].get("detail") or "auto"
        at = sum(map(len, texts))
        found.append(Image(raw=image.raw, media_type=image.media_type, at=at, detail=detail))
    return Message(role=message.fields.role, content="".join(texts), images=tuple(found))


def _text(message: ThreadMessage) -> str:
    parts = (part for part in message.fields.content if part["type"] == "text")
    return "".join(part["text"]["value"] for part in parts)


def _calls(step: Step) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = step.fields.details["tool_calls"]
    return calls


def _is_answered(step: Step) -> bool:
    fields = step.fields
    return fields.type == "tool_calls" and fields.status == "completed"


def _call(call: dict[str, Any]) -> ToolCall:
    if call["type"] == SEARCH:
        return ToolCall(id=call["id"], name=SEARCH, arguments="{}")
    if call["type"] == CODE:
        return ToolCall(id=call["id"], name=CODE, arguments=arguments_of(call))
    function = call["function"]
    return ToolCall(id=call["id"], name=function["name"], arguments=function["arguments"])


def _output(call: dict[str, Any], first: int) -> str:
    if call["type"] == SEARCH:
        return results_text(call, first)
    if call["type"] == CODE:
        return tool_output(call)
    return call["function"]["output"] or ""
