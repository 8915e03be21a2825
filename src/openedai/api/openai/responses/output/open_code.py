"""The item of `code_interpreter`: its events, and the completed item."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from openedai.api.openai.responses.output import events as e
from openedai.api.openai.responses.output.objects import (
    CodeImage,
    CodeInterpreterCallItem,
    CodeLogs,
    OutputItem,
)
from openedai.api.openai.responses.output.open_served import Ended, OpenServed, ToolResult
from openedai.api.openai.responses.output.place import Place
from openedai.api.parameters.chats.custom_inputs import InputReader
from openedai.api.parameters.ids import new_id
from openedai.store.containers import ContainerFile


@dataclass(frozen=True)
class CodeResult(ToolResult):
    """`logs` is what the code wrote, `images` are PNG files, `files` those that it made or
    changed.
    """

    logs: str = ""
    images: tuple[bytes, ...] = ()
    files: tuple[ContainerFile, ...] = ()


class OpenCode(OpenServed):
    def __init__(self, place: Place, key: str, container: str) -> None:
        super().__init__(place, key)
        self._id = new_id("ci_")
        self._container = container
        self._reader = InputReader("code")

    def open(self) -> list[e.Event]:
        place = self._place
        return [place.added(self._item("in_progress")), e.CodeBegun(*place.of(self._id))]

    def feed(self, delta: str) -> list[e.Event]:
        super().feed(delta)
        return self._delta(self._reader.feed(delta))

    def written(self) -> list[e.Event]:
        place = self._place
        return [
            *self._delta(self._reader.end()),
            e.CodeWritten(*place.of(self._id), self._reader.text),
            e.CodeRunning(*place.of(self._id)),
        ]

    def end(self, result: ToolResult) -> Ended:
        place = self._place
        shown = result if place.options.outputs else None
        item = self._item(_status(result), shown)
        ran = [e.CodeRan(*place.of(self._id))] if result.failed is None else []
        return item, [*ran, place.done(item)]

    def kept(self, result: ToolResult) -> OutputItem | None:
        return self._item(_status(result), result)

    def abandon(self) -> Ended:
        item = self._item("incomplete")
        return item, [self._place.done(item)]

    def _delta(self, text: str) -> list[e.Event]:
        if not text:
            return []
        place = self._place
        return [e.CodeDelta(*place.of(self._id), text, place.padding(text))]

    def _item(self, status: str, result: ToolResult | None = None) -> CodeInterpreterCallItem:
        """The item, with the outputs of the result."""
        outputs = None if result is None else _outputs(result)
        return CodeInterpreterCallItem(
            self._id, status, self._container, self._reader.text, outputs
        )


def _status(result: ToolResult) -> str:
    return "completed" if result.failed is None else "failed"


def _outputs(result: ToolResult) -> tuple[CodeLogs | CodeImage, ...]:
    logs = result.logs if isinstance(result, CodeResult) else ""
    images = result.images if isinstance(result, CodeResult) else ()
    text = "\n".join(filter(None, (logs, result.failed)))
    return (
        *((CodeLogs(text),) if text else ()),
        *(CodeImage(f"data:image/png;base64,{b64encode(one).decode()}") for one in images),
    )
