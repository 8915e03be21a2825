"""Items for tools that the server runs, while they run: their events, and the completed items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from openedai.api.openai.responses.output import events as e
from openedai.api.openai.responses.output.objects import (
    OutputItem,
    SearchAction,
    SearchSource,
    WebSearchCallItem,
)
from openedai.api.openai.responses.output.place import Place
from openedai.api.parameters.ids import new_id
from openedai.serving.tools.web_search import Page

Ended = tuple[OutputItem, list[e.Event]]
"""The item as it ends, and the events of its end."""


@dataclass(frozen=True)
class ToolResult:
    """What a tool returned: `text` is for the model. `failed` is the message if the tool failed."""

    text: str
    failed: str | None = None


@dataclass(frozen=True)
class SearchResult(ToolResult):
    pages: tuple[Page, ...] = ()


class OpenServed:
    """The item of a tool that the server runs, from beginning to end; `key` is the id of its call.

    `written` comes when its arguments are complete, then `progress` and `end` while the tool runs.
    """

    def __init__(self, place: Place, key: str) -> None:
        self.key = key
        self._place = place
        self._deltas: list[str] = []

    @property
    def arguments(self) -> str:
        """What the model has written so far, as JSON."""
        return "".join(self._deltas)

    @property
    def query(self) -> str:
        """The argument of this name, as far as the arguments are valid."""
        try:
            given = msgspec.json.decode(self.arguments, type=dict[str, Any])
        except msgspec.DecodeError:
            return ""
        query = given.get("query", "")
        return query if isinstance(query, str) else ""

    def open(self) -> list[e.Event]:
        raise NotImplementedError

    def feed(self, delta: str) -> list[e.Event]:
        self._deltas.append(delta)
        return []

    def written(self) -> list[e.Event]:
        return []

    def progress(self, update: Any) -> list[e.Event]:
        return []

    def end(self, result: ToolResult) -> Ended:
        raise NotImplementedError

    def kept(self, result: ToolResult) -> OutputItem | None:
        """The item for the next responses, if it has more than what is shown."""
        return None

    def abandon(self) -> Ended:
        """End an item whose tool does not run because the response ends first."""
        raise NotImplementedError


class OpenSearch(OpenServed):
    def __init__(self, place: Place, key: str) -> None:
        super().__init__(place, key)
        self._id = new_id("ws_")

    def open(self) -> list[e.Event]:
        place = self._place
        return [place.added(self._item("in_progress")), e.SearchBegun(*place.of(self._id))]

    def written(self) -> list[e.Event]:
        return [e.Searching(*self._place.of(self._id))]

    def end(self, result: ToolResult) -> Ended:
        place = self._place
        pages = result.pages if isinstance(result, SearchResult) else ()
        if result.failed is not None:
            item = self._item("failed")
            return item, [place.done(item)]
        item = self._item("completed", pages if place.options.sources else None)
        return item, [e.SearchEnded(*place.of(self._id)), place.done(item)]

    def kept(self, result: ToolResult) -> OutputItem | None:
        if not isinstance(result, SearchResult) or result.failed is not None:
            return None
        return self._item("completed", result.pages)

    def abandon(self) -> Ended:
        item = self._item("incomplete")
        return item, [self._place.done(item)]

    def _item(self, status: str, pages: tuple[Page, ...] | None = None) -> WebSearchCallItem:
        shown = UNSET if pages is None else tuple(SearchSource(page.url) for page in pages)
        return WebSearchCallItem(self._id, status, SearchAction(self.query, shown))
