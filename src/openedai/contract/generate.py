"""Text generation: requests, and the events of an answer."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec.structs import asdict

from openedai.contract.chat import Chat
from openedai.contract.struct import Struct


class Text(Struct, frozen=True, tag="text"):
    """A raw prompt as text, which the engine tokenises."""

    text: str


class Tokens(Struct, frozen=True, tag="tokens"):
    """A raw prompt as token ids of the model's own vocabulary."""

    ids: tuple[int, ...]


class JsonObject(Struct, frozen=True, tag="json_object"):
    """The answer is any JSON object."""


class JsonSchema(Struct, frozen=True, tag="json_schema"):
    """The answer is JSON that validates against the schema."""

    schema: dict[str, Any]


class Grammar(Struct, frozen=True, tag="grammar"):
    """The answer is derived from the rule `root` of a grammar in GBNF, llama.cpp's notation."""

    gbnf: str


class Regex(Struct, frozen=True, tag="regex"):
    """The answer as a whole matches the pattern."""

    pattern: str


Constraint = JsonObject | JsonSchema | Grammar | Regex


class LocalSampling(Struct, frozen=True):
    """Samplers that the official API does not have. Their names and meanings are llama.cpp's.

    None means the model's configured default.
    """

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

    def given(self) -> dict[str, Any]:
        """The parameters that are not None, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Sampling(Struct, frozen=True):
    """The parameters of sampling. None means the model's configured default.

    `logit_bias` has pairs of a token id and the value that is added to its logit. With a `seed`,
    the same request has the same answer as far as the engine can guarantee it. If there are
    `allowed_tokens`, no others are chosen; `bad_words` are texts that are never chosen.
    """

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int | None = None
    allowed_tokens: tuple[int, ...] = ()
    bad_words: tuple[str, ...] = ()
    local: LocalSampling = LocalSampling()


class Ending(Struct, frozen=True):
    """Where an answer ends, apart from its limit, its stop strings and the model's own end.

    Nothing ends it before it has `min_tokens` tokens, and with `ignore_end` the model never does,
    unless a constraint allows nothing else. It also ends before any of `stop_tokens`. With
    `keep_stop` the stop string or token that ends it is a part of it.
    """

    min_tokens: int = 0
    ignore_end: bool = False
    stop_tokens: tuple[int, ...] = ()
    keep_stop: bool = False


class GenerateRequest(Struct, frozen=True):
    """A request for one answer.

    `max_tokens` limits the tokens of the answer; None until the model ends it or its context is
    full. With `echo` the answer begins with the prompt, and `max_tokens` may be 0. The answer ends
    before the first of the `stop` strings. `suffix` is the text after the answer, for a model that
    fills in the middle. Of a prompt with more than `prompt_limit` tokens only the last ones are
    used; 0 is as many as leave room for the answer, None is no limit.

    `logprobs` requests the log probability of each token and of that many alternatives; None
    requests none. `prompt_logprobs` requests the same of the prompt's tokens, in the `Finish`. With
    `reports_start` the first event may be `Started`. Unless it is `streamed`, several events may
    come together. `variant` selects one of the engine's models: an adapter, or a name that an
    upstream has; None is the main one. `extra` are parameters for an upstream, as the client sent
    them.
    """

    prompt: Chat | Text | Tokens
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    ending: Ending = Ending()
    prompt_limit: int | None = None
    constraint: Constraint | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    echo: bool = False
    suffix: str | None = None
    reports_start: bool = False
    streamed: bool = True
    variant: str | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class Usage(Struct, frozen=True):
    """Exact numbers of tokens.

    `cached_tokens` are those of the prompt that were not computed again. `reasoning_tokens` are
    those of the completion that are reasoning.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Alternative(Struct, frozen=True):
    """An alternative to a token, with its natural log probability.

    `raw` are its bytes, and `token` is their text as far as they are valid UTF-8.
    """

    token: str
    raw: bytes
    logprob: float


class TokenLogprob(Struct, frozen=True):
    """A token with its natural log probability. `token` and `raw` are as in `Alternative`.

    `logprob` is None for the first token of a prompt, which has none. `top` are the most likely
    tokens at its position, in descending order.
    """

    token: str
    raw: bytes
    logprob: float | None
    top: tuple[Alternative, ...] = ()


class Started(Struct, frozen=True, tag="started"):
    """The first event, if the request asks for it and the engine knows it: the prompt's tokens.

    The numbers are those of the `Usage` at the end.
    """

    prompt_tokens: int
    cached_tokens: int = 0


class TextDelta(Struct, frozen=True, tag="text"):
    """The next part of the answer's text: never empty, and complete characters only.

    `logprobs`, if requested, are those of the tokens of this part.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class ReasoningDelta(Struct, frozen=True, tag="reasoning"):
    """The next part of the reasoning that comes before the answer; never empty."""

    text: str


class ToolCallDelta(Struct, frozen=True, tag="tool_call"):
    """The next part of the tool call at `index`, which counts from 0.

    Only the first part of a call has an `id` and a `name`. The `arguments` of all its parts joined
    are the JSON text.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class RankedToken(Struct, frozen=True):
    """A token that may stand at a position of the prompt, with its natural log probability.

    The likeliest one has the `rank` 1. `text` is the token's as far as it is valid UTF-8.
    """

    id: int
    text: str
    logprob: float
    rank: int


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Finish(Struct, frozen=True, tag="finish"):
    """The last event: why the generation ended, and its usage.

    The reason is "tool_calls" only if there are calls and all are complete, "length" if a limit
    truncated the answer, and "content_filter" if an upstream removed something from it. `stop` is
    the stop string of the request that ended the answer, if one did and the engine knows which.
    `prompt_logprobs`, if requested, has for each position of the prompt the token there, and then
    the likeliest ones: nothing for the first position.
    """

    reason: FinishReason
    usage: Usage
    stop: str | None = None
    prompt_logprobs: tuple[tuple[RankedToken, ...], ...] = ()


GenerateEvent = Started | TextDelta | ReasoningDelta | ToolCallDelta | Finish
