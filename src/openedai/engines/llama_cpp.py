"""Text generation by llama.cpp: its own server as a child process, spoken to over a Unix socket.

The child listens in a private folder, with a key, and nowhere else. Its slots do the continuous
batching and keep the prefixes of earlier prompts; closing a response frees its slot, at once in
decoding and after the running batch in prefill.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from openedai.engines.base import (
    Chat,
    Finish,
    GenerateEvent,
    GenerateRequest,
    Generator,
    Sampling,
    Text,
    TextDelta,
    Usage,
)
from openedai.engines.chat_template import chosen_format
from openedai.engines.child import Child
from openedai.engines.llama_launcher import start_server
from openedai.engines.llama_server import Launch
from openedai.engines.machine import usable_cores
from openedai.engines.unix_http import UnixClient
from openedai.errors import (
    APIError,
    ContextLengthExceeded,
    EngineCrashed,
    EngineFailed,
    InvalidRequest,
)


class SamplingDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request that names no value gets; the API's own defaults unless configured.

    `top_k` 0 and `min_p` 0 leave every token in the draw.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0


class LlamaOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`context` is in tokens and for each of the `slots` that work at once. `threads` None
    takes the cores this process may use. `batch` is the most prompt tokens computed in one go.
    `prompt_format` is a name of `openedai.prompts.formats`; `chat_template` is Jinja, or the path
    of a file that ends in .jinja. See `openedai.engines.chat_template` for what goes first.
    `server` is "auto", "wheel", or the path of a native llama-server.
    """

    context: int = 8192
    slots: int = 4
    threads: int | None = None
    batch: int = 256
    gpu_layers: int = -1
    prompt_format: str | None = None
    chat_template: str | None = None
    server: str = "auto"
    sampling: SamplingDefaults = SamplingDefaults()


class _PromptDetails(msgspec.Struct):
    cached_tokens: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails = msgspec.field(default_factory=_PromptDetails)


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    finish_reason: str | None = None
    text: str | None = None
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _Error(msgspec.Struct):
    message: str = ""
    type: str = ""
    code: int = 500
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _Error | None = None


_NOTHING = _Chunk()


