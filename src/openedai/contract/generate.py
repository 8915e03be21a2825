"""Text generation: a request, and the events that answer it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from openedai.contract.chat import Chat
from openedai.contract.struct import Struct


class Text(Struct, frozen=True, tag="text"):
    """A raw prompt, to be tokenised by the engine."""

    text: str


class Tokens(Struct, frozen=True, tag="tokens"):
    """A raw prompt as token ids of the model's own vocabulary."""

    ids: tuple[int, ...]


class JsonObject(Struct, frozen=True, tag="json_object"):
    """The answer is a JSON object, whatever is in it."""


class JsonSchema(Struct, frozen=True, tag="json_schema"):
    """The answer is JSON that validates against the schema."""

    schema: dict[str, Any]


class Grammar(Struct, frozen=True, tag="grammar"):
    """The answer is derived from `root` of a grammar in GBNF, llama.cpp's notation."""

    gbnf: str


class Regex(Struct, frozen=True, tag="regex"):
    """The answer matches the whole pattern."""

    pattern: str


Constraint = JsonObject | JsonSchema | Grammar | Regex


class Sampling(Struct, frozen=True):
    """How the next token is drawn. None leaves a value to the model's configured defaults.

    Those in `LOCAL_SAMPLERS` are not the official API's; their names and meanings are llama.cpp's.
    """

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: int | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: int | None = None
    dry_penalty_last_n: int | None = None
    dry_sequence_breakers: tuple[str, ...] | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None


LOCAL_SAMPLERS = (
    "top_k",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "repeat_last_n",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "dry_sequence_breakers",
    "xtc_probability",
    "xtc_threshold",
)


class GenerateRequest(Struct, frozen=True):
    """`max_tokens` None means: until the model ends or its context is full; 0 is allowed with
    `echo`, which puts the prompt in front of the answer. `suffix` is what follows the answer.

    `logprobs` asks for the log probability of each token and of that many alternatives.
    `variant` is which of the models behind the engine is meant: an adapter, or a name that an
    upstream knows. `extra` are parameters that only an upstream can know, as the client sent them.
    """

    prompt: Chat | Text | Tokens
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None
    logprobs: int | None = None
    echo: bool = False
    suffix: str | None = None
    variant: str | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class Usage(Struct, frozen=True):
    """Exact token counts. `cached_tokens` of the prompt were not computed again;
    `reasoning_tokens` are among those of the completion.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Alternative(Struct, frozen=True):
    """A token that could have stood there; `token` is its text as far as `raw` is valid UTF-8."""

    token: str
    raw: bytes
    logprob: float


class TokenLogprob(Struct, frozen=True):
    """A token with its natural log probability; `top` has the likeliest ones, best first.

    None where there is none: for the first token of a prompt.
    """

    token: str
    raw: bytes
    logprob: float | None
    top: tuple[Alternative, ...] = ()


class TextDelta(Struct, frozen=True, tag="text"):
    """A piece of the answer; never empty, always whole characters.

    `logprobs`, where they were asked for, are of the tokens of this piece.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class ReasoningDelta(Struct, frozen=True, tag="reasoning"):
    """A piece of what the model thought before it answered; never empty."""

    text: str


class ToolCallDelta(Struct, frozen=True, tag="tool_call"):
    """A piece of call number `index`. The first piece of a call, and no other, has `id` and
    `name`; the `arguments` of all pieces together are the JSON text.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Finish(Struct, frozen=True, tag="finish"):
    """The last event, always: why the generation ended and what it took.

    `tool_calls` only if every call is whole; `length` wherever a limit cut the answer, and
    `content_filter` where an upstream left something out of it. `stop` is the one of the request's
    stop strings that ended it, where that is known.
    """

    reason: Literal["stop", "length", "tool_calls", "content_filter"]
    usage: Usage
    stop: str | None = None


GenerateEvent = TextDelta | ReasoningDelta | ToolCallDelta | Finish
