"""Decisions: many questions about one input, as a multiple of the time for reading it once."""

from __future__ import annotations

import time
from itertools import permutations

from bench.figures import SUBJECT, Budget, Figure
from bench.load.client import Reply, Target, post
from bench.load.loads import CHAT
from bench.load.prompts import document
from bench.scale import Scale
from bench.sections.text import local_model
from bench.servers import model_table, openedai

SECTION = "decisions"
PATH = "/decisions"
_THINGS = (
    *("river", "stone", "garden", "letter", "market", "winter"),
    *("engine", "island", "silver", "bridge", "captain"),
)


async def measure(model: str | None, scale: Scale) -> list[Figure]:
    spec, _ = await local_model(model)
    config = f'chat_model = "{spec.id}"\n{model_table(spec)}'
    async with openedai(config) as (url, _):
        target = Target(SUBJECT, url, spec.id)
        await post(target, CHAT, target.chat("Hello!", 2))
        rounds = [await _round(target, scale, number) for number in range(scale.rounds)]
    many = [many / reply.first for reply, many, _ in rounds]
    one = [one / reply.first for reply, _, one in rounds]
    tokens = rounds[0][0].prompt_tokens
    note = f"times the seconds to the first token of a chat with the same input, {tokens} tokens"
    return [
        Figure(SECTION, "one question", "prefills", False, {SUBJECT: one}, note=note),
        Figure(
            SECTION,
            f"{scale.decision_questions} questions",
            "prefills",
            False,
            {SUBJECT: many},
            Budget(3, "at most"),
            note=note,
        ),
    ]


async def _round(target: Target, scale: Scale, number: int) -> tuple[Reply, float, float]:
    """A chat, and the seconds of many questions and of one question, each about a different
    input.
    """
    texts = [
        document(f"decisions {part} {number}", scale.decision_words)
        for part in ("chat", "many", "one")
    ]
    reply = await post(target, CHAT, target.chat(texts[0], 1))
    questions = statements(scale.decision_questions)
    return (
        reply,
        await _seconds(target, texts[1], questions),
        await _seconds(target, texts[2], questions[:1]),
    )


async def _seconds(target: Target, text: str, questions: list[str]) -> float:
    started = time.perf_counter()
    await post(target, PATH, target.decisions(text, questions))
    return time.perf_counter() - started


def statements(count: int) -> list[str]:
    """Different statements."""
    pairs = [*permutations(_THINGS, 2)][:count]
    return [f"Does the text say that the {one} is near the {other}?" for one, other in pairs]
