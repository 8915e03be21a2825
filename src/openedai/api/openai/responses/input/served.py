"""Tools that the server runs itself, as requests define them."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from openedai.api.openai.responses.input.callers import Callers
from openedai.api.parameters.containers import FileIds, MemoryLimit, NetworkPolicy
from openedai.api.parameters.image_sizes import image_size
from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.api.parameters.vector_stores.queries import AnyFilter, RankingOptions, check_filter
from openedai.errors import invalid_value
from openedai.http.body import AllowedOnly, Body, Refused, UnsupportedValues

WebSearchType = Literal[
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
]
WEB_SEARCH = frozenset(get_args(WebSearchType))
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]{0,65536}")
# Headers that the connection itself sets.
_OWN_HEADERS = frozenset(
    {"connection", "content-length", "content-type", "host", "transfer-encoding", "upgrade"}
)


def _headers(value: dict[str, str] | None) -> dict[str, str] | None:
    for name, text in (value or {}).items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise PydanticCustomError("invalid_header", "a header has a name that is not allowed")
        if not _HEADER_VALUE.fullmatch(text):
            raise PydanticCustomError("invalid_header", "a header has a value that is not allowed")
    return value


def _token(value: str | None) -> str | None:
    if value is not None and not _HEADER_VALUE.fullmatch(value):
        raise PydanticCustomError("invalid_header", "it cannot be sent in a header")
    return value


def _url(value: str) -> str:
    try:
        urlsplit(value)
    except ValueError:
        raise PydanticCustomError("invalid_url", "it cannot be read as a URL") from None
    return value


class McpFilter(Body):
    """Selects tools by their names, and by whether their server says that they change nothing."""

    read_only: bool | None = None
    tool_names: list[str] | None = Field(None, max_length=1024)

    def matches(self, name: str, *, read_only: bool) -> bool:
        if self.tool_names is not None and name not in self.tool_names:
            return False
        return self.read_only is None or self.read_only == read_only


class ApprovalFilter(Body):
    always: McpFilter | None = None
    never: McpFilter | None = None


class McpServerTool(Body):
    """A server whose tools the model may call. Its credentials are never written down: `headers`
    and `authorization` appear in no log, in no answer and in no store.
    """

    type: Literal["mcp"]
    server_label: str = Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$")
    server_url: Annotated[str, AfterValidator(_url)] = Field(max_length=8192)
    server_description: str | None = Field(None, max_length=1 << 16)
    headers: Annotated[dict[str, str] | None, AfterValidator(_headers)] = Field(
        None, exclude=True, repr=False, max_length=64
    )
    authorization: Annotated[str | None, AfterValidator(_token)] = Field(
        None, exclude=True, repr=False, max_length=1 << 16
    )
    allowed_tools: (
        Annotated[
            Annotated[list[str], Field(max_length=1024), branch("an array")]
            | Annotated[McpFilter, branch("an object")],
            BY_JSON_TYPE,
        ]
        | None
    ) = None
    require_approval: (
        Annotated[
            Annotated[Literal["always", "never"], branch("a string")]
            | Annotated[ApprovalFilter, branch("an object")],
            BY_JSON_TYPE,
        ]
        | None
    ) = None
    allowed_callers: Callers = None
    defer_loading: bool | None = None
    connector_id: Refused = None
    tunnel_id: Refused = None

    def sent_headers(self) -> dict[str, str]:
        """The headers of each request to the server."""
        headers = dict(self.headers or {})
        if self.authorization is not None:
            headers["Authorization"] = f"Bearer {self.authorization}"
        return headers

    def allows(self, name: str, *, read_only: bool) -> bool:
        """Whether the model may call the server's tool with this name."""
        match self.allowed_tools:
            case None:
                return True
            case McpFilter() as given:
                return given.matches(name, read_only=read_only)
            case names:
                return name in names

    def needs_approval(self, name: str, *, read_only: bool) -> bool:
        """Whether the client must approve each call of the tool. By default it must, for all
        tools.
        """
        given = self.require_approval
        if not isinstance(given, ApprovalFilter):
            return given != "never"
        if given.never is not None and given.never.matches(name, read_only=read_only):
            return False
        if given.always is not None and given.always.matches(name, read_only=read_only):
            return True
        return given.always is None or given.never is not None

    def shown_url(self) -> str:
        """The URL without the parts that may be secret, as the official API shows it."""
        parts = urlsplit(self.server_url)
        host = parts.netloc.rpartition("@")[2]
        if not parts.path.strip("/") and not parts.query:
            return f"{parts.scheme}://{host}"
        return f"{parts.scheme}://{host}/<redacted>"


