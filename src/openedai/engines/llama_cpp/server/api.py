"""The HTTP API of llama.cpp's own server, as typed calls.

Its native API and not the one in OpenAI's shape: that one gives the log probabilities of
completions in another shape, does not hold every model to required calls, and parses the whole
answer again for each token. It is given no stop texts: what it holds back for one is lost at a
limit.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from openedai.contract.generate import Alternative, TokenLogprob
from openedai.engines.llama_cpp.server.client import UnixClient
from openedai.errors import APIError, ContextLengthExceeded, EngineFailed, InvalidRequest

# The fields of the last chunk that are read; without this list it repeats the whole prompt.
_LAST_FIELDS = (
    "content",
    "stop",
    "stop_type",
    "tokens_predicted",
    "tokens_evaluated",
    "timings/cache_n",
)


class TokenProbability(msgspec.Struct):
    """The probability of a token by the raw logits, before samplers and biases."""

    id: int
    token: str
    bytes: list[int]
    logprob: float
    top_logprobs: list[TokenProbability] = []

    def to_logprob(self, alternatives: int) -> TokenLogprob:
        """The token as a value of the contract, with at most that many alternatives."""
        top = tuple(
            Alternative(token=other.token, raw=bytes(other.bytes), logprob=other.logprob)
            for other in self.top_logprobs[:alternatives]
        )
        return TokenLogprob(token=self.token, raw=bytes(self.bytes), logprob=self.logprob, top=top)


class PromptProgress(msgspec.Struct):
    """`cache` is how many tokens of the prompt were computed before."""

    cache: int = 0


class ServerError(msgspec.Struct):
    """`code` is an HTTP status."""

    message: str = ""
    type: str = ""
    code: int = 500
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class CompletionChunk(msgspec.Struct):
    """A part of a generated text. `tokens_predicted` counts from the start of the answer;
    `stop_type` of the last one is `eos`, `limit` or `word`.
    """

    content: str = ""
    stop: bool = False
    stop_type: str = ""
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    completion_probabilities: list[TokenProbability] = []
    prompt_progress: PromptProgress | None = None
    cached: int = msgspec.field(default=0, name="timings/cache_n")
    error: ServerError | None = None


class _Tokens(msgspec.Struct):
    tokens: list[int]


class LlamaApi:
    """Raises OSError when the server is gone, and APIErrors for what it refuses."""

    def __init__(self, model: str, client: UnixClient) -> None:
        self._model = model
        self._client = client
        self._decoder = msgspec.json.Decoder(CompletionChunk)

    async def call(self, method: str, path: str, body: Any = None, param: str = "prompt") -> Any:
        """The decoded JSON of an answer. `param` is the parameter that its errors name."""
        async with self._client.request(method, path, body) as response:
            data = await response.read()
            if response.status != 200:
                raise self._read_error(data, param)
            return msgspec.json.decode(data)

    async def tokenize(self, text: str, *, start: bool = True) -> list[int]:
        """The ids of a text, after the model's special tokens for a beginning if `start`."""
        body = {"content": text, "add_special": start, "parse_special": True}
        answer = await self.call("POST", "/tokenize", body)
        return msgspec.convert(answer, _Tokens).tokens

    async def detokenize(self, ids: list[int]) -> str:
        """The text of the ids; incomplete characters become U+FFFD."""
        answer = await self.call("POST", "/detokenize", {"tokens": ids})
        return str(answer["content"])

    async def apply_template(self, body: dict[str, Any]) -> str:
        """The prompt that the model's chat template makes of messages and tools."""
        answer = await self.call("POST", "/apply-template", body, "messages")
        return str(answer["prompt"])

    async def complete(
        self, body: dict[str, Any], param: str = "prompt"
    ) -> AsyncGenerator[CompletionChunk, None]:
        """Generate. The first chunks, while the prompt is read, have no text."""
        fields = {
            "stream": True,
            # A chunk after each batch of the prompt: the server notices only when it writes
            # that the client is gone.
            "return_progress": True,
            "response_fields": _LAST_FIELDS,
        }
        async with self._client.request("POST", "/completion", body | fields) as response:
            if response.status != 200:
                raise self._read_error(await response.read(), param)
            async for event in response.events():
                chunk = self._read_chunk(event, param)
                if chunk is not None:
                    yield chunk

    def _read_chunk(self, event: bytes, param: str) -> CompletionChunk | None:
        """Read one server-sent event. Raises the APIError that it reports, if it is one."""
        if event.startswith(b"data: {"):
            chunk = self._decoder.decode(event[6:])
            if chunk.error is not None:
                raise self._to_error(chunk.error, param)
            return chunk
        if event.startswith(b"error: "):
            raise self._read_error(b'{"error":' + event[7:] + b"}", param)
        return None  # a comment that keeps the connection alive

    def _read_error(self, body: bytes, param: str) -> APIError:
        try:
            error = self._decoder.decode(body).error
        except msgspec.MsgspecError:
            error = None
        return self._to_error(error or ServerError(message=body.decode("utf-8", "replace")), param)

    def _to_error(self, error: ServerError, param: str) -> APIError:
        if error.type == "exceed_context_size_error":
            return ContextLengthExceeded.by_tokens(error.n_ctx, error.n_prompt_tokens, param=param)
        if 400 <= error.code < 500:
            return InvalidRequest(
                f"The model refused the request: {error.message}",
                code="invalid_value",
                param=param,
            )
        return EngineFailed(f"The engine of model `{self._model}` failed: {error.message}")
