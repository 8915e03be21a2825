"""Turns a request of the contract into the JSON that servers with the OpenAI API take."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from openedai.contract.chat import Chat, Message, Tool
from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import (
    Constraint,
    GenerateRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Regex,
    Sampling,
    Text,
    Tokens,
)
from openedai.engines.messages import message_fields
from openedai.engines.remote.connection import RemoteRequest
from openedai.engines.upstream.servers import Fields, ServerProfile
from openedai.errors import InvalidRequest, invalid_value
from openedai.prompts.constraints import regex_grammar


def generation_request(
    request: GenerateRequest, model: str, profile: ServerProfile
) -> RemoteRequest:
    """The request for a generation by `model`, the upstream's name.

    Raises Unsupported for what the server does not support, and InvalidRequest.
    """
    fields: Fields = {"model": model, "stream": True, "stream_options": {"include_usage": True}}
    fields |= _sampling(request.sampling, profile)
    _refuse_extensions(request, profile)
    if request.stop:
        fields["stop"] = list(request.stop)
    if isinstance(request.prompt, Chat):
        fields |= _chat(request, request.prompt, profile)
        return RemoteRequest("chat/completions", with_extra(fields, request.extra), "messages")
    fields |= _text(request, request.prompt, profile)
    return RemoteRequest("completions", with_extra(fields, request.extra), "prompt")


def embedding_request(request: EmbedRequest, model: str) -> RemoteRequest:
    """The request for embeddings by `model`, the upstream's name. Raises InvalidRequest."""
    inputs = [item.text if isinstance(item, Text) else list(item.ids) for item in request.inputs]
    if len({type(item) for item in inputs}) > 1:
        raise invalid_value("input", "texts and tokens cannot be mixed")
    fields: Fields = {"model": model, "input": inputs, "encoding_format": "base64"}
    if request.dimensions is not None:
        fields["dimensions"] = request.dimensions
    if request.input_type is not None:
        fields["input_type"] = request.input_type
    return RemoteRequest("embeddings", with_extra(fields, request.extra), "input")


def with_extra(fields: Fields, extra: Fields) -> Fields:
    """Add the parameters that are passed on unchanged. Raises InvalidRequest for one set twice."""
    for name in extra:
        if name in fields:
            raise invalid_value(name, "another parameter of the request states the same")
    return {**fields, **extra}


