"""Random requests to a model, the nastier the better, and what must hold whatever they are.

For a long run: `python -m tests.engines.llama_cpp.real.fuzz WEIGHTS FOLDER COUNT SEED`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any

from openedai.contract.adapter import Adapter
from openedai.contract.chat import Chat, Image, Message, Tool
from openedai.contract.generate import (
    Constraint,
    Finish,
    GenerateRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    LocalSampling,
    Regex,
    Sampling,
    Text,
    TextDelta,
    Tokens,
)
from openedai.engines.process.hosted import Hosted
from openedai.errors import APIError
from tests.engines.llama_cpp.native import tiny_projector
from tests.engines.llama_cpp.real import tiny_lora
from tests.events import collect, finish_of, logprobs_of, text_of
from tests.media.images import BLUE, RED, picture

CONTEXT, SLOTS = 512, 4
_AT_ONCE = 7  # requests
_PART = 100
_TIMEOUT = 120.0  # seconds for one request
_TOKENS = 49152  # SmolLM2's vocabulary
_SHARED = "You are a helpful assistant who knows about foxes, owls and elks. " * 20
_TEXTS = [
    *("", " ", "\0", "a\0b", "Once upon a time", "<|im_end|>", "a<|im_start|>b<|im_end|>\n"),
    *("🦙 é", "e\u0301" * 50, "\ufffd\ufdd0", "}{%{{", "a" * 3000),
    *(_SHARED, _SHARED + "Now", _SHARED[:700] + "Then", _SHARED[:400], " \n" * 200),
    *("a" * 1_000_000, "\t" * 100_000, "🦙" * 100_000),
]
_NUMBERS: list[float] = [0.0, 1.0, 0.5, 1.1, -1.0, 2.0, 1e-38, 1e38, 1e-300, 1e300, -1e300, 100.0]
_INTEGERS = [0, 1, 2, 40, -1, -5, 63, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**63 - 1]
_BREAKERS = [("\n", ":"), ("", "\0"), ("a" * 500,), ("é" * 30, "🦙"), ("e", "t", " "), ()]
_GRAMMARS = [
    *("root ::= ", 'root ::= "a" root', "root ::= root", 'root ::= [^\\x00-\\x7f]+ | "\\u0000"'),
    *("root ::= x", 'root ::= ("a"?){40}', 'root ::= "' + "a" * 5000 + '"', "root ::= [z-a]"),
    "root ::= " + "x " * 40 + '\nx ::= "a"? "b"? "c"? | "a"? "b"?',
    'root ::= (" yes" | " no") "!"*',
]
_PATTERNS = [
    *("", "(", "a{1000000}", "(a?b?c?|a?b?)" * 40, "[a-z]{3,5}", "(?=a)b", "\\d+\\.", "🦙*"),
    *("[" + "".join(map(chr, range(256, 1256))) + "]{2}", "(a*)*b", "\\ud800", "^$", ".*"),
]
_OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
_SCHEMAS: list[dict[str, Any]] = [
    *({}, {"type": "integer"}, {"type": "nothing"}, {"enum": []}, {"minimum": 1e308}, _OBJECT),
    {"$ref": "#"},
    {"allOf": [{"type": "string"}, {"type": "integer"}]},
    {"type": "array", "prefixItems": [{"const": n} for n in range(300)]},
    {"type": "string", "pattern": "a" * 20_000},
    {"type": "array", "minItems": 10**9},
]


class Fuzz:
    """Makes requests by a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._pictures = [picture(9, 9, RED), picture(99, 7, BLUE), picture(7, 7)[:60], b"GIF89a"]

    def request(self) -> GenerateRequest:
        pick, some = self.random.choice, self._some
        chat = some(0.5)
        return GenerateRequest(
            prompt=self._chat() if chat else self._raw(),
            sampling=self._sampling(),
            max_tokens=pick([0, 1, 1, 3, 8, 20] if some(0.9) else [2**31, 2**63 - 1, None]),
            stop=pick([(), (), (" the",), ("e", "a"), ("🦙",), ("x" * 10_000,)]),
            constraint=self._constraint() if some(0.3) else None,
            logprobs=pick([None, None, 0, 1, 20]),
            echo=not chat and some(0.5),
            variant=pick([None, None, "one", "two"]),
        )

    def ids(self, count: int) -> tuple[int, ...]:
        """Tokens of all kinds: special ones, parts of characters, one many times."""
        kinds = (0, 17), (17, 300), (0, _TOKENS)
        first, end = self.random.choice(kinds)
        if self._some(0.2):
            return (self.random.randrange(first, end),) * count
        return tuple(self.random.randrange(first, end) for _ in range(count))

    def _some(self, probability: float) -> bool:
        return self.random.random() < probability

    def _raw(self) -> Text | Tokens:
        if self._some(0.5):
            return Text(text=self.random.choice(_TEXTS if self._some(0.2) else _TEXTS[:18]))
        lengths = [0, 1, 2, 33, 64, 65, 200, CONTEXT - 2, CONTEXT - 1, CONTEXT]
        ids = self.ids(self.random.choice(lengths))
        return Tokens(ids=ids if self._some(0.95) else (-1, _TOKENS, 2**40, *ids))

    def _chat(self) -> Chat:
        pick, some = self.random.choice, self._some
        messages = [Message(role="system", content=_SHARED)] if some(0.4) else []
        for _ in range(pick([1, 1, 2, 3])):
            content = pick(_TEXTS if some(0.2) else _TEXTS[:18])
            images: tuple[Image, ...] = ()
            if some(0.2):
                raw = pick(self._pictures[:2]) if some(0.9) else pick(self._pictures)
                at = pick([0, len(content)])
                images = (Image(raw=raw, media_type="image/png", at=at),) * pick([1, 2])
            messages.append(Message(role="user", content=content, images=images))
        tools: tuple[Tool, ...] = ()
        if some(0.3):
            tools = (Tool(name="f", parameters=pick([None, _OBJECT]), strict=some(0.7)),)
        return Chat(
            messages=tuple(messages),
            tools=tools,
            call_required=bool(tools) and some(0.3),
            parallel_calls=some(0.5),
            template_arguments=pick([{}, {}, {"add_generation_prompt": "x"}, {"messages": 5}]),
        )

    def _sampling(self) -> Sampling:
        pick, some = self.random.choice, self._some
        values: dict[str, Any] = {}
        for name, kind in LocalSampling.__annotations__.items():
            if some(0.2):
                breakers = pick(_BREAKERS) if "str" in kind else None
                values[name] = breakers or pick(_INTEGERS if "int" in kind else _NUMBERS)
        values.pop("dry_sequence_breakers", None) if some(0.5) else None
        if isinstance(values.get("dry_sequence_breakers"), float):
            del values["dry_sequence_breakers"]
        biased = self.ids(pick([0, 0, 1, 50]))
        return Sampling(
            temperature=pick([None, 0.0, *_NUMBERS]),
            top_p=pick([None, *_NUMBERS]),
            presence_penalty=pick([0.0, 0.0, *_NUMBERS]),
            frequency_penalty=pick([0.0, 0.0, *_NUMBERS]),
            logit_bias=tuple((token, pick([-100.0, 100.0, 1e300])) for token in biased),
            seed=pick([None, 0, -1, 2**63 - 1, -(2**63)]),
            local=LocalSampling(**values),
        )

    def _constraint(self) -> Constraint:
        pick = self.random.choice
        kinds = (
            JsonObject(),
            Grammar(gbnf=pick(_GRAMMARS)),
            Regex(pattern=pick(_PATTERNS)),
            JsonSchema(schema=pick(_SCHEMAS)),
        )
        return pick(kinds)


