"""Chains of responses, each of which continues the previous one."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import fmean
from typing import Any

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.load.client import Connection, Target
from bench.load.cost import Server, cost
from bench.load.prompts import sentence
from bench.scale import Scale

SECTION = "responses"
PATH = "/responses"
START = "at the start"
WHOLE = "the whole input"
_TOKENS = 16
_ENDS = 10  # turns at the start, and at the end
# A turn may compute this share of the previous prompt again: what the model wrote may become
# different tokens when it is read.
_COMPUTED = 0.1

Items = list[dict[str, Any]]


@dataclass(frozen=True)
class Turn:
    """The tokens of a turn's prompt, and the seconds that the turn took."""

    prompt: int
    cached: int
    seconds: float


async def chain_figures(server: Server, scale: Scale) -> list[Figure]:
    """The server's processor time for a turn at the start of a chain and at its end, compared with
    the same prompt sent as a whole and not stored.
    """
    target = server.target
    ids, inputs = await _chain(target, scale.turns)

    async def run(body: bytes, number: int) -> float:
        count, streams = scale.responses // 2, scale.small_chat_streams
        spent, _ = await cost(server, PATH, body, count, streams)
        return spent

    runs: dict[str, Callable[[int], Awaitable[float]]] = {}
    for turn in (2, scale.turns):
        whole = inputs[turn - 1]
        chained = target.response(whole[-1:], _TOKENS, previous=ids[turn - 2])
        runs[f"{turn}"] = partial(run, chained)
        runs[f"{turn}, whole"] = partial(run, target.response(whole, _TOKENS, store=False))
    for one in runs.values():
        await one(-1)
    values = await alternate(runs, scale.rounds)
    return turn_costs(
        {turn: (values[f"{turn}"], values[f"{turn}, whole"]) for turn in (2, scale.turns)}
    )


def turn_costs(found: Mapping[int, tuple[list[float], list[float]]]) -> list[Figure]:
    """The figures from the costs of two turns, the earlier one first: by round, as turns of a chain
    and with their prompts as a whole.
    """
    figures = [
        Figure(
            SECTION,
            f"turn {turn} of a chain, processor time of the server",
            "ms",
            False,
            {SUBJECT: chained, WHOLE: whole},
            note="compared with a request that has all items itself and is not stored",
        )
        for turn, (chained, whole) in found.items()
    ]
    early, late = [
        [one - other for one, other in zip(chained, whole, strict=True)]
        for chained, whole in found.values()
    ]
    growth = Figure(
        SECTION,
        "more for the later of these turns, but for its prompt",
        "ms",
        False,
        {SUBJECT: [after - before for before, after in zip(early, late, strict=True)]},
        Budget(1, "at most"),
        note="the difference of the two differences",
    )
    return [*figures, growth]


async def _chain(target: Target, turns: int) -> tuple[list[str], list[Items]]:
    """A chain's ids, and the input of each turn as a whole."""
    ids: list[str] = []
    inputs: list[Items] = []
    before: Items = []
    async with await Connection.open(target) as connection:
        for turn in range(turns):
            content = [{"type": "input_text", "text": sentence(f"turn {turn}")}]
            question = {"type": "message", "role": "user", "content": content}
            inputs.append([*before, question])
            body = target.response([question], _TOKENS, previous=ids[-1] if ids else None)
            response = json.loads(await connection.fetch(PATH, body))
            ids.append(response["id"])
            before = [*inputs[-1], *response["output"]]
    return ids, inputs


async def text_chain_figures(target: Target, scale: Scale) -> list[Figure]:
    """A chain on a text model."""

    await _text_chain(target, 1, scale.text_turn_tokens, "the model is loaded")
    return turn_figures(await _text_chain(target, scale.turns, scale.text_turn_tokens, "turn"))


def turn_figures(turns: list[Turn]) -> list[Figure]:
    """The figures of a chain of at least two turns."""
    missed = [
        number
        for number, (before, turn) in enumerate(pairwise(turns), 2)
        if turn.cached < (1 - _COMPUTED) * before.prompt
    ]
    first, last = turns[1 : 1 + _ENDS], turns[-_ENDS:]
    note = f"{len(turns)} turns, the last with a prompt of {turns[-1].prompt} tokens"
    return [
        Figure(
            SECTION,
            "a chain on a text model, turns whose prompt was computed again",
            "turns",
            False,
            {SUBJECT: [float(len(missed))]},
            Budget(0, "at most"),
            note=note,
        ),
        _end_and_start(
            "computed tokens of a turn",
            "tokens",
            fmean(turn.prompt - turn.cached for turn in last),
            fmean(turn.prompt - turn.cached for turn in first),
        ),
        _end_and_start(
            "a turn",
            "ms",
            1000 * fmean(turn.seconds for turn in last),
            1000 * fmean(turn.seconds for turn in first),
        ),
    ]


def _end_and_start(case: str, unit: str, end: float, start: float) -> Figure:
    return Figure(
        SECTION,
        f"a chain on a text model, {case}",
        unit,
        False,
        {SUBJECT: [end], START: [start]},
        note=f"the mean of the last {_ENDS} turns, and of the first but one",
    )


async def _text_chain(target: Target, count: int, tokens: int, seed: str) -> list[Turn]:
    turns: list[Turn] = []
    previous: str | None = None
    async with await Connection.open(target) as connection:
        for number in range(count):
            text = sentence(f"{seed} {number}")
            body = target.response(text, tokens, previous=previous)
            started = time.perf_counter()
            response = json.loads(await connection.fetch(PATH, body))
            seconds = time.perf_counter() - started
            previous, usage = response["id"], response["usage"]
            cached = usage["input_tokens_details"]["cached_tokens"]
            turns.append(Turn(usage["input_tokens"], cached, seconds))
    return turns