class ImageGenerationTool(Body):
    """It makes images; it does not edit them."""

    type: Literal["image_generation"]
    action: Annotated[Literal["generate", "edit", "auto"] | None, UnsupportedValues("edit")] = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    model: str | None = Field(None, min_length=1)
    moderation: Literal["low", "auto"] | None = None
    output_compression: int | None = Field(None, ge=0, le=100)
    output_format: Annotated[
        Literal["png", "webp", "jpeg", "gif", "svg"] | None, UnsupportedValues("gif", "svg")
    ] = None
    partial_images: int | None = Field(None, ge=0, le=3)
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto"] | None = None
    size: str | None = None
    complexity: Refused = None
    frame_count: Refused = None
    frame_duration_ms: Refused = None
    input_fidelity: Refused = None
    input_image_mask: Refused = None
    svg: Refused = None

    def check_at(self, path: str) -> None:
        """Raise InvalidRequest for fields that are not valid together."""
        image_size(self.size, f"{path}.size")
        if self.output_format in (None, "png") and self.output_compression not in (None, 100):
            raise invalid_value(
                f"{path}.output_compression", "it is for the formats 'jpeg' and 'webp'"
            )
        if self.output_format == "jpeg" and self.background == "transparent":
            raise invalid_value(f"{path}.background", "the format 'jpeg' cannot be transparent")


class FileSearchTool(Body):
    type: Literal["file_search"]
    vector_store_ids: list[str] = Field(min_length=1, max_length=16)
    filters: AnyFilter | None = None
    max_num_results: int | None = Field(None, ge=1, le=50)
    ranking_options: RankingOptions | None = None

    def check_at(self, path: str) -> None:
        """Raise InvalidRequest for stores and options that cannot be used."""
        check_filter(self.filters, f"{path}.filters")
        if self.ranking_options is not None:
            self.ranking_options.check_at(f"{path}.ranking_options")


class AutoContainer(Body):
    """A new container, or the one of the last call in the conversation."""

    type: Literal["auto"]
    file_ids: FileIds | None = None
    memory_limit: MemoryLimit | None = None
    network_policy: NetworkPolicy | None = None


class CodeInterpreterTool(Body):
    type: Literal["code_interpreter"]
    container: Annotated[
        Annotated[str, Field(max_length=64), branch("a string")]
        | Annotated[AutoContainer, branch("an object")],
        BY_JSON_TYPE,
    ]
    allowed_callers: Callers = None


class SearchFilters(Body):
    allowed_domains: list[str] | None = Field(None, max_length=100)


class UserLocation(Body):
    """Only the country affects the results, and only with some search engines."""

    type: Literal["approximate"] | None = None
    city: str | None = None
    country: str | None = Field(None, min_length=2, max_length=2)
    region: str | None = None
    timezone: str | None = None


class WebSearchTool(Body):
    """With `external_web_access` false nothing may be searched, so the tool is left out."""

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
        """The domains whose pages may be found; empty for all."""
        return tuple((self.filters and self.filters.allowed_domains) or ())

    @property
    def country(self) -> str | None:
        return None if self.user_location is None else self.user_location.country
