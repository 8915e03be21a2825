"""What llama.cpp's own server understands and answers, as typed calls.

Its native API and not the one in OpenAI's shape: that one gives the log probabilities of
completions in another shape, does not hold every model to required calls, and parses the whole
answer again for each token. Stop texts are not left to it: what it holds back for one is lost at a
limit. The server's answers are facts of llama.cpp; what they mean for a client is not known here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from openedai.contract.generate import Alternative, TokenLogprob
from openedai.engines.llama_cpp.server.client import UnixClient
from openedai.errors import APIError, ContextLengthExceeded, EngineFailed, InvalidRequest

# The parts of the last piece that are read; without this it repeats the whole prompt.
_LAST_FIELDS = (
    "content",
    "stop",
    "stop_type",
    "tokens_predicted",
    "tokens_evaluated",
    "timings/cache_n",
)


class Probability(msgspec.Struct):
    """Of a token, by the raw logits: samplers and biases are not in it."""

    id: int
    token: str
    bytes: list[int]
    logprob: float
    top_logprobs: list[Probability] = []

    def parsed(self, alternatives: int) -> TokenLogprob:
        top = tuple(
            Alternative(token=other.token, raw=bytes(other.bytes), logprob=other.logprob)
            for other in self.top_logprobs[:alternatives]
        )
        return TokenLogprob(token=self.token, raw=bytes(self.bytes), logprob=self.logprob, top=top)


class Progress(msgspec.Struct):
    cache: int = 0


class Problem(msgspec.Struct):
    message: str = ""
    type: str = ""
    code: int = 500
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class Piece(msgspec.Struct):
    """A part of a generated text. `tokens_predicted` counts from the start of the answer;
    `stop_type` of the last one is `eos`, `limit` or `word`.
    """

    content: str = ""
    stop: bool = False
    stop_type: str = ""
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    completion_probabilities: list[Probability] = []
    prompt_progress: Progress | None = None
    cached: int = msgspec.field(default=0, name="timings/cache_n")
    error: Problem | None = None


class _Tokens(msgspec.Struct):
    tokens: list[int]


class LlamaApi:
    """Raises OSError when the server is gone, and APIErrors for what it refuses."""

    def __init__(self, model: str, client: UnixClient) -> None:
        self._model = model
        self._client = client
        self._decoder = msgspec.json.Decoder(Piece)

    async def ask(self, method: str, path: str, body: Any = None, param: str = "prompt") -> Any:
        """One whole answer. `param` is what its errors are about."""
        async with self._client.request(method, path, body) as response:
            data = await response.read()
            if response.status != 200:
                raise self._problem(data, param)
            return msgspec.json.decode(data)

    async def tokenize(self, text: str, *, start: bool = True) -> list[int]:
        """The ids of a text; `start` puts the model's token for the beginning before it."""
        body = {"content": text, "add_special": start, "parse_special": True}
        answer = await self.ask("POST", "/tokenize", body)
        return msgspec.convert(answer, _Tokens).tokens

    async def detokenize(self, ids: list[int]) -> str:
        answer = await self.ask("POST", "/detokenize", {"tokens": ids})
        return str(answer["content"])

    async def apply_template(self, body: dict[str, Any]) -> str:
        """The prompt that the model's chat template makes of messages and tools."""
        answer = await self.ask("POST", "/apply-template", body, "messages")
        return str(answer["prompt"])

    async def complete(
        self, body: dict[str, Any], param: str = "prompt"
    ) -> AsyncGenerator[Piece, None]:
        """Generate. The first pieces, while the prompt is read, have no text."""
        fields = {
            "stream": True,
            # A piece after each batch of the prompt: the server notices only when it writes
            # that nobody reads any more.
            "return_progress": True,
            "response_fields": _LAST_FIELDS,
        }
        async with self._client.request("POST", "/completion", body | fields) as response:
            if response.status != 200:
                raise self._problem(await response.read(), param)
            async for event in response.events():
                piece = self._piece(event, param)
                if piece is not None:
                    yield piece

    def _piece(self, event: bytes, param: str) -> Piece | None:
        """Read one server-sent event. Raises the APIError that it may tell of."""
        if event.startswith(b"data: {"):
            piece = self._decoder.decode(event[6:])
            if piece.error is not None:
                raise self._refusal(piece.error, param)
            return piece
        if event.startswith(b"error: "):
            raise self._problem(b'{"error":' + event[7:] + b"}", param)
        return None  # a comment that keeps the connection alive

    def _problem(self, body: bytes, param: str) -> APIError:
        try:
            problem = self._decoder.decode(body).error
        except msgspec.MsgspecError:
            problem = None
        return self._refusal(problem or Problem(message=body.decode("utf-8", "replace")), param)

    def _refusal(self, problem: Problem, param: str) -> APIError:
        if problem.type == "exceed_context_size_error":
            return ContextLengthExceeded(problem.n_ctx, problem.n_prompt_tokens, param=param)
        if 400 <= problem.code < 500:
            return InvalidRequest(
                f"The model refused the request: {problem.message}",
                code="invalid_value",
                param=param,
            )
        return EngineFailed(f"The engine of model `{self._model}` failed: {problem.message}")
