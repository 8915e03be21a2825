"""What searches of vector stores have in common, in their endpoint and in tools: filters and
ranking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from openedai.api.parameters.unions import BY_TYPE
from openedai.errors import invalid_value
from openedai.http.body import Body
from openedai.search.filters import Compare, Compound, Filter
from openedai.search.rank import BOTH, Weights

if TYPE_CHECKING:
    from openedai.serving.vector_stores.searching import Rerank

_MAX_FILTERS = 100
_MAX_DEPTH = 10
_LISTED = ("in", "nin")


def _compared(value: Any) -> Any:
    """A text, a number, a boolean, or a list of them."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | bool | int | float) for one in values):
        raise PydanticCustomError("value", "expected a string, a number, a boolean, or a list")
    return value


class Comparison(Body):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str = Field(max_length=64)
    value: Annotated[Any, AfterValidator(_compared)]

    def check_at(self, param: str) -> None:
        listed = isinstance(self.value, list)
        if listed != (self.type in _LISTED):
            expected = "a list" if self.type in _LISTED else "no list"
            raise invalid_value(f"{param}.value", f"`{self.type}` compares with {expected}")


class Combination(Body):
    type: Literal["and", "or"]
    filters: list[AnyFilter] = Field(min_length=1, max_length=_MAX_FILTERS)


AnyFilter = Annotated[Combination | Comparison, BY_TYPE]


class HybridWeights(Body):
    """At least one is above 0."""

    embedding_weight: float = Field(ge=0, le=1e6)
    text_weight: float = Field(ge=0, le=1e6)


class RankingOptions(Body):
    """`hybrid_search` is a parameter of the official `file_search` tool."""

    ranker: Literal["none", "auto", "default-2024-11-15", "default_2024_08_21"] = "auto"
    score_threshold: float = Field(0.0, ge=0, le=1)
    hybrid_search: HybridWeights | None = None

    def check_at(self, param: str) -> None:
        hybrid = self.hybrid_search
        if hybrid is not None and not hybrid.embedding_weight + hybrid.text_weight:
            raise invalid_value(f"{param}.hybrid_search", "one of its weights must be above 0")

    @property
    def rerank(self) -> Rerank:
        match self.ranker:
            case "none":
                return "never"
            case "auto":
                return "auto"
        return "always"

    @property
    def weights(self) -> Weights:
        hybrid = self.hybrid_search
        if hybrid is None:
            return BOTH
        return Weights(hybrid.embedding_weight, hybrid.text_weight)


def check_filter(filter: Comparison | Combination | None, param: str) -> None:
    """Raise InvalidRequest for a filter that cannot be used."""
    if filter is not None and _check(filter, param, 1) > _MAX_FILTERS:
        raise invalid_value(param, f"more than {_MAX_FILTERS} comparisons")


def to_filter(filter: Comparison | Combination | None) -> Filter | None:
    return None if filter is None else _filter(filter)


def _check(filter: Comparison | Combination, param: str, depth: int) -> int:
    """Check a filter. Returns how many comparisons it has."""
    if depth > _MAX_DEPTH:
        raise invalid_value(param, f"more than {_MAX_DEPTH} filters within each other")
    if isinstance(filter, Comparison):
        filter.check_at(param)
        return 1
    return sum(
        _check(one, f"{param}.filters[{index}]", depth + 1)
        for index, one in enumerate(filter.filters)
    )


def _filter(filter: Comparison | Combination) -> Filter:
    if isinstance(filter, Comparison):
        return Compare(filter.key, filter.type, filter.value)
    return Compound(filter.type, [_filter(one) for one in filter.filters])
