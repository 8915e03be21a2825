"""The body of `POST /v1/responses`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from openedai.api.openai.responses.input.formats import JsonSchemaFormat, PlainFormat, TextFormat
from openedai.api.openai.responses.input.items import (
    AdditionalTools,
    AnyItem,
    CompactionTrigger,
    InputItem,
    ItemReference,
    Message,
    ToolSearchOutput,
)
from openedai.api.openai.responses.input.served import McpServerTool
from openedai.api.openai.responses.input.tools import MAX_TOOLS, AnyTool, ToolChoice, ToolParam
from openedai.api.openai.responses.output.place import Options
from openedai.api.openai.responses.sampling import ResponseSampling
from openedai.api.parameters.chats.labels import Metadata, Retention, ServiceTier, Verbosity
from openedai.api.parameters.chats.moderation import ModerationOptions
from openedai.api.parameters.generation.answer_formats import only_constraint
from openedai.api.parameters.generation.other_servers import Effort
from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.contract.generate import Constraint, JsonObject, JsonSchema
from openedai.errors import invalid_value, missing_parameter
from openedai.http.body import AllowedOnly, Body, Refused, UnsupportedValues

Includable = Literal[
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
]

# Those of them that are found by tools which the server runs.
OF_SERVED: tuple[Includable, ...] = ("file_search_call.results", "web_search_call.action.sources")


class TextOptions(Body):
    format: TextFormat | None = None
    verbosity: Verbosity | None = None

    def constraint(self) -> Constraint | None:
        match self.format:
            case JsonSchemaFormat(schema_=schema):
                return JsonSchema(schema=schema)
            case PlainFormat(type="json_object"):
                return JsonObject()
            case _:
                return None

    def shown(self) -> dict[str, Any]:
        given = self.format
        shown = {"type": "text"} if given is None else given.model_dump(by_alias=True)
        return {"format": shown, "verbosity": self.verbosity or "medium"}


Summary = Literal["auto", "concise", "detailed"]


class ReasoningOptions(Body):
    """`generate_summary` is the older name of `summary`."""

    effort: Effort | None = None
    summary: Summary | None = None
    generate_summary: Summary | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: Annotated[str | None, AllowedOnly(("standard",))] = None


class ConversationId(Body):
    id: str


class StreamOptions(Body):
    include_obfuscation: bool | None = None


class ImageOptions(Body):
    context_compression: Annotated[
        Literal["auto", "enabled", "disabled"] | None, UnsupportedValues("enabled")
    ] = None


class CacheOptions(Body):
    comparison_response_id: str | None = None
    mode: Literal["implicit", "explicit"] | None = None
    prewarm: Annotated[bool | None, AllowedOnly((False,))] = None
    ttl: Literal["30m", "12h"] | None = None


class BackgroundOptions(Body):
    """A background response begins as soon as there is room, whatever the window."""

    completion_window: Literal["soonest", "2h", "8h"] | None = None
    continuation_id: str | None = None


class ContextManagement(Body):
    type: Literal["compaction"]
    compact_threshold: int | None = Field(None, ge=1, le=1 << 31)


Input = Annotated[
    Annotated[str, branch("a string")] | Annotated[list[InputItem], branch("an array")],
    BY_JSON_TYPE,
]


class InputBody(Body):
    """What a request for an answer and one for its number of tokens have in common."""

    parameter_names: ClassVar[Mapping[str, str]] = {
        "messages": "input",
        "reasoning_effort": "reasoning.effort",
        "response_format": "text.format",
        "max_tokens": "max_output_tokens",
    }
    passthrough_fields = frozenset()

    input: Input | None = None
    instructions: str | None = None
    tools: list[ToolParam] | None = Field(None, max_length=MAX_TOOLS)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    previous_response_id: str | None = None
    conversation: (
        Annotated[
            Annotated[str, branch("a string")] | Annotated[ConversationId, branch("an object")],
            BY_JSON_TYPE,
        ]
        | None
    ) = None
    truncation: Literal["auto", "disabled"] | None = None

    def check(self) -> None:
        super().check()
        if self.previous_response_id is not None and self.conversation is not None:
            raise invalid_value(
                "conversation", "it cannot be used together with 'previous_response_id'"
            )
        if self.input is None and self.previous_response_id is None and self.conversation is None:
            raise missing_parameter("input")
        if self.input == []:
            raise invalid_value("input", "it has no items")
        for number, item in enumerate(self.input or ()):
            if isinstance(item, CompactionTrigger) and number < len(self.input or ()) - 1:
                raise invalid_value(f"input[{number}]", "a compaction_trigger is the last item")

    @property
    def conversation_id(self) -> str | None:
        given = self.conversation
        return given.id if isinstance(given, ConversationId) else given

    def items(self) -> Sequence[AnyItem]:
        """The items of the input except a trigger; a text is a user message."""
        if isinstance(self.input, str):
            return [Message(role="user", content=self.input)]
        items = self.input or []
        return items[:-1] if self.compacts else items

    @property
    def compacts(self) -> bool:
        """Whether the conversation is to be compacted instead of answered."""
        given = self.input
        return isinstance(given, list) and bool(given) and isinstance(given[-1], CompactionTrigger)

    def references(self) -> list[str]:
        """The ids of the items that the input refers to."""
        return [item.id for item in self.items() if isinstance(item, ItemReference)]

    @property
    def text_options(self) -> TextOptions:
        return self.text or TextOptions()

    @property
    def reasoning_options(self) -> ReasoningOptions:
        return self.reasoning or ReasoningOptions()


class ResponseRequest(InputBody, ResponseSampling):
    passthrough_fields = ResponseSampling.of_other_servers

    model: str
    include: list[Includable] | None = None
    max_output_tokens: int | None = Field(None, ge=1, le=1 << 31)
    context_management: list[ContextManagement] | None = Field(None, max_length=16)
    max_tool_calls: int | None = Field(None, ge=1, le=1 << 31)
    metadata: Metadata | None = None
    moderation: ModerationOptions | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    store: bool | None = None
    background: bool | None = None
    background_options: BackgroundOptions | None = None

    image: ImageOptions | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: CacheOptions | None = None
    prompt_cache_retention: Retention | None = None
    safety_identifier: str | None = Field(None, max_length=128)
    service_tier: ServiceTier | None = None
    user: str | None = None

    client_metadata: dict[str, Any] | None = None  # of Codex

    access_programs: Refused = None
    prompt: Refused = None

    def check(self) -> None:
        super().check()
        if self.background and self.store is False:
            raise invalid_value("background", "a response in the background is always stored")
        window = self.background_options and self.background_options.completion_window
        if window in ("2h", "8h") and (self.stream or not self.background):
            raise invalid_value(
                "background_options.completion_window",
                f"'{window}' needs 'background', and no 'stream'",
            )
        if self.stream_options is not None and not self.stream:
            raise invalid_value("stream_options", "it is only allowed when 'stream' is true")
        only_constraint(self.constraints(self.text_options.constraint()))

    def engine_names(self) -> Mapping[str, str]:
        names = self.constraint_names(self.text_options.constraint())
        return {**super().engine_names(), **names}

    @property
    def logprobs(self) -> int | None:
        """How many alternatives of each token are requested; None if no log probabilities are."""
        if "message.output_text.logprobs" in (self.include or ()) or self.top_logprobs:
            return self.top_logprobs or 0
        return None

    def options(self) -> Options:
        reasoning = self.reasoning_options
        return Options(
            logprobs=self.logprobs is not None,
            obfuscated=bool(self.stream_options and self.stream_options.include_obfuscation),
            summary=(reasoning.summary or reasoning.generate_summary) is not None,
            sealed="reasoning.encrypted_content" in (self.include or ()),
            sources="web_search_call.action.sources" in (self.include or ()),
            found="file_search_call.results" in (self.include or ()),
            outputs="code_interpreter_call.outputs" in (self.include or ()),
        )

    def left_out(self) -> list[str]:
        """The data that the items of the server's tools have but do not show."""
        return [name for name in OF_SERVED if name not in (self.include or ())]

    def shown_tools(self) -> list[dict[str, Any]]:
        return [_shown(tool) for tool in self.tools or ()]

    def shown_choice(self) -> Any:
        choice = self.tool_choice
        if choice is None or isinstance(choice, str):
            return choice or "auto"
        return choice.model_dump(exclude_unset=True)

    def shown_reasoning(self) -> dict[str, Any]:
        given = self.reasoning_options
        return {"effort": given.effort, "summary": given.summary or given.generate_summary}


def _shown(tool: AnyTool) -> dict[str, Any]:
    """A tool as it was sent; a function with all its main fields."""
    sent = tool.model_dump(exclude_unset=True, by_alias=True)
    if isinstance(tool, McpServerTool):
        return {**sent, "server_url": tool.shown_url()}
    if tool.type != "function":
        return sent
    return {"description": None, "parameters": None, "strict": None, **sent}


def tools_in(items: Sequence[tuple[str, AnyItem]]) -> list[tuple[str, AnyTool]]:
    """The tools that items add, with their paths."""
    return [
        (f"{path}.tools[{index}]", tool)
        for path, item in items
        if isinstance(item, ToolSearchOutput | AdditionalTools)
        for index, tool in enumerate(item.tools)
    ]


class CompactRequest(InputBody):
    """The conversation to compact, without the parameters of an answer."""

    model: str
    image: ImageOptions | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: CacheOptions | None = None
    prompt_cache_retention: Retention | None = None
    service_tier: ServiceTier | None = None


class InputTokensRequest(InputBody):
    """`personality` would change the prompt of the official models."""

    model: str
    personality: Refused = None