class LlamaCpp(Generator):
    def __init__(
        self,
        model: str,
        child: Child,
        folder: Path,
        client: UnixClient,
        options: LlamaOptions,
        format_stops: tuple[str, ...] = (),
    ) -> None:
        self.model = model
        self.slots = options.slots
        self._context = options.context
        self._defaults = options.sampling
        self._child = child
        self._folder = folder
        self._client = client
        self._format_stops = format_stops
        self._vocabulary = 0
        self._empty_prompt: list[int] = []
        self._decoder = msgspec.json.Decoder(_Chunk)

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        try:
            known = msgspec.convert(dict(options), LlamaOptions)
        except msgspec.ValidationError as error:
            raise EngineFailed(f"Options of the model `{model}`: {error}.") from error
        folder = Path(tempfile.mkdtemp(prefix="openedai-"))
        try:
            return await cls._start(model, path, known, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @classmethod
    async def _start(cls, model: str, path: Path, options: LlamaOptions, folder: Path) -> Self:
        found = await asyncio.to_thread(
            chosen_format,
            model,
            path,
            chat_template=options.chat_template,
            prompt_format=options.prompt_format,
        )
        launch = Launch(
            model=model,
            path=str(path),
            socket=str(folder / "llama.sock"),
            key=secrets.token_urlsafe(32),
            slots=options.slots,
            context=options.context,
            threads=options.threads or usable_cores(),
            batch=options.batch,
            gpu_layers=options.gpu_layers,
            chat_template=found.template if found else None,
        )
        child = await start_server(launch, options.server)
        client = UnixClient(Path(launch.socket), launch.key)
        stops = found.stop if found else ()
        engine = cls(model, child, folder, client, options, stops)
        try:
            await engine._look_around()
        except BaseException:
            await engine.close()
            raise
        return engine

    async def _look_around(self) -> None:
        """Learn of the model what requests are checked against."""
        models = await self._ask("GET", "/v1/models")
        self._vocabulary = int(models["data"][0]["meta"]["n_vocab"])
        start = (await self._ask("GET", "/props"))["bos_token"]
        found = await self._ask("POST", "/tokenize", {"content": "", "add_special": True})
        if not found["tokens"]:
            body = {"content": start, "parse_special": True}
            found = await self._ask("POST", "/tokenize", body)
        self._empty_prompt = found["tokens"]

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        async with self._client.request(method, path, body) as response:
            return msgspec.json.decode(await response.read())

    async def close(self) -> None:
        await self._child.stop()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def memory(self) -> int:
        return self._child.resident_bytes()

    def alive(self) -> bool:
        return self._child.process.returncode is None

    async def died(self) -> None:
        await self._child.wait()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        path, body = self._call(request)
        param = "messages" if isinstance(request.prompt, Chat) else "prompt"
        reason, usage = None, None
        try:
            async with self._client.request("POST", path, body) as response:
                if response.status != 200:
                    raise self._error(await response.read(), param)
                async for event in response.events():
                    chunk = self._chunk(event, param)
                    for choice in chunk.choices:
                        if text := choice.delta.content or choice.text:
                            yield TextDelta(text=text)
                        reason = choice.finish_reason or reason
                    usage = chunk.usage or usage
        except OSError as error:
            await self._raise_if_dead()
            raise EngineFailed(f"The engine of model `{self.model}` failed: {error}.") from error
        if reason is None or usage is None:
            await self._raise_if_dead()
            raise EngineFailed(f"The engine of model `{self.model}` ended its answer too early.")
        yield Finish(
            reason="length" if reason == "length" else "stop",
            usage=Usage(
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cached_tokens=usage.prompt_tokens_details.cached_tokens,
            ),
        )

    def _chunk(self, event: bytes, param: str) -> _Chunk:
        """Read one server-sent event. Raises the APIError that it may tell of."""
        if event.startswith(b"data: {"):
            chunk = self._decoder.decode(event[6:])
            if chunk.error is not None:
                raise self._refusal(chunk.error, param)
            return chunk
        if event.startswith(b"error: "):
            raise self._error(b'{"error":' + event[7:] + b"}", param)
        return _NOTHING  # the closing [DONE], or a comment that keeps the connection alive

    def _call(self, request: GenerateRequest) -> tuple[str, dict[str, Any]]:
        body = {
            **self._sampling(request.sampling),
            "max_tokens": -1 if request.max_tokens is None else request.max_tokens,
            "stop": list(request.stop),
            "stream": True,
            "stream_options": {"include_usage": True},
            # A piece after each batch of the prompt: the server notices only when it writes
            # that nobody reads any more.
            "return_progress": True,
        }
        match request.prompt:
            case Chat(messages=messages):
                body["stop"] += self._format_stops
                body["messages"] = [msgspec.to_builtins(message) for message in messages]
                return "/v1/chat/completions", body
            case Text(text=""):
                return "/v1/completions", body | {"prompt": self._empty_prompt}
            case Text(text=text):
                return "/v1/completions", body | {"prompt": text}
            case tokens:
                return "/v1/completions", body | {"prompt": list(tokens.ids)}

    def _sampling(self, sampling: Sampling) -> dict[str, Any]:
        defaults = self._defaults
        values: dict[str, Any] = {
            "temperature": defaults.temperature,
            "top_p": defaults.top_p,
            "top_k": defaults.top_k,
            "min_p": defaults.min_p,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            "repeat_last_n": self._context,  # the API looks at the whole text
            "logit_bias": [list(self._known(pair)) for pair in sampling.logit_bias],
        }
        if sampling.temperature is not None:
            values["temperature"] = sampling.temperature
        if sampling.top_p is not None:
            values["top_p"] = sampling.top_p
        if sampling.seed is not None:
            values["seed"] = sampling.seed % 0x7FFFFFFF
        if values["temperature"] == 0:
            values["top_k"] = 1  # the same choice, without sorting the whole vocabulary
        return values

    def _known(self, bias: tuple[int, float]) -> tuple[int, float]:
        if bias[0] >= self._vocabulary:
            raise InvalidRequest(
                f"Invalid key in 'logit_bias': {bias[0]} is no token of this model, which has "
                f"{self._vocabulary}.",
                code="invalid_value",
                param="logit_bias",
            )
        return bias

    async def _raise_if_dead(self) -> None:
        """A dead child closes its connections a moment before its end is known."""
        try:
            async with asyncio.timeout(0.5):
                await self._child.wait()
        except TimeoutError:
            return
        raise EngineCrashed(self.model)

    def _error(self, body: bytes, param: str) -> APIError:
        try:
            error = self._decoder.decode(body).error
        except msgspec.MsgspecError:
            error = None
        return self._refusal(error or _Error(message=body.decode("utf-8", "replace")), param)

    def _refusal(self, error: _Error, param: str) -> APIError:
        if error.type == "exceed_context_size_error":
            return ContextLengthExceeded(error.n_ctx, error.n_prompt_tokens, param=param)
        if 400 <= error.code < 500:
            return InvalidRequest(
                f"The model refused the request: {error.message}",
                code="invalid_value",
                param=param,
            )
        return EngineFailed(f"The engine of model `{self.model}` failed: {error.message}")
