"""Shortens conversations that do not fit by their oldest messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from msgspec.structs import replace

from openedai.contract.chat import Chat, Message
from openedai.contract.engine import Tokenizer
from openedai.contract.generate import GenerateRequest
from openedai.errors import ContextLengthExceeded
from openedai.serving.call import Call
from openedai.serving.generation import Generation
from openedai.serving.leases import Leases
from openedai.serving.outcome import Indexed


async def run_truncated(
    generation: Generation, call: Call[Any], request: GenerateRequest
) -> AsyncGenerator[Indexed, None]:
    """The events of a generation from as much of its conversation as fits.

    One message is left out, then two, then four …, until the engine accepts the rest. Raises
    ContextLengthExceeded if not even the last message fits.
    """
    left_out = 0
    while True:
        async with aclosing(generation.run(call, [request])) as events:
            try:
                first = await anext(events)
            except ContextLengthExceeded:
                assert isinstance(request.prompt, Chat)
                left_out = 2 * left_out or 1
                messages = without_oldest(request.prompt.messages, left_out)
                if len(messages) == len(request.prompt.messages):
                    raise
                request = replace(request, prompt=replace(request.prompt, messages=messages))
                continue
            yield first
            async for event in events:
                yield event
            return


def without_oldest(messages: tuple[Message, ...], count: int) -> tuple[Message, ...]:
    """The messages without the `count` oldest: system messages at the start stay, and so does the
    last message. No tool output stays without its call.
    """
    kept = 0
    while kept < len(messages) and messages[kept].role == "system":
        kept += 1
    start = min(kept + count, max(kept, len(messages) - 1))
    while start < len(messages) - 1 and messages[start].role == "tool":
        start += 1
    if start < len(messages) and messages[start].role == "tool":
        return messages
    return messages[:kept] + messages[start:]


async def fitted(
    leases: Leases, call: Call[Any], request: GenerateRequest, limit: int
) -> GenerateRequest | None:
    """The request with as much of its conversation as fits into `limit` tokens, shortened in the
    same way; None if not even the last message fits.
    """
    left_out = 0
    async with leases.lease(call, Tokenizer) as engine:
        while True:
            assert isinstance(request.prompt, Chat)
            chat = request.prompt
            if await engine.count(chat) <= limit:
                return request
            left_out = 2 * left_out or 1
            messages = without_oldest(chat.messages, left_out)
            if len(messages) == len(chat.messages):
                return None
            request = replace(request, prompt=replace(chat, messages=messages))
