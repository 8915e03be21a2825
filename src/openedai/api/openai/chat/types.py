"""The body of `POST /v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from openedai.api.openai.chat.audio import AudioOutput
from openedai.api.openai.chat.messages import ChatMessage, Media, TextPart, check_messages
from openedai.api.openai.chat.tools import (
    MAX_TOOLS,
    AnyTool,
    CustomTool,
    FunctionChoice,
    OldFunction,
    ToolChoice,
    old_toolset,
    toolset,
)
from openedai.api.parameters.chats.labels import Metadata, Retention, Verbosity
from openedai.api.parameters.chats.moderation import ModerationOptions
from openedai.api.parameters.generation.answer_formats import TextFormat
from openedai.api.parameters.generation.other_servers import Effort, Limit, OtherServersChatBody
from openedai.api.parameters.generation.sampling import SamplingBody, stop_texts
from openedai.api.parameters.generation.tools import Toolset
from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.contract.chat import Chat
from openedai.contract.generate import GenerateRequest
from openedai.errors import InvalidRequest, Unsupported, invalid_value, missing_parameter
from openedai.http.body import Body, Refused
from openedai.media.images import ImageRef
from openedai.serving.audio.hearing import SoundRef
from openedai.serving.files.loading import FileRef


class Prediction(Body):
    type: Literal["content"]
    content: Annotated[
        Annotated[str, branch("a string")]
        | Annotated[list[TextPart], Field(min_length=1), branch("an array")],
        BY_JSON_TYPE,
    ]


class CacheOptions(Body):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m"] | None = None


class ChatCompletionRequest(SamplingBody, OtherServersChatBody):
    """A limit of -1 means no limit, as on other servers."""

    passthrough_fields = SamplingBody.passthrough_fields | {
        *OtherServersChatBody.model_fields,
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "verbosity",
        "web_search_options",
    }
    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: Limit = None
    max_completion_tokens: Limit = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: list[AnyTool] | None = Field(None, max_length=MAX_TOOLS)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[OldFunction] | None = Field(None, max_length=MAX_TOOLS)
    function_call: FunctionChoice | None = None
    reasoning_effort: Effort | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    modalities: list[Literal["text", "audio"]] | None = Field(None, min_length=1)
    audio: AudioOutput | None = None
    moderation: ModerationOptions | None = None

    store: bool | None = None
    metadata: Metadata | None = None
    prediction: Prediction | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: CacheOptions | None = None
    prompt_cache_retention: Retention | None = None
    safety_identifier: str | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    verbosity: Verbosity | None = None

    web_search_options: Refused = None

    @property
    def custom_names(self) -> frozenset[str]:
        """The names of the custom tools."""
        return frozenset(tool.name for tool in self.tools or () if isinstance(tool, CustomTool))

    @property
    def old_functions(self) -> bool:
        """Whether the answer has `function_call` instead of `tool_calls`."""
        return bool(self.functions)

    def check(self) -> None:
        super().check()
        check_messages(self.messages)
        self._check_audio()
        self._check_other_servers()
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise InvalidRequest(
                "'max_tokens' and 'max_completion_tokens' cannot both be set: the second is "
                "the newer name of the first.",
                code="invalid_value",
                param="max_tokens",
            )
        if self.top_logprobs is not None and not self.logprobs:
            raise InvalidRequest(
                "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
                code="invalid_value",
                param="top_logprobs",
            )
        if self.tools and self.functions:
            raise InvalidRequest(
                "'tools' and 'functions' cannot both be set: the first is the newer name of the "
                "second.",
                code="invalid_value",
                param="functions",
            )

    def _check_other_servers(self) -> None:
        """Checks the parameters of other servers next to those of the official API."""
        theirs = self.their_effort()
        if theirs is not None and self.reasoning_effort is not None:
            raise invalid_value(theirs[0], "'reasoning_effort' is set too")
        if self.n_predict is not None and (self.max_tokens or self.max_completion_tokens):
            raise invalid_value("n_predict", "it is another name of 'max_tokens', which is set too")
        if self.continues is None:
            return
        if self.add_generation_prompt:
            raise invalid_value(self.continues, "'add_generation_prompt' is set too")
        if self.messages[-1].tool_calls or self.messages[-1].function_call:
            raise invalid_value(self.continues, "the last message has tool calls")

    def _check_audio(self) -> None:
        if "audio" not in (self.modalities or ()):
            if self.audio is not None:
                raise invalid_value("audio", "'modalities' does not contain 'audio'")
            return
        if self.audio is None:
            raise missing_parameter("audio")
        if self.stream and self.audio.format != "pcm16":
            raise Unsupported(
                f"Unsupported value: 'audio.format' does not support '{self.audio.format}' when "
                "'stream' is true. Supported values are: 'pcm16'.",
                code="unsupported_value",
                param="audio.format",
            )
        if not isinstance(self.response_format, TextFormat | None):
            raise invalid_value("response_format", "a spoken answer is plain text")

    def file_refs(self) -> list[FileRef]:
        """The files of the conversation, in order."""
        refs = (message.file_refs(number) for number, message in enumerate(self.messages))
        return [ref for message in refs for ref in message]

    def messages_json(self) -> str:
        """The messages as they were sent, in JSON."""
        fields = self.model_dump(include={"messages"}, exclude_unset=True, by_alias=True)
        return msgspec.json.encode(fields["messages"]).decode()

    def sound_refs(self) -> list[SoundRef]:
        """The sounds of all messages, in order."""
        refs = (message.sound_refs(number) for number, message in enumerate(self.messages))
        return [ref for message in refs for ref in message]

    def image_refs(self) -> list[ImageRef]:
        """The images of all messages, in order."""
        return [
            ref
            for number, message in enumerate(self.messages)
            for ref in message.image_refs(number)
        ]

    def conversation(self, media: Media) -> str:
        """The texts of all messages, for moderation."""
        messages = (m.to_engine(number, media) for number, m in enumerate(self.messages))
        return "\n".join(message.content for message in messages)

    @property
    def limit(self) -> int | None:
        """The most tokens of the answer."""
        given = self.max_tokens or self.max_completion_tokens or self.n_predict
        return None if given == -1 else given

    def engine_names(self) -> Mapping[str, str]:
        names = dict(super().engine_names())
        if (theirs := self.their_effort()) is not None:
            names["reasoning_effort"] = theirs[0]
        if self.continues is not None:
            names["continue_final_message"] = self.continues
        return names

    def to_engine_requests(self, media: Media) -> list[GenerateRequest]:
        """One generation for each choice. Raises InvalidRequest."""
        constraint = self.constraint()
        prompt = self._chat(media)
        return [
            GenerateRequest(
                prompt=prompt,
                sampling=self.sampling(choice),
                max_tokens=self.limit,
                stop=stop_texts(self.stop),
                ending=self.ending(),
                prompt_limit=self.prompt_limit(self.limit),
                constraint=constraint,
                logprobs=(self.top_logprobs or 0) if self.logprobs else None,
                prompt_logprobs=None if choice else self.prompt_logprobs,
                extra=self.extra,
                reports_start=self.options.is_continuous,
                streamed=bool(self.stream),
            )
            for choice in range(self.n or 1)
        ]

    def _chat(self, media: Media) -> Chat:
        available, theirs = self._toolset(), self.their_effort()
        messages = (m.to_engine(number, media) for number, m in enumerate(self.messages))
        return Chat(
            messages=tuple(messages),
            tools=available.tools,
            call_required=available.required,
            parallel_calls=available.parallel,
            reasoning_effort=theirs[1] if theirs else self.reasoning_effort,
            continue_last=self.continues is not None,
            invite_answer=self.add_generation_prompt is not False,
            template_arguments=self.template_variables() | (self.chat_template_kwargs or {}),
        )

    def _toolset(self) -> Toolset:
        if self.functions:
            return old_toolset(self.functions, self.function_call)
        if self.function_call is not None:
            return old_toolset((), self.function_call)
        return toolset(self.tools or (), self.tool_choice, self.parallel_tool_calls)
