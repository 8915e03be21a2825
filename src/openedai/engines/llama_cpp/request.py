"""A request of the contract as llama.cpp's own: prompt, grammar, and the reader of the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from openedai.contract.chat import Chat
from openedai.contract.generate import GenerateRequest, Text, Tokens
from openedai.engines.llama_cpp.images import ImagePrompt
from openedai.engines.llama_cpp.infill import Infill
from openedai.engines.llama_cpp.options import LlamaOptions
from openedai.engines.llama_cpp.sampling import sampling_body
from openedai.engines.llama_cpp.server.api import LlamaApi
from openedai.engines.llama_cpp.template import ChatTemplate, Properties, Rendered
from openedai.errors import ContextLengthExceeded, InvalidRequest, Unsupported
from openedai.prompts.constraints import answer_grammar, strict_grammar
from openedai.prompts.reading.answer import AnswerReader, ChatReader
from openedai.prompts.reading.reasoning import REASONING_TAGS
from openedai.prompts.reading.tool_calls import CALL_OPENINGS
from openedai.prompts.tool_call_formats import strict_call_trigger

_PATTERN = 2  # llama.cpp's number for a trigger that is a regular expression
# Tokens that models have for these, and that llama.cpp leaves out of the text by default.
_MARKERS = [
    *REASONING_TAGS,
    *REASONING_TAGS.values(),
    *CALL_OPENINGS,
    "[ARGS]",
    "<｜tool▁sep｜>",
    "<｜tool▁call▁end｜>",
]


@dataclass(frozen=True)
class PreparedRequest:
    """The `body` for the server and the reader of its answer. Errors name `param`.

    `prompt_tokens` are set where the prompt is part of the answer. The first `hidden` of them
    are special tokens without a text.
    """

    body: dict[str, Any]
    reader: AnswerReader
    param: str = "prompt"
    alternatives: int = 0
    prompt_tokens: list[int] = field(default_factory=list)
    hidden: int = 0


class RequestBuilder:
    """Makes requests for one model, checked against its vocabulary, context and template.

    `format_stops` are the stop texts of the prompt format that replaces a missing chat template;
    None where the model has its own template. `vocabulary` is the number of tokens.
    """

    def __init__(
        self,
        model: str,
        api: LlamaApi,
        properties: Properties,
        options: LlamaOptions,
        *,
        vocabulary: int,
        format_stops: tuple[str, ...] | None,
    ) -> None:
        self.vocabulary = vocabulary
        self._api = api
        self._context = properties.default_generation_settings.n_ctx
        self._bos = properties.bos_token
        self._defaults = options.sampling
        self.format_stops = format_stops
        self._template = ChatTemplate(model, api, properties)
        self._infill = Infill(model, api)
        self._images = ImagePrompt(model, properties)
        self._adapters = options.adapters

    def adapter_scales(self, variant: str | None) -> dict[str, Any]:
        """The field of a body that applies one adapter or none. Each adapter must be listed: the
        others would keep the scale that they were loaded with.
        """
        scales = [
            {"id": number, "scale": adapter.scale if adapter.name == variant else 0.0}
            for number, adapter in enumerate(self._adapters)
        ]
        return {"lora": scales} if scales else {}

    async def build(self, request: GenerateRequest) -> PreparedRequest:
        """Raises InvalidRequest and Unsupported for what the model cannot do."""
        body = self._settings(request)
        if isinstance(request.prompt, Chat):
            return await self._build_chat(request, request.prompt, body)
        if grammar := answer_grammar(request.constraint):
            body["grammar"] = grammar
        prompt_tokens: list[int] = []
        hidden = 0
        if request.echo:
            prompt_tokens, hidden = await self._prompt_tokens(request.prompt)
        body["prompt"] = prompt_tokens or await self._raw_prompt(request)
        return PreparedRequest(
            body,
            AnswerReader(request.stop),
            alternatives=request.logprobs or 0,
            prompt_tokens=prompt_tokens,
            hidden=hidden,
        )

    async def count(self, chat: Chat) -> int:
        """The number of tokens of the conversation as a prompt.

        Raises Unsupported for images, whose tokens llama.cpp counts only while it reads them.
        """
        if any(message.images for message in chat.messages):
            raise Unsupported(
                "The tokens of images cannot be counted beforehand.",
                code="unsupported_value",
                param="messages",
            )
        rendered = await self._template.render(chat)
        return len(await self._api.tokenize(rendered.prompt))

    async def _build_chat(
        self, request: GenerateRequest, chat: Chat, body: dict[str, Any]
    ) -> PreparedRequest:
        chat, images = self._images.insert_markers(chat)
        rendered = await self._template.render(chat)
        body["prompt"] = self._images.attach(rendered.prompt, images)
        body["preserved_tokens"] = _MARKERS
        body |= self._grammar(request, chat, rendered)
        reader = ChatReader(
            chat,
            request.stop,
            model_stops=self.format_stops or (),
            reasoning_open=rendered.reasoning_open,
            strip=self.format_stops is not None,
        )
        return PreparedRequest(body, reader, param="messages", alternatives=request.logprobs or 0)

    def _grammar(self, request: GenerateRequest, chat: Chat, rendered: Rendered) -> dict[str, Any]:
        """The fields that constrain the whole answer, or only the arguments of strict tools."""
        reasoning = "maybe" if self._template.reasons else None
        whole = answer_grammar(
            request.constraint,
            chat.tools,
            required=chat.call_required,
            parallel=chat.parallel_calls,
            tool_call_format=rendered.tool_call_format,
            reasoning="open" if rendered.reasoning_open else reasoning,
        )
        if whole is not None:
            return {"grammar": whole}
        strict = [tool for tool in chat.tools if tool.strict]
        if not strict:
            return {}
        return {
            "grammar": strict_grammar(strict, parallel=chat.parallel_calls),
            "grammar_lazy": True,
            "grammar_triggers": [{"type": _PATTERN, "value": strict_call_trigger(strict)}],
        }

    def _settings(self, request: GenerateRequest) -> dict[str, Any]:
        values = sampling_body(
            request.sampling, self._defaults, context=self._context, vocabulary=self.vocabulary
        )
        values["n_predict"] = -1 if request.max_tokens is None else request.max_tokens
        if request.logprobs is not None:
            values["n_probs"] = max(1, request.logprobs)
        return values | self.adapter_scales(request.variant)

    async def _raw_prompt(self, request: GenerateRequest) -> str | list[int]:
        match request.prompt:
            case Tokens(ids=ids):
                return list(ids)
            case Text(text=text) if request.suffix is not None:
                return await self._infill.prompt(text, request.suffix)
            case Text(text=text) if text:
                return text
            case _:
                return await self._empty_prompt()

    async def _prompt_tokens(self, prompt: Chat | Text | Tokens) -> tuple[list[int], int]:
        """The prompt's tokens, and how many of the first ones have no text."""
        match prompt:
            case Text(text=text):
                ids = await self._api.tokenize(text)
                hidden = len(await self._api.tokenize(""))
            case Tokens(ids=given):
                ids, hidden = list(given), 0
            case _:
                raise InvalidRequest("A conversation cannot be echoed.", param="messages")
        if len(ids) >= self._context:
            raise ContextLengthExceeded.by_tokens(self._context, len(ids), param="prompt")
        return ids, hidden

    async def _empty_prompt(self) -> list[int]:
        """llama.cpp needs at least one token: the one that texts begin with."""
        ids = await self._api.tokenize("")
        return ids or await self._api.tokenize(self._bos, start=False)
