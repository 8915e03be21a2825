"""Lists in pages: the parameters in the URL, and the object in the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import Field

from openedai.http.body import Body
from openedai.store.vector_stores.pages import Found

T = TypeVar("T")


class Query(Body):
    """The parameters of every list; a list with a different maximum has its own `limit`."""

    limit: int = Field(20, ge=1, le=100)
    after: str | None = Field(None, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    order: Literal["asc", "desc"] = "desc"


class Page(msgspec.Struct):
    data: Sequence[Any]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


def page(
    items: Sequence[Any], limit: int, render: Callable[[Any], Any] = lambda item: item
) -> Page:
    """The first `limit` of the items, of which one more was read; each has an `id`."""
    shown = items[:limit]
    first, last = (shown[0].id, shown[-1].id) if shown else (None, None)
    return Page([render(item) for item in shown], first, last, len(items) > limit)


def page_of(found: Found[T], render: Callable[[T], Any]) -> Page:
    """What was found, with its cursors; each rendered item has an `id`."""
    shown = [render(item) for item in found.items]
    first, last = (shown[0].id, shown[-1].id) if shown else (None, None)
    return Page(shown, first, last, found.has_more)
