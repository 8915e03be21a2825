"""Tools that the server runs itself, as requests define them."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from openedai.http.body import AllowedOnly, Body

WebSearchType = Literal[
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
]
WEB_SEARCH = frozenset(get_args(WebSearchType))


class SearchFilters(Body):
    allowed_domains: list[str] | None = Field(None, max_length=100)


class UserLocation(Body):
    """Only the country changes what is found, and only with some search engines."""

    type: Literal["approximate"] | None = None
    city: str | None = None
    country: str | None = Field(None, min_length=2, max_length=2)
    region: str | None = None
    timezone: str | None = None


class WebSearchTool(Body):
    """Without `external_web_access` nothing may be searched: then the tool is not there."""

    type: WebSearchType
    external_web_access: bool | None = None
    filters: SearchFilters | None = None
    search_content_types: Annotated[
        list[Literal["text", "image"]] | None, AllowedOnly((["text"],))
    ] = None
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: UserLocation | None = None

    @property
    def domains(self) -> tuple[str, ...]:
        """The only domains whose pages may be found; empty for all."""
        return tuple((self.filters and self.filters.allowed_domains) or ())

    @property
    def country(self) -> str | None:
        return None if self.user_location is None else self.user_location.country
