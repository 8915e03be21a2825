"""Turns the body of a request into a request to the engine, and into the beginning of the
response.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import UNSET

from openedai.api.openai.responses.approvals import approved_calls
from openedai.api.openai.responses.choices import choose
from openedai.api.openai.responses.history import History
from openedai.api.openai.responses.input.conversation import engine_messages, known_parts
from openedai.api.openai.responses.input.formats import ConfigurationUpdate
from openedai.api.openai.responses.input.items import AnyItem, ItemReference
from openedai.api.openai.responses.input.media import (
    Located,
    Media,
    file_refs,
    image_refs,
    sound_refs,
)
from openedai.api.openai.responses.output.builder import ResponseBuilder
from openedai.api.openai.responses.output.objects import ConversationRef, Response
from openedai.api.openai.responses.served.code import CodePlacing
from openedai.api.openai.responses.served.mcp import callable_tool, known_list
from openedai.api.openai.responses.tools import CallableTools, callable_tools, refused_tool
from openedai.api.openai.responses.types import InputBody, ResponseRequest, tools_in
from openedai.api.parameters.ids import new_id
from openedai.contract.chat import Chat
from openedai.contract.generate import Finish, GenerateRequest
from openedai.engines.registry import engine_entry, generator_traits
from openedai.errors import invalid_value
from openedai.http.body import WARNING_HEADER
from openedai.serving.audio.hearing import Hearing
from openedai.serving.call import Call
from openedai.serving.files.loading import FileLoading
from openedai.serving.images.loading import ImageLoading

_CODE = "code_interpreter"

InputT = TypeVar("InputT", bound=InputBody)


@dataclass(frozen=True)
class Prepared:
    """What is generated for a call. `located` are all items, those before the input included, with
    their paths.

    With `finish` nothing is generated: the output is complete, and this is its last event.
    """

    request: GenerateRequest
    chat: Chat
    located: Sequence[Located]
    media: Media
    tools: CallableTools
    builder: ResponseBuilder
    finish: Finish | None = None

    @property
    def items(self) -> list[AnyItem]:
        return [item for _, item in self.located]


class Preparation:
    """`served_tools` are the types of the tools that this server runs. With `refuses_tools`, others
    that the official API runs itself are refused; otherwise they are left out beside others.
    """

    def __init__(
        self,
        files: FileLoading,
        images: ImageLoading,
        hearing: Hearing,
        history: History,
        *,
        served_tools: frozenset[str],
        code: CodePlacing,
        refuses_tools: bool,
    ) -> None:
        self._served_tools = served_tools
        self._code = code
        self._files = files
        self._images = images
        self._hearing = hearing
        self._history = history
        self._refuses_tools = refuses_tools

    async def prepare(
        self, call: Call[ResponseRequest], history: History | None = None
    ) -> Prepared:
        """`history` has the earlier responses, if they are not where all others are. Raises
        InvalidRequest.
        """
        items = await self._items(call, history or self._history)
        call = dataclasses.replace(call, body=configured(call.body, items))
        tools = await self._tools(call, items)
        tools = await self._code.place(call.exchange.owner, tools, items)
        approved_calls(items, tools)  # raises if they are not valid
        media = await self._media(call, items)
        chat = engine_chat(call.body, items, tools, media, call.body.template_arguments())
        request = engine_request(call.body, chat)
        builder = ResponseBuilder(begun(call), tools, call.body.options())
        builder.know(known_parts(items))
        return Prepared(request, chat, items, media, tools, builder)

    async def chat(self, call: Call[InputBody]) -> Chat:
        """The conversation of a body, for its number of tokens. Raises InvalidRequest."""
        items, media = await self.input(call)
        body = configured(call.body, items)
        return engine_chat(body, items, await self._tools(call, items), media)

    async def input(self, call: Call[InputBody]) -> tuple[list[Located], Media]:
        """The items of a body with everything that came before them, and their files."""
        items = await self._items(call, self._history)
        return items, await self._media(call, items)

    async def _items(self, call: Call[InputBody], history: History) -> list[Located]:
        """All items: the earlier ones, then those of the input."""
        body, exchange, earlier = call.body, call.exchange, list[AnyItem]()
        if body.previous_response_id is not None:
            earlier += await history.of_response(exchange, body.previous_response_id)
        if (conversation := body.conversation_id) is not None:
            earlier += await history.of_conversation(exchange, conversation)
        located: list[Located] = [(f"history[{n}]", item) for n, item in enumerate(earlier)]
        ids = body.references()
        named = await history.items(exchange, ids) if ids else {}
        for number, item in enumerate(body.items()):
            found = named[item.id] if isinstance(item, ItemReference) else item
            located.append((f"input[{number}]", found))
        if not located:
            raise invalid_value("input", "neither it nor the conversation has items")
        return located

    async def _tools(self, call: Call[InputBody], items: Sequence[Located]) -> CallableTools:
        """The tools, including those of MCP servers that earlier items list. A header of the answer
        names those that were left out.
        """
        entry = engine_entry(call.spec.engine)
        given, found = call.body.tools or (), tools_in(items)
        served, reason = self._served_tools, None
        if any(tool.type == _CODE for tool in (*given, *(tool for _, tool in found))):
            reason = await self._code.unavailable()
            served = served if reason is None else served - {_CODE}
        tools = callable_tools(
            given, found, strict=not entry.passes_unknown_parameters, served=served
        )
        if tools.left_out and (self._refuses_tools or not (tools.tools or tools.servers)):
            index = next(
                n for n, tool in enumerate(call.body.tools or ()) if tool.type == tools.left_out[0]
            )
            type = tools.left_out[0]
            raise refused_tool(type, f"tools[{index}].type", reason if type == _CODE else None)
        if tools.left_out:
            warning = (
                f"tools that this server does not run were left out: {', '.join(tools.left_out)}"
            )
            if _CODE in tools.left_out:
                warning = f"{warning} ({reason})"
            before = call.headers.get(WARNING_HEADER)
            call.headers[WARNING_HEADER] = warning if before is None else f"{before}; {warning}"
        listed = [
            callable_tool(server, path, one)
            for path, server in tools.servers
            for one in known_list(items, server) or ()
        ]
        return tools.with_tools(listed) if listed else tools

    async def _media(self, call: Call[InputBody], items: Sequence[Located]) -> Media:
        files = await self._files.load(call.exchange.owner, list(file_refs(items)))
        return Media(
            await self._images.load(call, [*image_refs(items), *files.images]),
            await self._hearing.transcripts(call, list(sound_refs(items))),
            files.texts,
        )


def configured(body: InputT, items: Sequence[Located]) -> InputT:
    """The body, with the last settings that items give where it has none of its own."""
    updates = [item for _, item in items if isinstance(item, ConfigurationUpdate)]
    efforts = [one.reasoning.effort for one in updates if one.reasoning is not None]
    formats = [one.text.format for one in updates if one.text is not None]
    changed: dict[str, Any] = {}
    if efforts and body.reasoning_options.effort is None:
        options = body.reasoning_options.model_copy(update={"effort": efforts[-1]})
        changed["reasoning"] = options
    if formats and body.text_options.format is None:
        changed["text"] = body.text_options.model_copy(update={"format": formats[-1]})
    return body.model_copy(update=changed) if changed else body


def engine_chat(
    body: InputBody,
    items: Sequence[Located],
    tools: CallableTools,
    media: Media,
    template_arguments: dict[str, Any] | None = None,
) -> Chat:
    """The conversation for the model. Raises InvalidRequest."""
    chosen = choose(tools, body.tool_choice, body.parallel_tool_calls)
    reasoning = body.reasoning_options
    return Chat(
        messages=engine_messages(
            items,
            media,
            body.instructions,
            earlier_reasoning=reasoning.context != "current_turn",
        ),
        tools=chosen.tools,
        call_required=chosen.required,
        parallel_calls=chosen.parallel,
        reasoning_effort=reasoning.effort,
        template_arguments=template_arguments or {},
    )


def engine_request(body: ResponseRequest, chat: Chat) -> GenerateRequest:
    return GenerateRequest(
        prompt=chat,
        sampling=body.sampling(),
        max_tokens=body.max_output_tokens,
        stop=body.stops(),
        ending=body.ending(),
        constraint=body.constraint(body.text_options.constraint()),
        logprobs=body.logprobs,
        extra=body.extra,
        streamed=bool(body.stream),
    )


def begun(call: Call[ResponseRequest]) -> Response:
    """The response to a call before it has any output."""
    body, conversation = call.body, call.body.conversation_id
    traits = generator_traits(call.spec.engine, call.spec.options)
    defaults = {} if traits is None else traits.sampling
    return Response(
        id=new_id("resp_", 48),
        created_at=int(time.time()),
        status="queued",
        background=bool(body.background),
        instructions=body.instructions,
        max_output_tokens=body.max_output_tokens,
        max_tool_calls=body.max_tool_calls,
        model=call.model.id,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        previous_response_id=body.previous_response_id,
        prompt_cache_key=body.prompt_cache_key,
        prompt_cache_retention=body.prompt_cache_retention,
        reasoning=body.shown_reasoning(),
        safety_identifier=body.safety_identifier,
        store=body.store is not False,
        temperature=_given(body.temperature, defaults.get("temperature", 1.0)),
        text=body.text_options.shown(),
        tool_choice=body.shown_choice(),
        tools=body.shown_tools(),
        top_logprobs=body.top_logprobs or 0,
        top_p=_given(body.top_p, defaults.get("top_p", 1.0)),
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        truncation=body.truncation or "disabled",
        user=body.user,
        metadata=body.metadata or {},
        conversation=UNSET if conversation is None else ConversationRef(conversation),
    )


def _given(value: float | None, default: float) -> float:
    return default if value is None else value
