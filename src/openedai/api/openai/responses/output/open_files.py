"""The item of `file_search`: its events, and the completed item."""

from __future__ import annotations

from dataclasses import dataclass

from openedai.api.openai.responses.output import events as e
from openedai.api.openai.responses.output.objects import (
    FileResult,
    FileSearchCallItem,
    OutputItem,
)
from openedai.api.openai.responses.output.open_served import Ended, OpenServed, ToolResult
from openedai.api.openai.responses.output.place import Place
from openedai.api.parameters.ids import new_id
from openedai.serving.tools.citations import Part


@dataclass(frozen=True)
class FilesResult(ToolResult):
    """`queries` are the texts that were searched for, `found` the parts of files."""

    queries: tuple[str, ...] = ()
    found: tuple[FileResult, ...] = ()


def part_of(result: FileResult) -> Part:
    """The part of a file as answers cite it."""
    return Part(result.file_id, result.filename, result.text)


class OpenFileSearch(OpenServed):
    def __init__(self, place: Place, key: str) -> None:
        super().__init__(place, key)
        self._id = new_id("fs_")

    def open(self) -> list[e.Event]:
        place = self._place
        added = place.added(FileSearchCallItem(self._id, "in_progress"))
        return [added, e.FilesBegun(*place.of(self._id))]

    def written(self) -> list[e.Event]:
        return [e.FilesSearching(*self._place.of(self._id))]

    def end(self, result: ToolResult) -> Ended:
        place = self._place
        if not isinstance(result, FilesResult):
            return self._unfinished("failed")
        shown = result.found if place.options.found else None
        item = FileSearchCallItem(self._id, "completed", result.queries, shown)
        return item, [e.FilesFound(*place.of(self._id)), place.done(item)]

    def kept(self, result: ToolResult) -> OutputItem | None:
        if not isinstance(result, FilesResult):
            return None
        return FileSearchCallItem(self._id, "completed", result.queries, result.found)

    def abandon(self) -> Ended:
        return self._unfinished("incomplete")

    def _unfinished(self, status: str) -> Ended:
        item = FileSearchCallItem(self._id, status, tuple(filter(None, (self.query,))))
        return item, [self._place.done(item)]
