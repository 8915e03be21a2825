"""Long prompts: what one does to other streams, and whether its prefix is reused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.load.client import REQUEST_TIMEOUT, Connection, LoadError, Reply, Target, post
from bench.load.loads import CHAT, LEAVING, SETTLE, Chats
from bench.load.prompts import document, story
from bench.scale import Scale
from bench.sections.text import NATIVE, local_model
from bench.servers import model_table, native, openedai

SECTION = "long"
STREAMS = 4
SLOTS = STREAMS + 4
CONTEXT = 8192


@dataclass(frozen=True)
class Arrival:
    """A long prompt that arrived during streams: their slowest gap while it was computed and
    before, in milliseconds; the seconds to its first token; and its number of tokens.
    """

    slowest: float
    before: float
    first: float
    tokens: int


@dataclass(frozen=True)
class Prefix:
    """Two conversations with the same system prompt: the seconds to each one's first token, and the
    tokens of the second prompt, from the cache and in total.
    """

    first: float
    second: float
    cached: int
    tokens: int


async def measure(model: str | None, scale: Scale) -> list[Figure]:
    async with _targets(model) as targets:
        arrivals = await alternate(
            {target.name: partial(_arrival, target, scale) for target in targets},
            scale.long_rounds,
        )
        prefixes = await alternate(
            {target.name: partial(_prefix, target, scale) for target in targets},
            scale.long_rounds,
        )
    return [*arrival_figures(arrivals), *prefix_figures(prefixes)]


@asynccontextmanager
async def _targets(model: str | None) -> AsyncIterator[Sequence[Target]]:
    """Both servers, with slots for all the streams and the additional prompts."""
    spec, weights = await local_model(model)
    options = {**spec.options, "slots": SLOTS, "context": CONTEXT}
    local = msgspec.structs.replace(spec, options=options)
    config = f'chat_model = "{spec.id}"\n{model_table(local)}'
    async with openedai(config) as (url, _), native(local, weights) as (native_url, _):
        targets = [Target(SUBJECT, url, spec.id), Target(NATIVE, native_url, spec.id)]
        for target in targets:
            await post(target, CHAT, target.chat("Hello!", 2))
        yield targets


async def _arrival(target: Target, scale: Scale, number: int) -> Arrival:
    prompt = document(f"long {number}", scale.long_words)
    load = Chats(target, STREAMS, f"beside {number}", 1000)
    async with load.running():
        await load.started()
        begin = time.perf_counter()
        await asyncio.sleep(2 * SETTLE)
        sent = time.perf_counter()
        reply = await post(target, CHAT, target.chat(prompt, 2))
    gaps, gaps_before = load.gaps(sent, sent + reply.first), load.gaps(begin, sent)
    await asyncio.sleep(LEAVING)
    if not gaps or not gaps_before:
        raise LoadError(f"{target.name} gave its streams no tokens beside a long prompt")
    return Arrival(1000 * max(gaps), 1000 * max(gaps_before), reply.first, reply.prompt_tokens)


async def _prefix(target: Target, scale: Scale, number: int) -> Prefix:
    """The second conversation begins while the first still has its slot."""
    system = document(f"system {number}", scale.system_words)
    begun = asyncio.Event()
    async with await Connection.open(target) as connection:
        sent = time.perf_counter()
        body = target.chat(story(f"first {number}"), 1000, system=system)
        answering = asyncio.create_task(connection.post(CHAT, body, lambda _: begun.set()))
        try:
            await asyncio.wait_for(begun.wait(), REQUEST_TIMEOUT)
            first = time.perf_counter() - sent
            body = target.chat(story(f"second {number}"), 2, system=system)
            second: Reply = await post(target, CHAT, body)
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
    await asyncio.sleep(LEAVING)
    return Prefix(first, second.first, second.cached_tokens, second.prompt_tokens)


def arrival_figures(found: dict[str, list[Arrival]]) -> list[Figure]:
    ours = found[SUBJECT]
    before = max(one.before for one in ours)
    gap = Figure(
        SECTION,
        "slowest gap beside a long prompt",
        "ms",
        False,
        {name: [one.slowest for one in all] for name, all in found.items()},
        Budget(300, "at most"),
        note=f"between two tokens of any of {STREAMS} streams while a prompt of {ours[0].tokens} "
        f"tokens is computed; our slowest before it: {before:.0f} ms",
    )
    first = Figure(
        SECTION,
        "first token of the long prompt",
        "s",
        False,
        {name: [one.first for one in all] for name, all in found.items()},
        note=f"beside the {STREAMS} streams",
    )
    return [gap, first]


def prefix_figures(found: dict[str, list[Prefix]]) -> list[Figure]:
    second = Figure(
        SECTION,
        "second conversation, first token",
        "s",
        False,
        {name: [one.second for one in all] for name, all in found.items()},
        note="with the system prompt of a conversation that still runs",
    )
    share = Figure(
        SECTION,
        "second conversation, computed share of its prompt",
        "share",
        False,
        {name: [1 - one.cached / one.tokens for one in all] for name, all in found.items()},
        Budget(0.1, "at most"),
        note=f"of {found[SUBJECT][0].tokens} tokens",
    )
    first = replace(
        second,
        case="first conversation, first token",
        values={name: [one.first for one in all] for name, all in found.items()},
        note="a new system prompt",
    )
    return [first, second, share]
