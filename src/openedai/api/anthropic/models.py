"""The models as Anthropic's API lists them: in pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from starlette.datastructures import QueryParams

from openedai.errors import InvalidRequest

_PAGE, _LARGEST_PAGE = 20, 1000


class ModelInfo(msgspec.Struct, tag="model"):
    id: str
    display_name: str
    created_at: str
    lifecycle: str = "active"


class ModelPage(msgspec.Struct):
    data: list[ModelInfo]
    first_id: str | None
    last_id: str | None
    has_more: bool


def model_info(id: str, created: int) -> ModelInfo:
    """`created` is in seconds since 1970."""
    return ModelInfo(id, id, datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def model_page(names: Sequence[str], query: QueryParams, created: int) -> ModelPage:
    """The names that the query asks for. Raises InvalidRequest."""
    if not _wants_active(query):
        names = ()
    limit = _limit(query)
    if (before := query.get("before_id")) is not None:
        rest = names[: _index(names, before, "before_id")]
        shown = rest[-limit:]
    else:
        after = query.get("after_id")
        rest = names if after is None else names[_index(names, after, "after_id") + 1 :]
        shown = rest[:limit]
    return ModelPage(
        data=[model_info(name, created) for name in shown],
        first_id=shown[0] if shown else None,
        last_id=shown[-1] if shown else None,
        has_more=len(shown) < len(rest),
    )


def _wants_active(query: QueryParams) -> bool:
    wanted = query.getlist("lifecycle") + query.getlist("lifecycle[]")
    return not wanted or "active" in wanted


def _limit(query: QueryParams) -> int:
    given = query.get("limit", str(_PAGE))
    short = given.isascii() and given.isdigit() and len(given) <= len(str(_LARGEST_PAGE))
    if short and 1 <= int(given) <= _LARGEST_PAGE:
        return int(given)
    raise InvalidRequest(
        f"Invalid 'limit': expected an integer from 1 to {_LARGEST_PAGE}.",
        code="invalid_value",
        param="limit",
    )


def _index(names: Sequence[str], name: str, param: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise InvalidRequest(
            f"Invalid '{param}': there is no model '{name}' in the list.",
            code="invalid_value",
            param=param,
        ) from None
