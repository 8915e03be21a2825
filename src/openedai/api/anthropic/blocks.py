"""The blocks of messages on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from openedai.api.parameters.unions import BY_JSON_TYPE, BY_TYPE, branch
from openedai.http.body import AllowedOnly, Body, Refused, UnsupportedValues

SEPARATOR = "\n"
"""Between the texts of two blocks that become one text."""


class CacheControl(Body):
    """`scope` and `evict_on_complete` are what Claude Code sends."""

    type: Literal["ephemeral"]
    scope: str | None = None
    evict_on_complete: bool | None = None
    ttl: Literal["5m", "1h"] | None = None


class Citations(Body):
    enabled: Annotated[bool | None, AllowedOnly((False,))] = None


class Block(Body):
    """Prefixes of prompts are always cached, so `cache_control` has no effect."""

    cache_control: CacheControl | None = None


class TextBlock(Block):
    """A block of an answer can be sent back as it came; its `citations` have no effect."""

    type: Literal["text"]
    text: str
    citations: list[Any] | None = None

    def plain(self) -> str:
        return self.text


class Base64Image(Body):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class UrlImage(Body):
    type: Literal["url"]
    url: str


class OtherImage(Body):
    """A source that is not supported; it also gives the error for an unknown one."""

    type: Annotated[Literal["base64", "url", "file"], UnsupportedValues("file")]


class Transformations(Body):
    oversized_image: Annotated[Literal["downsize", "error"] | None, AllowedOnly(("downsize",))] = (
        None
    )


class ImageBlock(Block):
    type: Literal["image"]
    source: Annotated[Base64Image | UrlImage | OtherImage, BY_TYPE]
    transformations: Transformations | None = None


class PlainText(Body):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class OtherContent(Body):
    type: Annotated[Literal["text", "image"], UnsupportedValues("image")]


Texts = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[
        list[Annotated[TextBlock | OtherContent, BY_TYPE]],
        branch("an array"),
    ],
    BY_JSON_TYPE,
]


class ContentSource(Body):
    type: Literal["content"]
    content: Texts


class OtherDocument(Body):
    type: Annotated[
        Literal["text", "content", "base64", "url", "file"],
        UnsupportedValues("base64", "url", "file"),
    ]


class DocumentBlock(Block):
    """A text document; other types are not supported."""

    type: Literal["document"]
    source: Annotated[PlainText | ContentSource | OtherDocument, BY_TYPE]
    title: str | None = None
    context: str | None = None
    citations: Citations | None = None

    def plain(self) -> str:
        match self.source:
            case PlainText(data=data):
                text = data
            case ContentSource(content=content):
                text = plain(content)
            case _:
                text = ""
        return SEPARATOR.join(part for part in (self.title, self.context, text) if part)


class SearchResultBlock(Block):
    type: Literal["search_result"]
    source: str
    title: str
    content: list[TextBlock]
    citations: Citations | None = None

    def plain(self) -> str:
        return SEPARATOR.join((self.title, self.source, *(block.text for block in self.content)))


class ThinkingBlock(Body):
    """The model's earlier thinking. Signatures are not checked."""

    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(Body):
    """Thinking that only the server that produced it can read; it has no effect here."""

    type: Literal["redacted_thinking"]
    data: str


class Caller(Body):
    type: Annotated[
        Literal["direct", "code_execution_20250825", "code_execution_20260120"],
        UnsupportedValues("code_execution_20250825", "code_execution_20260120"),
    ]


class ToolUseBlock(Block):
    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: dict[str, Any]
    caller: Caller | None = None
    toolset_name: Refused = None


class OtherResult(Body):
    type: Annotated[
        Literal["text", "image", "document", "search_result", "tool_reference", "browser_state"],
        UnsupportedValues("tool_reference", "browser_state"),
    ]


TextLike = TextBlock | DocumentBlock | SearchResultBlock

ResultContent = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[
        list[
            Annotated[
                TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | OtherResult, BY_TYPE
            ]
        ],
        branch("an array"),
    ],
    BY_JSON_TYPE,
]


class ToolResultBlock(Block):
    type: Literal["tool_result"]
    tool_use_id: str
    content: ResultContent | None = None
    is_error: bool | None = None
    toolset_name: Refused = None


# Blocks of tools that run on the official server, and blocks that only it can read.
ServerBlock = Literal[
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "container_upload",
]
SERVER_BLOCKS: tuple[str, ...] = get_args(ServerBlock)


class OtherBlock(Body):
    """A block that is not supported; it also gives the error for an unknown one."""

    type: Annotated[
        Literal[
            "text",
            "image",
            "document",
            "search_result",
            "thinking",
            "redacted_thinking",
            "tool_use",
            "tool_result",
            ServerBlock,
        ],
        UnsupportedValues(*SERVER_BLOCKS),
    ]


AnyBlock = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | SearchResultBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ToolResultBlock
    | OtherBlock
)

MessageBlock = Annotated[AnyBlock, BY_TYPE]

Content = Annotated[
    Annotated[str, branch("a string")] | Annotated[list[MessageBlock], branch("an array")],
    BY_JSON_TYPE,
]


def plain(content: str | Sequence[TextBlock | OtherContent]) -> str:
    """The text of a content that consists of text only."""
    if isinstance(content, str):
        return content
    return SEPARATOR.join(block.text for block in content if isinstance(block, TextBlock))
