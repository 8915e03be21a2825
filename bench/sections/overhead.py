"""The overhead of the server: throughput on the echo engine, on one core."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.load.client import LoadError, Target, post_many
from bench.scale import Scale
from bench.servers import Cores, litellm, openedai, pinned

SECTION = "overhead"
PEER = "LiteLLM"
DIRECT = "direct"
CHAT = "/chat/completions"


def config(tokens: int) -> str:
    """Two echo models: `echo`, and `long`, which answers with this many tokens."""
    reply = " ".join(f"word{number}" for number in range(tokens))
    return (
        'chat_model = "echo"\nembedding_model = "echo"\nbuiltin_models = false\n'
        '[[models]]\nid = "echo"\nengine = "echo"\n'
        f'[[models]]\nid = "long"\nengine = "echo"\noptions = {{ reply = "{reply}" }}\n'
    )


def proxy_config(upstream: str) -> str:
    """The same two models, from the server at `upstream`."""
    options = f'options = {{ url = "{upstream}", server = "openedai" }}\n'
    models = "".join(
        f'[[models]]\nid = "{name}"\nengine = "upstream"\n{options}' for name in ("echo", "long")
    )
    return f'chat_model = "echo"\nembedding_model = "echo"\nbuiltin_models = false\n{models}'


async def measure(scale: Scale, litellm_python: Path | None) -> list[Figure]:
    """`litellm_python` is an interpreter that has LiteLLM's proxy; None measures ours alone.

    The servers under load share one core; the client has the others, and so has the echo
    server that LiteLLM and our server with an upstream call.
    """
    cores = Cores.split()
    under_load, rest = (cores.server, cores.rest) if cores else (None, None)
    async with AsyncExitStack() as stack:
        stack.enter_context(pinned(rest))
        echo_config = config(scale.echo_tokens)
        url, _ = await stack.enter_async_context(openedai(echo_config, cores=under_load))
        figures = [await _chunks(Target(SUBJECT, url, "long"), scale)]
        upstream, _ = await stack.enter_async_context(openedai(echo_config))
        ours, _ = await stack.enter_async_context(
            openedai(proxy_config(upstream), cores=under_load)
        )
        urls = {DIRECT: upstream, SUBJECT: ours}
        targets = [Target(SUBJECT, url, "echo")]
        if litellm_python is not None:
            proxy = litellm(litellm_python, upstream, under_load)
            urls[PEER] = await stack.enter_async_context(proxy)
            targets.append(Target(PEER, urls[PEER], "echo"))
        figures.append(await _chats(targets, scale))
        chats = [Target(name, url, "echo") for name, url in urls.items()]
        figures.append(await _chats(chats, scale, in_front=True))
        streams = [Target(name, url, "long") for name, url in urls.items()]
        figures.append(await _front_chunks(streams, scale))
    return figures


async def _chunks(target: Target, scale: Scale) -> Figure:
    async def run(number: int) -> float:
        body = target.chat("Go!", scale.echo_tokens)
        replies, seconds = await post_many(
            target, CHAT, body, scale.echo_answers, scale.echo_streams
        )
        chunks = sum(reply.chunks for reply in replies)
        if chunks != scale.echo_answers * scale.echo_tokens:
            raise LoadError(f"{chunks} chunks came, of {scale.echo_answers * scale.echo_tokens}")
        return chunks / seconds

    return Figure(
        SECTION,
        "echo, streamed",
        "chunks/s",
        True,
        await alternate({SUBJECT: run}, scale.rounds),
        Budget(49_000, "at least"),
        note=f"{scale.echo_streams} streams of {scale.echo_tokens} tokens; the server on one core",
    )


async def _front_chunks(targets: Sequence[Target], scale: Scale) -> Figure:
    async def run(target: Target, number: int) -> float:
        body = target.chat("Go!", scale.echo_tokens)
        streams = min(scale.echo_streams, scale.front_answers)
        replies, seconds = await post_many(target, CHAT, body, scale.front_answers, streams)
        words = sum(reply.completion_tokens or 0 for reply in replies)
        if words != scale.front_answers * scale.echo_tokens:
            raise LoadError(f"{target.name} gave {words} tokens")
        return words / seconds

    return Figure(
        SECTION,
        "in front of another server, streamed",
        "tokens/s",
        True,
        await alternate({target.name: partial(run, target) for target in targets}, scale.rounds),
        note=f"{scale.echo_streams} streams of {scale.echo_tokens}; direct: nothing in front",
    )


async def _chats(targets: Sequence[Target], scale: Scale, *, in_front: bool = False) -> Figure:
    async def run(target: Target, number: int) -> float:
        body = target.chat("Say this again.", 16, stream=False)
        replies, seconds = await post_many(
            target, CHAT, body, scale.small_chats, scale.small_chat_streams
        )
        if any(reply.completion_tokens != 3 for reply in replies):
            raise LoadError(f"{target.name} did not echo")
        return len(replies) / seconds

    for target in targets:
        await run(target, -1)
    return Figure(
        SECTION,
        "in front of another server, small chats" if in_front else "echo, small chats",
        "chats/s",
        True,
        await alternate({target.name: partial(run, target) for target in targets}, scale.rounds),
        None if in_front else Budget(28, "at least", of="ratio", peer=PEER),
        note=f"{scale.small_chat_streams} connections; LiteLLM before our echo server",
    )
