"""Shortens long conversations to a summary by the model and the user's last messages."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from openedai.api.openai.responses.input.conversation import (
    COMPACTION_PREFIX,
    engine_messages,
    known_parts,
)
from openedai.api.openai.responses.input.items import AnyItem, Compaction, Message
from openedai.api.openai.responses.input.media import Located, Media
from openedai.api.openai.responses.output.objects import CompactionItem, ResponseUsage
from openedai.api.openai.responses.prepare import Prepared
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.parameters.chats.packed import pack
from openedai.api.parameters.ids import new_id
from openedai.contract.chat import Chat
from openedai.contract.chat import Message as EngineMessage
from openedai.contract.engine import Tokenizer
from openedai.contract.generate import (
    Finish,
    GenerateRequest,
    LocalSampling,
    Sampling,
    Usage,
)
from openedai.engines.registry import engine_entry, generator_traits
from openedai.errors import EngineFailed, missing_parameter
from openedai.serving.call import Call
from openedai.serving.generation import Generation
from openedai.serving.leases import Leases
from openedai.serving.outcome import fold
from openedai.serving.streams.truncation import run_truncated

_SHARE = 0.8  # of a model's context, from which on a conversation is compacted
_SHORTER = 4  # times a summary is, at least, than the conversation; and so are the last messages
_TOKENS = (64, 1024)  # of a summary: the least that it may have, and the most
_CHARACTERS = (400, 8000)  # of the user's last messages, likewise
_PER_TOKEN = 4  # characters, roughly
# Small models repeat themselves in summaries. What is copied from long before does not count.
_VARIED = LocalSampling(dry_multiplier=0.8, dry_allowed_length=4, dry_penalty_last_n=128)
_SAMPLING = Sampling(temperature=0.0, local=_VARIED)
_ASK = (
    "Summarise our conversation so far, for yourself: you will go on with it and see only your "
    "summary. Say what I want, what was done and found out, what was decided and why, and what is "
    "still to do. Keep names, paths, numbers and errors as they are."
)
_SUMMARY = "A summary of the conversation so far:\n{}"
_LAST = "The user's last messages:\n{}"


class CompactedResponse(msgspec.Struct, kw_only=True):
    id: str
    object: str = "response.compaction"
    created_at: int
    output: tuple[CompactionItem, ...]
    usage: ResponseUsage


def compacted_response(item: CompactionItem, usage: Usage) -> CompactedResponse:
    return CompactedResponse(
        id=new_id("resp_", 48),
        created_at=int(time.time()),
        output=(item,),
        usage=ResponseUsage.of(usage),
    )


class Compactor:
    def __init__(self, generation: Generation, leases: Leases) -> None:
        self._generation = generation
        self._leases = leases

    async def fit(self, call: Call[ResponseRequest], prepared: Prepared) -> Prepared:
        """The same with a shorter conversation, if the body asks for that and the conversation is
        too long.

        With a trigger the output is the compaction, and nothing is generated.
        """
        if call.body.compacts:
            item, usage = await self.compact(
                call, prepared.located, prepared.media, call.body.instructions
            )
            prepared.builder.begin_with(item)
            return dataclasses.replace(prepared, finish=Finish(reason="stop", usage=usage))
        threshold = compact_threshold(call)
        if threshold is None or last_turn(prepared.located) == 0:
            return prepared
        async with self._leases.lease(call, Tokenizer) as engine:
            if await engine.count(prepared.chat) <= threshold:
                return prepared
        located, media, instructions = prepared.located, prepared.media, call.body.instructions
        item, _ = await self.compact(call, located, media, instructions)
        located = with_compaction(located, item)
        chat = replace(prepared.chat, messages=engine_messages(located, media, instructions))
        prepared.builder.begin_with(item)
        prepared.builder.know(known_parts(located))
        request = replace(prepared.request, prompt=chat)
        return dataclasses.replace(prepared, request=request, chat=chat)

    async def compact(
        self, call: Call[Any], items: Sequence[Located], media: Media, instructions: str | None
    ) -> tuple[CompactionItem, Usage]:
        """An item that replaces all of `items`, and the usage of making it. Raises as a generation
        does.

        It is at most about half as long as they are, unless they are short.
        """
        messages = engine_messages(items, media, instructions)
        length = sum(len(message.content) for message in messages)
        prompt = Chat(messages=(*messages, EngineMessage(role="user", content=_ASK)))
        sampling = Sampling()
        if not engine_entry(call.spec.engine).passes_unknown_parameters:
            prompt = replace(prompt, reasoning_effort="none", effort_optional=True)
            sampling = _SAMPLING
        limit = _bounded(length // _PER_TOKEN // _SHORTER, _TOKENS)
        request = GenerateRequest(prompt=prompt, sampling=sampling, max_tokens=limit)
        (outcome,) = await fold(run_truncated(self._generation, call, request), 1)
        if not (summary := outcome.text.strip()):
            raise EngineFailed("The model wrote no summary of the conversation.")
        texts = [_SUMMARY.format(summary)]
        if last := _last_messages(items, _bounded(length // _SHORTER, _CHARACTERS)):
            texts.append(_LAST.format("\n\n".join(last)))
        sealed = pack(COMPACTION_PREFIX, "\n\n".join(texts))
        return CompactionItem(new_id("cmp_"), sealed), outcome.finish.usage


def _bounded(value: int, bounds: tuple[int, int]) -> int:
    return max(bounds[0], min(value, bounds[1]))


def _last_messages(items: Sequence[Located], left: int) -> list[str]:
    """The texts of the user's last messages: as many as fit into that number of characters."""
    texts: list[str] = []
    for _, item in reversed(items):
        if isinstance(item, Message) and item.role == "user":
            text = item.text
            left -= len(text)
            if left < 0:
                break
            texts.insert(0, text)
    return texts


def compact_threshold(call: Call[ResponseRequest]) -> int | None:
    """The number of tokens from which a call's conversation is compacted; None for never.

    Raises InvalidRequest if the body does not give it and the model's context is not known.
    """
    if not call.body.context_management:
        return None
    given = call.body.context_management[0].compact_threshold
    if given is not None:
        return given
    traits = generator_traits(call.spec.engine, call.spec.options)
    if traits is None or traits.context is None:
        raise missing_parameter("context_management[0].compact_threshold")
    return int(traits.context * _SHARE)


def last_turn(items: Sequence[Located]) -> int:
    """The index of the user's last message; 0 if there is none."""
    users = (n for n, (_, one) in enumerate(items) if _is_users(one))
    return max(users, default=0)


def _is_users(item: AnyItem) -> bool:
    return isinstance(item, Message) and item.role == "user"


def with_compaction(items: Sequence[Located], compaction: CompactionItem) -> list[Located]:
    """The items, with the compaction in place of all that come before the user's last message."""
    start = last_turn(items)
    item = Compaction(type="compaction", encrypted_content=compaction.encrypted_content)
    return [*items[:start], ("context_management", item), *items[start:]]
