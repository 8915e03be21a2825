"""The contract of every engine: capabilities, requests, events.

An engine knows one loaded model and nothing of HTTP, of model names or of other engines.
It inherits a base class for each ability it has. Its failures are `openedai.errors.APIError`s.
Everything that crosses the contract is a frozen msgspec struct, so that it also crosses a socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import msgspec


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value of the contract."""


class ToolCall(Struct, frozen=True):
    """A call that the model made. `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Image(Struct, frozen=True):
    """A picture in a message: a whole file of the type `media_type`, such as `image/png`.

    It stands behind the first `at` characters of the message's content. `detail` is how closely
    the model should look, in the official API's words.
    """

    raw: bytes
    media_type: str
    at: int
    detail: str = "auto"


class Message(Struct, frozen=True):
    """One turn of a conversation. `content` and `reasoning` are plain text; `images` are in the
    order in which they stand in it.
    """

    role: str
    content: str = ""
    images: tuple[Image, ...] = ()
    name: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Tool(Struct, frozen=True):
    """A function that the model may call. `parameters` is a JSON Schema; None takes no arguments.

    The arguments of a `strict` tool follow the schema, or the request is refused.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    strict: bool = False


class Chat(Struct, frozen=True, tag="chat"):
    """A conversation; the engine renders it with the model's own chat template.

    With `call_required` the answer is at least one call of the tools, and nothing else. Without
    `parallel_calls` it has at most one call. `template_arguments` are given to the template. A
    model that knows no `reasoning_effort` refuses it, or with `effort_optional` leaves it out.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    call_required: bool = False
    parallel_calls: bool = True
    reasoning_effort: str | None = None
    effort_optional: bool = False
    template_arguments: dict[str, Any] = {}


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

    Those from `top_k` on are not the official API's; their names and meanings are llama.cpp's.
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
    extra: dict[str, Any] = {}


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


class EmbedRequest(Struct, frozen=True):
    """`dimensions` asks for shorter vectors: cut, then normalised again. `variant` and `extra` are
    as in `GenerateRequest`.
    """

    inputs: tuple[Text | Tokens, ...]
    dimensions: int | None = None
    variant: str | None = None
    extra: dict[str, Any] = {}


class EmbedResult(Struct, frozen=True):
    """`data` holds the vectors one after the other: little-endian float32, one row an input."""

    data: bytes
    dimensions: int
    prompt_tokens: int


class Engine:
    """One loaded model.

    `slots` is how many requests it works on at once; more are better queued outside.
    """

    slots: int = 1

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        """Load the weights at `path` (a file or a folder). `model` is for messages only.

        Raises an APIError, and leaves nothing behind, if that fails.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """End all work and give everything back. Safe to call twice."""

    def memory(self) -> int:
        """Bytes of resident memory that this model takes now, measured."""
        return 0

    def alive(self) -> bool:
        """False from the moment a request can have failed because the engine is gone."""
        return True

    async def died(self) -> None:
        """Return when the engine is gone by itself; until then, wait."""
        await asyncio.Event().wait()


class Generator(Engine):
    @classmethod
    def sees(cls, options: Mapping[str, Any]) -> bool:
        """Whether a model with these options takes images. Known without loading it."""
        return False

    def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Yield deltas, then one Finish. Closing the iterator cancels the work.

        A model that does not see refuses images before the first event.
        """
        raise NotImplementedError


class Embedder(Engine):
    async def embed(self, request: EmbedRequest) -> EmbedResult:
        """Embed every input. Cancelling the call cancels the work."""
        raise NotImplementedError


class Tokenizer(Engine):
    """The model's own vocabulary."""

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """The ids of a text. With `special` they begin as a prompt begins."""
        raise NotImplementedError

    async def detokenize(self, ids: Sequence[int]) -> str:
        """The text of the ids. Raises InvalidRequest for one that the vocabulary has not."""
        raise NotImplementedError

    async def count(self, chat: Chat) -> int:
        """How many tokens the conversation takes as a prompt, tools included."""
        raise NotImplementedError


class Directory(Engine):
    """Several models behind one engine, each asked for by its name as the `variant`."""

    async def models(self) -> tuple[str, ...]:
        """Their names now."""
        raise NotImplementedError
