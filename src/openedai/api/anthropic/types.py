"""The bodies of `POST /v1/messages` and `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from openedai.api.anthropic.blocks import CacheControl, Texts
from openedai.api.anthropic.conversation import MessageParam, conversation, image_refs
from openedai.api.anthropic.tools import MAX_TOOLS, ToolChoice, ToolParam, toolset
from openedai.api.parameters.generation.sampling import LocalSamplingBody
from openedai.api.parameters.numbers import MAX_INT
from openedai.contract.chat import Chat
from openedai.contract.generate import Constraint, GenerateRequest, JsonSchema, Sampling
from openedai.errors import InvalidRequest, missing_parameter
from openedai.http.body import AllowedOnly, Body, Refused, UnsupportedValues
from openedai.media.images import ImageRef
from openedai.serving.images.loading import LoadedImages

# The smallest budget of thinking tokens for each effort. Budgets are not enforced.
_EFFORTS = ((16_384, "high"), (4_096, "medium"), (0, "low"))

# What clients send to keep all thinking; it is never removed here.
_KEEP_THINKING = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}


class BlockBinding(Body):
    prefix_mismatch_behavior: Literal["error", "drop_block"] | None = None


class TaskBudget(Body):
    type: Literal["tokens"]
    total: int = Field(ge=0, le=MAX_INT)
    remaining: int | None = Field(None, ge=0, le=MAX_INT)


class Thinking(Body):
    """Thinking is not bound to a conversation, so `block_binding` has no effect."""

    type: Annotated[
        Literal["enabled", "disabled", "adaptive", "between_tools"],
        UnsupportedValues("between_tools"),
    ]
    budget_tokens: int | None = Field(None, ge=1024, le=MAX_INT)
    display: Annotated[
        Literal["summarized", "omitted", "updates"] | None, UnsupportedValues("updates")
    ] = None
    block_binding: BlockBinding | None = None


class JsonFormat(Body):
    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(Body):
    """Models are not told about a `task_budget`, so it has no effect."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None
    task_budget: TaskBudget | None = None


class Metadata(Body):
    user_id: str | None = None


class ConversationBody(Body):
    """A conversation, to be answered or counted."""

    parameter_names: ClassVar[Mapping[str, str]] = {
        "reasoning_effort": "thinking",
        "response_format": "output_config.format",
    }

    model: str
    messages: list[MessageParam] = Field(min_length=1)
    system: Texts | None = None
    tools: list[ToolParam] | None = Field(None, max_length=MAX_TOOLS)
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None

    cache_control: CacheControl | None = None

    context_management: Annotated[
        dict[str, Any] | None, AllowedOnly(({}, {"edits": []}, _KEEP_THINKING))
    ] = None
    mcp_servers: Annotated[list[Any] | None, AllowedOnly(([],))] = None
    speed: Annotated[str | None, AllowedOnly(("standard",))] = None
    thread: Refused = None

    def check(self) -> None:
        """Raise InvalidRequest for fields that are not valid together."""
        thinking = self.thinking
        if thinking is None or (thinking.type == "enabled") == bool(thinking.budget_tokens):
            return
        if thinking.budget_tokens is None:
            raise missing_parameter("thinking.budget_tokens")
        raise InvalidRequest(
            "'thinking.budget_tokens' is only allowed with the type 'enabled'.",
            code="invalid_value",
            param="thinking.budget_tokens",
        )

    def image_refs(self) -> list[ImageRef]:
        """The images of all messages, in order."""
        return image_refs(self.messages)

    def chat(self, images: LoadedImages) -> Chat:
        """Raises InvalidRequest."""
        available = toolset(self.tools or (), self.tool_choice)
        effort = self._effort()
        thinking_is_set = self.thinking is not None and self.thinking.type != "adaptive"
        return Chat(
            messages=conversation(self.system, self.messages, images),
            tools=available.tools,
            call_required=available.required,
            parallel_calls=available.parallel,
            reasoning_effort=effort,
            effort_optional=effort is not None and not thinking_is_set,
        )

    def _effort(self) -> str | None:
        """Adaptive thinking is what models do by default."""
        thinking = self.thinking
        if thinking is not None and thinking.type == "disabled":
            return "none"
        effort = None if self.output_config is None else self.output_config.effort
        if effort is not None or thinking is None or thinking.budget_tokens is None:
            return effort
        budget = thinking.budget_tokens
        return next(name for least, name in _EFFORTS if budget >= least)


class CountTokensRequest(ConversationBody):
    pass


class MessagesRequest(ConversationBody, LocalSamplingBody):
    """The newest clients no longer send `temperature`, `top_p` and `top_k`; all others do."""

    max_tokens: int = Field(ge=1, le=MAX_INT)
    stop_sequences: list[Annotated[str, Field(min_length=1)]] | None = Field(None, max_length=64)
    stream: bool | None = None
    temperature: float | None = Field(None, ge=0, le=1)
    top_p: float | None = Field(None, ge=0, le=1)

    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None

    billing_policy: Refused = None
    compaction: Refused = None
    container: Refused = None
    diagnostics: Refused = None
    fallback_credit_token: Refused = None
    fallbacks: Refused = None
    inference_geo: Refused = None

    @property
    def shows_thinking(self) -> bool:
        return self.thinking is None or self.thinking.display != "omitted"

    def check(self) -> None:
        super().check()
        budget = None if self.thinking is None else self.thinking.budget_tokens
        if budget is not None and budget >= self.max_tokens:
            raise InvalidRequest(
                "'thinking.budget_tokens' must be less than 'max_tokens'.",
                code="invalid_value",
                param="thinking.budget_tokens",
            )

    def to_engine_request(self, images: LoadedImages) -> GenerateRequest:
        """Raises InvalidRequest."""
        return GenerateRequest(
            prompt=self.chat(images),
            sampling=Sampling(
                temperature=self.temperature, top_p=self.top_p, local=self.local_sampling()
            ),
            max_tokens=self.max_tokens,
            stop=tuple(self.stop_sequences or ()),
            constraint=self._constraint(),
            reports_start=bool(self.stream),
            streamed=bool(self.stream),
        )

    def _constraint(self) -> Constraint | None:
        format = None if self.output_config is None else self.output_config.format
        return None if format is None else JsonSchema(schema=format.schema_)