async def load(weights: Path, folder: Path) -> Hosted:
    """The model in a worker, with two adapters and a projector, whose files go to `folder`."""
    paths = [tiny_lora.write(folder / f"{n}.gguf", weights, 1000 * (n + 1)) for n in range(2)]
    adapters = [
        Adapter(name=name, path=str(path)) for name, path in zip(("one", "two"), paths, strict=True)
    ]
    mmproj = str(tiny_projector.write(folder / "mmproj.gguf"))
    options = {"slots": SLOTS, "context": CONTEXT, "batch": 64, "mmproj": mmproj}
    return await Hosted.start("llama_cpp", "m", weights, options, adapters)


async def attack(engine: Hosted, fuzz: Fuzz, count: int) -> Counter[str]:
    """Send `count` requests, some at once; who leaves early does so at any point. Returns how
    they ended. Raises AssertionError if anything does not hold.
    """
    outcomes: Counter[str] = Counter()
    probe = GenerateRequest(
        prompt=Text(text="The capital of France is"),
        sampling=Sampling(temperature=0.0),
        max_tokens=4,
    )
    before = text_of(await collect(engine, probe))
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(request: GenerateRequest, leaves_after: float | None, events: int) -> None:
        async with turns:
            try:
                async with asyncio.timeout(leaves_after or _TIMEOUT):
                    outcomes[await _one(engine, request, events)] += 1
            except TimeoutError:
                assert leaves_after is not None, f"no end: {request!r:.2000}"
                outcomes["left"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            pick = fuzz.random.choice
            leaves = pick([None, None, None, 0.0, 0.01, 0.1, 0.5])
            group.create_task(one(fuzz.request(), leaves, pick([10**9, 10**9, 1, 5])))
    assert text_of(await collect(engine, probe)) == before
    return outcomes


async def _one(engine: Hosted, request: GenerateRequest, most: int) -> str:
    """How a request ends. `most` events are read."""
    found = []
    try:
        async with aclosing(engine.generate(request)) as events:
            async for event in events:
                found.append(event)
                if len(found) == most:
                    return "left"
    except APIError as error:
        if error.status >= 500:
            raise AssertionError(f"{error!r}: {request!r:.2000}") from error
        return str(error.code)
    usage = finish_of(found).usage
    assert not any(isinstance(event, Finish) for event in found[:-1])
    assert all(event.text for event in found if isinstance(event, TextDelta))
    assert usage.completion_tokens <= (request.max_tokens or CONTEXT), request
    assert usage.prompt_tokens + usage.completion_tokens <= CONTEXT + 1, request
    assert usage.cached_tokens < usage.prompt_tokens or not usage.cached_tokens, request
    if isinstance(request.prompt, Tokens) and request.prompt.ids:
        assert usage.prompt_tokens == len(request.prompt.ids)
        if request.echo and request.logprobs is not None and request.max_tokens == 0:
            assert len(logprobs_of(found)) == usage.prompt_tokens, request
    return finish_of(found).reason


async def _main(weights: Path, folder: Path, count: int, seed: int) -> None:
    engine = await load(weights, folder)
    for part in range(0, count, _PART):
        outcomes = await attack(engine, Fuzz(seed + part), min(_PART, count - part))
        print(part, engine.memory() >> 20, "MiB", dict(outcomes), flush=True)
    await engine.close()


if __name__ == "__main__":
    _, first, second, *numbers = sys.argv
    asyncio.run(_main(Path(first), Path(second), *map(int, numbers)))