def _sampling(sampling: Sampling, profile: ServerProfile) -> Fields:
    fields: Fields = {}
    for name in ("temperature", "top_p", "seed"):
        if (value := getattr(sampling, name)) is not None:
            fields[name] = value
    for name in ("presence_penalty", "frequency_penalty"):
        if value := getattr(sampling, name):
            fields[name] = value
    if sampling.logit_bias:
        profile.require("logit_bias")
        fields["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
    return fields | profile.local_sampling(sampling.local)


def _refuse_extensions(request: GenerateRequest, profile: ServerProfile) -> None:
    """Raise Unsupported for what only engines on this machine support."""
    ending = request.ending
    given = {
        "min_tokens": ending.min_tokens,
        "ignore_eos": ending.ignore_end,
        "stop_token_ids": ending.stop_tokens,
        "include_stop_str_in_output": ending.keep_stop,
        "truncate_prompt_tokens": request.prompt_limit is not None,
        "prompt_logprobs": request.prompt_logprobs is not None,
    }
    if isinstance(request.prompt, Chat):
        given["continue_final_message"] = request.prompt.continue_last
        given["add_generation_prompt"] = not request.prompt.invite_answer
    for name, value in given.items():
        if value:
            raise profile.unsupported(name)


def _chat(request: GenerateRequest, chat: Chat, profile: ServerProfile) -> Fields:
    fields: Fields = {"messages": list(_messages(chat.messages, profile))}
    if request.echo or request.suffix is not None:
        raise InvalidRequest("A conversation has no `echo` and no `suffix`.", param="messages")
    if request.max_tokens is not None:
        fields[profile.max_tokens] = request.max_tokens
    if request.logprobs is not None:
        fields["logprobs"] = True
        if request.logprobs:
            fields["top_logprobs"] = request.logprobs
    fields |= _tools(chat, profile)
    if chat.template_arguments:
        profile.require("chat_template_kwargs")
        fields["chat_template_kwargs"] = dict(chat.template_arguments)
    if chat.reasoning_effort is not None:
        profile.require("reasoning_effort")
        effort = profile.effort_fields(chat.reasoning_effort)
        if "chat_template_kwargs" in effort:
            given = fields.get("chat_template_kwargs", {})
            effort = {"chat_template_kwargs": effort["chat_template_kwargs"] | given}
        fields |= effort
    # If calls are required, the answer has no text to constrain.
    if request.constraint is not None and not chat.call_required:
        fields |= _constraint(request.constraint, profile, chat=True)
    return fields


def _text(request: GenerateRequest, prompt: Text | Tokens, profile: ServerProfile) -> Fields:
    if isinstance(prompt, Tokens):
        profile.require("prompt")
    fields: Fields = {"prompt": prompt.text if isinstance(prompt, Text) else list(prompt.ids)}
    if request.max_tokens is not None:
        fields["max_tokens"] = request.max_tokens
    elif profile.no_limit is None:
        raise InvalidRequest(
            "Missing required parameter: 'max_tokens', without which the upstream of this model "
            "ends its answers after a few words.",
            code="missing_required_parameter",
            param="max_tokens",
        )
    else:
        fields |= profile.no_limit
    if request.echo:
        profile.require("echo")
        fields["echo"] = True
    if request.suffix is not None:
        profile.require("suffix")
        fields["suffix"] = request.suffix
    if request.logprobs is not None:
        # Some servers take 0 as none; a surplus alternative is left out of the answer.
        fields["logprobs"] = max(1, request.logprobs)
    if request.constraint is not None:
        fields |= _constraint(request.constraint, profile, chat=False)
    return fields


def _constraint(constraint: Constraint, profile: ServerProfile, *, chat: bool) -> Fields:
    match constraint:
        case JsonObject() | JsonSchema() if (
            "chat" if chat else "text"
        ) in profile.response_formats:
            return {"response_format": _format(constraint, profile)}
        case Regex(pattern=pattern) if profile.regex_fields is not None:
            return profile.regex_fields(pattern)
        case Grammar(gbnf=gbnf) if profile.grammar_fields is not None:
            return profile.grammar_fields(gbnf)
        case Regex(pattern=pattern) if profile.grammar_fields is not None:
            return profile.grammar_fields(regex_grammar(pattern))
        case JsonObject() if profile.schema_fields is not None:
            return profile.schema_fields({"type": "object"} | profile.schema_keywords)
        case JsonSchema(schema=schema) if profile.schema_fields is not None:
            return profile.schema_fields({**schema, **profile.schema_keywords})
    names = {Regex: "regex", Grammar: "grammar"}
    raise profile.unsupported(names.get(type(constraint), "response_format"))


def _format(constraint: JsonObject | JsonSchema, profile: ServerProfile) -> Fields:
    """The `response_format`. It is `strict`, as a schema is either enforced or refused."""
    if isinstance(constraint, JsonSchema):
        schema = constraint.schema
    elif profile.json_object:
        return {"type": "json_object"}
    else:
        schema = {"type": "object"}
    schema = {**schema, **profile.schema_keywords}
    named = {"name": "answer", "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": named}


def _tools(chat: Chat, profile: ServerProfile) -> Fields:
    if not chat.tools:
        return {}
    fields: Fields = {"tools": [_tool(tool, profile) for tool in chat.tools]}
    if chat.call_required:
        profile.require("tool_choice")
        fields["tool_choice"] = "required"
    if not chat.parallel_calls:
        # For servers that ignore this, surplus calls are left out of the answer.
        fields["parallel_tool_calls"] = False
    return fields


def _tool(tool: Tool, profile: ServerProfile) -> Fields:
    function: Fields = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict:
        profile.require("strict")
        function["strict"] = True
    return {"type": "function", "function": function}


def _messages(messages: tuple[Message, ...], profile: ServerProfile) -> Iterator[Fields]:
    """The messages. Calls of the older `functions` have no ids: they get ids, and become tool
    calls.
    """
    last = ""
    for number, message in enumerate(messages):
        fields = message_fields(message, profile.reasoning_names) | {"content": _content(message)}
        for call in fields.get("tool_calls", ()):
            last = call["id"] = call["id"] or f"call_{number}"
        if message.role == "function" and message.tool_call_id is None and last:
            fields |= {"role": "tool", "tool_call_id": last}
        yield fields


def _content(message: Message) -> Any:
    if message.images:
        return list(_parts(message))
    return message.content or (None if message.tool_calls else "")


def _parts(message: Message) -> Iterator[Fields]:
    """The text, split at the positions of the images, and the images."""
    start = 0
    for image in message.images:
        if message.content[start : image.at]:
            yield {"type": "text", "text": message.content[start : image.at]}
        start = max(start, image.at)
        encoded = base64.b64encode(image.raw).decode()
        url = {"url": f"data:{image.media_type};base64,{encoded}", "detail": image.detail}
        yield {"type": "image_url", "image_url": url}
    if message.content[start:]:
        yield {"type": "text", "text": message.content[start:]}
