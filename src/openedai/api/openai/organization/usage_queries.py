"""The parameters in the URLs of usage and costs, and the buckets of time that they ask for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from openedai.errors import Unsupported, invalid_value
from openedai.http.body import Body
from openedai.store.usage.records import HOUR
from openedai.store.usage.sums import DAY, MINUTE

Width = Literal["1m", "1h", "1d"]
_SECONDS = {"1m": MINUTE, "1h": HOUR, "1d": DAY}
# The number of buckets on one page, by default and at most.
_LIMITS: dict[Width, tuple[int, int]] = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}
_COST_LIMITS = (7, 180)
_LAST = 253_402_300_800  # the year 10000
_MOST_VALUES = 100
_CURSOR = "page_"

_Name = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Names = Annotated[list[_Name], Field(max_length=_MOST_VALUES)]


@dataclass(frozen=True)
class Buckets:
    """The buckets of one page, from `start` to `end`, each of `width` seconds. Times are multiples
    of the width. `next` is the cursor of the next page, None after the last.
    """

    start: int
    end: int
    width: int
    next: str | None

    def starts(self) -> range:
        return range(self.start, self.end, self.width)


class BucketQuery(Body):
    """The parameters of all queries."""

    start_time: int = Field(ge=0, le=_LAST)
    end_time: int | None = Field(None, ge=0, le=_LAST)
    bucket_width: Width = "1d"
    limit: int | None = Field(None, ge=1)
    page: str | None = Field(None, max_length=64, pattern=rf"^{_CURSOR}[0-9]+$")
    project_ids: Names | None = None

    limits: ClassVar[dict[Width, tuple[int, int]]] = _LIMITS

    def check(self) -> None:
        default, most = self.limits[self.bucket_width]
        if (self.limit or default) > most:
            reason = f"with `bucket_width` {self.bucket_width} it is at most {most}"
            raise invalid_value("limit", reason)
        if self.end_time is not None and self.end_time <= self.start_time:
            raise invalid_value("end_time", "it is not after `start_time`")
        if self.page is not None:
            at = int(self.page.removeprefix(_CURSOR))
            if at % _SECONDS[self.bucket_width] or not self.start_time <= at <= _LAST:
                raise invalid_value("page", "it is not a `next_page` of this list")

    def buckets(self) -> Buckets:
        """The buckets on the requested page that overlap the requested time."""
        width = _SECONDS[self.bucket_width]
        end = int(time.time()) + 1 if self.end_time is None else self.end_time
        end = -(-end // width) * width
        start = self.start_time // width * width
        if self.page is not None:
            start = int(self.page.removeprefix(_CURSOR))
        limit = self.limit or self.limits[self.bucket_width][0]
        shown = max(start, min(end, start + limit * width))
        return Buckets(start, shown, width, f"{_CURSOR}{shown}" if shown < end else None)


_USERS = "keys belong to projects here, not to users"


def _refuse(param: str, values: Sequence[str] | None, reason: str) -> None:
    if values:
        raise Unsupported(
            f"Unsupported parameter: '{param}': {reason}.",
            code="unsupported_parameter",
            param=param,
        )


class KeyUsageQuery(BucketQuery):
    """A query for something that keys use."""

    api_key_ids: Names | None = None
    user_ids: Names | None = None
    group_by: list[str] | None = None

    def check(self) -> None:
        super().check()
        _refuse("user_ids", self.user_ids, _USERS)


class UsageQuery(KeyUsageQuery):
    """A query for the usage of models."""

    models: Names | None = None
    group_by: list[Literal["project_id", "user_id", "api_key_id", "model"]] | None = None  # type: ignore[assignment]


_FileGroup = Literal["project_id", "user_id", "api_key_id", "vector_store_id"]


class FileSearchQuery(KeyUsageQuery):
    vector_store_ids: Names | None = None
    group_by: list[_FileGroup] | None = None  # type: ignore[assignment]

    def check(self) -> None:
        super().check()
        _refuse("vector_store_ids", self.vector_store_ids, "a call may search several stores")


_WebGroup = Literal["project_id", "user_id", "api_key_id", "model", "context_level", "api_source"]


class WebSearchQuery(UsageQuery):
    context_levels: list[Literal["low", "medium", "high"]] | None = None
    group_by: list[_WebGroup] | None = None  # type: ignore[assignment]

    def check(self) -> None:
        super().check()
        _refuse("context_levels", self.context_levels, "they are not kept")


_Group = Literal[
    "project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source"
]


class BatchUsageQuery(UsageQuery):
    """A query for something that batches can also do."""

    batch: bool | None = None
    group_by: list[_Group] | None = None  # type: ignore[assignment]


Source = Literal["image.generation", "image.edit", "image.variation"]
_ImageGroup = Literal["project_id", "user_id", "api_key_id", "model", "size", "source"]


class ImageUsageQuery(UsageQuery):
    sizes: Names | None = None
    sources: list[Source] | None = None
    group_by: list[_ImageGroup] | None = None  # type: ignore[assignment]


class ProjectUsageQuery(BucketQuery):
    """A query for something that has no known key."""

    group_by: list[Literal["project_id"]] | None = None


_CostGroup = Literal["project_id", "user_id", "line_item", "api_key_id", "api_source"]


class CostQuery(BucketQuery):
    bucket_width: Literal["1d"] = "1d"
    api_key_ids: Names | None = None
    user_ids: Names | None = None
    line_items: Names | None = None
    group_by: list[_CostGroup] | None = None

    limits: ClassVar[dict[Width, tuple[int, int]]] = {"1d": _COST_LIMITS}

    def check(self) -> None:
        super().check()
        _refuse("user_ids", self.user_ids, _USERS)
