"""Neighbours: our server next to busy processes, two of its models at once, and embeddings during
chats.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from statistics import median

from msgspec.structs import replace

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.load.client import Target, post
from bench.load.loads import CHAT, EMBEDDINGS, Chats, Embeddings, Load, rates
from bench.processes import spinning
from bench.scale import Scale
from bench.sections.embeddings.section import embedding_model
from bench.sections.text import local_model
from bench.servers import model_table, openedai
from openedai.config import ModelSpec
from openedai.engines.machine import usable_cores

SECTION = "together"
ONE_THREAD = "1 thread"
ALONE = "alone"
NEIGHBOURS = (0, 1, 2)
QUIET_BOUND = 0.97
BUSY_BOUND = 0.8
TOGETHER_STREAMS = (1, 4)

Rates = dict[tuple[int, int], dict[str, list[float]]]  # by neighbours and streams, then by system


async def measure(model: str | None, scale: Scale) -> list[Figure]:
    local, _ = await local_model(model)
    async with _threads(local) as targets:
        figures = neighbour_figures(await _neighbours(targets, scale))
    figures += await _two_models(local, scale)
    return [*figures, *await _chats_and_embeddings(local, scale)]


@asynccontextmanager
async def _threads(spec: ModelSpec) -> AsyncIterator[list[Target]]:
    """Our server as it is, with one thread, and with as many threads as cores."""
    fixed = {_threads_name(count): {"threads": count} for count in {1, usable_cores()}}
    systems: dict[str, dict[str, int]] = {SUBJECT: {}, **dict(sorted(fixed.items()))}
    async with AsyncExitStack() as stack:
        yield [
            Target(name, await stack.enter_async_context(_serving([spec], options)), spec.id)
            for name, options in systems.items()
        ]


def _threads_name(count: int) -> str:
    return ONE_THREAD if count == 1 else f"{count} threads"


@asynccontextmanager
async def _serving(
    specs: Sequence[ModelSpec], options: Mapping[str, object], embedding: ModelSpec | None = None
) -> AsyncIterator[str]:
    """The URL of our server, with these models loaded and warm; `options` are the options of
    each.
    """
    tables = "".join(model_table(spec, **options) for spec in specs)
    tables += "" if embedding is None else model_table(embedding)
    default = "echo" if embedding is None else embedding.id
    config = (
        f'chat_model = "{specs[0].id}"\nembedding_model = "{default}"\nbuiltin_models = false\n'
        f'[[models]]\nid = "echo"\nengine = "echo"\n{tables}'
    )
    async with openedai(config) as (url, _):
        for spec in specs:
            target = Target(SUBJECT, url, spec.id)
            await post(target, CHAT, target.chat("Hello!", 2))
        if embedding is not None:
            target = Target(SUBJECT, url, embedding.id)
            await post(target, EMBEDDINGS, target.embeddings(["Hello!"]))
        yield url


async def _neighbours(targets: Sequence[Target], scale: Scale) -> Rates:
    """Tokens per second; within each round the systems run one after the other."""
    found: Rates = {
        (busy, streams): {target.name: [] for target in targets}
        for busy in NEIGHBOURS
        for streams in scale.streams
    }
    for number in range(scale.together_rounds):
        order = targets if number % 2 == 0 else list(reversed(targets))
        for busy in NEIGHBOURS:
            with spinning(busy):
                for streams in scale.streams:
                    for target in order:
                        seed = f"{number} {busy} {streams}"
                        load = Chats(target, streams, seed, scale.tokens)
                        (rate,) = await rates([load], scale.together_seconds)
                        found[busy, streams][target.name].append(rate)
    return found


def neighbour_figures(found: Rates) -> list[Figure]:
    """Alone, the bound is relative to the best fixed number of threads; next to others, to one
    thread.
    """
    figures = []
    for (busy, streams), values in found.items():
        fixed = [name for name in values if name != SUBJECT]
        best = max(fixed, key=lambda name: median(values[name]))
        yardstick, least = (ONE_THREAD, BUSY_BOUND) if busy else (best, QUIET_BOUND)
        figures.append(
            Figure(
                SECTION,
                f"{streams} stream{'s' if streams > 1 else ''}, {_beside(busy)}",
                "tokens/s",
                True,
                values,
                Budget(least, "at least", of="ratio", peer=yardstick),
                note="the peers are our server with a fixed number of threads",
            )
        )
    return figures


def _beside(busy: int) -> str:
    return f"beside {busy} busy process{'es' if busy > 1 else ''}" if busy else "quiet"


async def _two_models(spec: ModelSpec, scale: Scale) -> list[Figure]:
    """Two models of the same weights, generating at once, and the first of them alone."""
    specs = [replace(spec, id=id) for id in ("first", "second")]
    async with _serving(specs, {}) as url:
        targets = [Target(SUBJECT, url, one.id) for one in specs]
        return [await _sum(targets, streams, scale) for streams in TOGETHER_STREAMS]


async def _sum(targets: Sequence[Target], streams: int, scale: Scale) -> Figure:
    async def run(targets: Sequence[Target], number: int) -> float:
        loads = [
            Chats(target, streams, f"{target.model} {number}", scale.tokens) for target in targets
        ]
        return sum(await rates(loads, scale.together_seconds))

    runs = {SUBJECT: partial(run, targets), ALONE: partial(run, targets[:1])}
    return Figure(
        SECTION,
        f"two models at once, {streams} stream{'s' if streams > 1 else ''} each, in sum",
        "tokens/s",
        True,
        await alternate(runs, scale.together_rounds),
        Budget(BUSY_BOUND, "at least", of="ratio", peer=ALONE),
        note=f"the peer is one of the models alone, with {streams}",
    )


async def _chats_and_embeddings(spec: ModelSpec, scale: Scale) -> list[Figure]:
    embedding, folder = await embedding_model()
    local = replace(embedding, source=str(folder), aliases=())
    async with _serving([spec], {}, local) as url:
        chats = partial(_chats, Target(SUBJECT, url, spec.id), scale)
        texts = partial(_texts, Target(SUBJECT, url, local.id))
        runs: dict[str, Callable[[int], Awaitable[list[float]]]] = {
            "both": lambda number: rates([chats(number), texts(number)], scale.together_seconds),
            "chats": lambda number: rates([chats(number)], scale.together_seconds),
            "texts": lambda number: rates([texts(number)], scale.together_seconds),
        }
        found = await alternate(runs, scale.together_rounds)
    both = found["both"]
    return share_figures(
        Figure(
            SECTION,
            "chat beside embeddings",
            "tokens/s",
            True,
            {SUBJECT: [chat for chat, _ in both], ALONE: [chat for (chat,) in found["chats"]]},
            note="one stream of chat beside one client that embeds; the peer is the chat alone",
        ),
        Figure(
            SECTION,
            "embeddings beside chat",
            "texts/s",
            True,
            {SUBJECT: [text for _, text in both], ALONE: [text for (text,) in found["texts"]]},
            note="the same, seen from the embeddings",
        ),
    )


def share_figures(*parts: Figure) -> list[Figure]:
    """The parts, and the sum of their shares of what each does alone, round by round."""
    shares = [
        [ours / alone for ours, alone in zip(*part.values.values(), strict=True)] for part in parts
    ]
    total = Figure(
        SECTION,
        "chat and embeddings, in sum",
        "shares",
        True,
        {SUBJECT: [sum(values) for values in zip(*shares, strict=True)]},
        Budget(BUSY_BOUND, "at least"),
        note="each one's share of its throughput alone, added up",
    )
    return [*parts, total]


def _chats(target: Target, scale: Scale, number: int) -> Load:
    return Chats(target, 1, f"beside embeddings {number}", scale.tokens)


def _texts(target: Target, number: int) -> Load:
    return Embeddings(target, 1, f"beside chat {number}")
