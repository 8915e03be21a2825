"""Text generation by llama.cpp: its own server as a child process, spoken to over a Unix socket.

The child listens in a private folder, with a key, and nowhere else. Its slots do the continuous
batching and keep the prefixes of earlier prompts. Closing a response frees its slot: at once
while it generates, after the running batch while it reads the prompt.

    engine          loads, watches and ends the child; runs requests
    options         the options of a model
    request         a request of the contract as the server's own
    images          the images in it
    server/         the child process, and the calls that it answers
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from openedai.contract.adapter import Adapter
from openedai.contract.chat import Chat
from openedai.contract.engine import Generator, Tokenizer, Traits
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    Text,
    TextDelta,
    Usage,
)
from openedai.engines.llama_cpp.images import projector_path
from openedai.engines.llama_cpp.options import LlamaOptions, read_options
from openedai.engines.llama_cpp.prompt_cache import PromptCache
from openedai.engines.llama_cpp.request import PreparedRequest, RequestBuilder
from openedai.engines.llama_cpp.scoring import score
from openedai.engines.llama_cpp.server.api import CompletionChunk, LlamaApi
from openedai.engines.llama_cpp.server.client import UnixClient
from openedai.engines.llama_cpp.server.launch import Launch
from openedai.engines.llama_cpp.server.launcher import start_server
from openedai.engines.llama_cpp.template import Properties
from openedai.engines.llama_cpp.template_choice import choose_format
from openedai.engines.machine import usable_cores
from openedai.engines.process.child import Child
from openedai.errors import EngineCrashed, EngineFailed, InvalidRequest


class LlamaCpp(Generator, Tokenizer):
    """One loaded model. Made by `load`; `resources` end the child and remove its files."""

    def __init__(
        self,
        model: str,
        slots: int,
        child: Child,
        api: LlamaApi,
        builder: RequestBuilder,
        resources: AsyncExitStack,
    ) -> None:
        self.model = model
        self.slots = slots
        self.api = api
        self.builder = builder
        self._child = child
        self._resources = resources

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        return await cls.load_with_adapters(model, path, options, ())

    @classmethod
    async def load_with_adapters(
        cls,
        model: str,
        path: Path | None,
        options: Mapping[str, Any],
        adapters: Sequence[Adapter],
    ) -> Self:
        """Start a server with the weights at `path`, a GGUF file. Raises EngineFailed."""
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        known = read_options(model, options, adapters)
        async with AsyncExitStack() as resources:
            folder = Path(tempfile.mkdtemp(prefix="openedai-"))
            resources.callback(shutil.rmtree, folder, ignore_errors=True)
            launch, stops = await asyncio.to_thread(_prepare_launch, model, path, known, folder)
            cache = await asyncio.to_thread(_open_prompt_cache, model, path, known)
            if cache is not None:
                launch = replace(launch, slots_folder=str(cache.folder))
            child = await start_server(launch, known.server)
            resources.push_async_callback(child.stop)
            api = LlamaApi(model, UnixClient(Path(launch.socket), launch.key))
            try:
                builder = await _probe(model, api, known, stops)
                if cache is not None:
                    resources.push_async_callback(cache.save, api)
                    await cache.restore(api)
            except OSError as error:
                raise EngineFailed(f"The engine of model `{model}` failed: {error}.") from error
            return cls(model, known.slots, child, api, builder, resources.pop_all())

    @classmethod
    def traits(cls, options: Mapping[str, Any]) -> Traits:
        return Traits(
            supports_images=options.get("mmproj") is not None,
            prompt_format=options.get("prompt_format"),
            context=options.get("context"),
            sampling=options.get("sampling", {}),
        )

    async def close(self) -> None:
        await self._resources.aclose()

    def memory(self) -> int:
        return self._child.resident_bytes()

    def alive(self) -> bool:
        return self._child.process.returncode is None

    async def died(self) -> None:
        await self._child.wait()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        async with self._translate_errors():
            prepared = await self.builder.build(request)
            if request.echo and (echo := await self._echo(request, prepared)).text:
                yield echo
            if request.max_tokens == 0:
                usage = Usage(prompt_tokens=len(prepared.prompt_tokens))
                yield Finish(reason="length", usage=usage)
                return
            async with aclosing(self._run(prepared)) as events:
                async for event in events:
                    yield event

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Special tokens that are written out in the text are read as such."""
        async with self._translate_errors():
            return tuple(await self.api.tokenize(text, start=special))

    async def detokenize(self, ids: Sequence[int]) -> str:
        vocabulary = self.builder.vocabulary
        unknown = next((id for id in ids if not 0 <= id < vocabulary), None)
        if unknown is not None:
            raise InvalidRequest(
                f"There is no token {unknown}: the model's vocabulary has the ids 0 to "
                f"{vocabulary - 1}.",
                code="invalid_value",
                param="tokens",
            )
        async with self._translate_errors():
            return await self.api.detokenize(list(ids))

    async def count(self, chat: Chat) -> int:
        async with self._translate_errors():
            return await self.builder.count(chat)

    async def _echo(self, request: GenerateRequest, prepared: PreparedRequest) -> TextDelta:
        """The prompt itself, with its log probabilities if they were requested."""
        if request.logprobs is None:
            if isinstance(request.prompt, Text):
                return TextDelta(text=request.prompt.text)
            return TextDelta(text=await self.api.detokenize(prepared.prompt_tokens))
        vocabulary = self.builder.vocabulary
        scored = await score(
            self.api,
            prepared.prompt_tokens,
            request.logprobs,
            vocabulary=vocabulary,
            settings=self.builder.adapter_scales(request.variant),
        )
        visible = scored[prepared.hidden :]
        if visible:
            visible[0] = replace(visible[0], logprob=None, top=())
        return TextDelta(text="".join(token.token for token in visible), logprobs=tuple(visible))

    async def _run(self, prepared: PreparedRequest) -> AsyncGenerator[GenerateEvent, None]:
        reader = prepared.reader
        last, cached, reasoning = CompletionChunk(), 0, 0
        async with aclosing(self.api.complete(prepared.body, prepared.param)) as chunks:
            async for chunk in chunks:
                last = chunk
                if chunk.prompt_progress is not None:
                    cached = chunk.prompt_progress.cache
                    continue
                tokens = [
                    p.to_logprob(prepared.alternatives) for p in chunk.completion_probabilities
                ]
                for event in reader.feed(chunk.content, tokens):
                    yield event
                if reader.in_reasoning:
                    reasoning = chunk.tokens_predicted
                if reader.done or chunk.stop:
                    break
        if not (last.stop or reader.done):
            await self._raise_if_dead()
            raise EngineFailed(f"The engine of model `{self.model}` ended its answer too early.")
        for event in reader.end():
            yield event
        yield Finish(
            reason=reader.finish_reason(truncated=last.stop_type == "limit"),
            usage=Usage(
                prompt_tokens=last.tokens_evaluated,
                completion_tokens=last.tokens_predicted,
                cached_tokens=cached,
                reasoning_tokens=reasoning,
            ),
            stop=reader.stop,
        )

    @asynccontextmanager
    async def _translate_errors(self) -> AsyncIterator[None]:
        """Raise EngineCrashed or EngineFailed where the connection to the server fails."""
        try:
            yield
        except OSError as error:
            await self._raise_if_dead()
            raise EngineFailed(f"The engine of model `{self.model}` failed: {error}.") from error

    async def _raise_if_dead(self) -> None:
        """A dead child closes its connections a moment before its end is known."""
        try:
            async with asyncio.timeout(0.5):
                await self._child.wait()
        except TimeoutError:
            return
        raise EngineCrashed(self.model)


def _prepare_launch(
    model: str, path: Path, options: LlamaOptions, folder: Path
) -> tuple[Launch, tuple[str, ...] | None]:
    """The launch of a server with its socket in `folder`; and the stops of the prompt format that
    replaces the template in the weights, if one does. Blocking. Raises EngineFailed.
    """
    prompt_format = choose_format(
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
        prompt_memory=options.prompt_memory,
        chat_template=prompt_format.template if prompt_format else None,
        adapters=options.adapters,
        projector=projector_path(model, path, options.mmproj),
    )
    return launch, prompt_format.stop if prompt_format else None


def _open_prompt_cache(model: str, path: Path, options: LlamaOptions) -> PromptCache | None:
    if options.prompt_cache is None:
        return None
    return PromptCache.open(options.prompt_cache, model, path, options.slots)


async def _probe(
    model: str, api: LlamaApi, options: LlamaOptions, format_stops: tuple[str, ...] | None
) -> RequestBuilder:
    """Ask the server for what requests are checked against. Raises OSError and EngineFailed."""
    models = await api.call("GET", "/v1/models")
    properties = msgspec.convert(await api.call("GET", "/props"), Properties)
    if options.mmproj is not None and not properties.modalities.vision:
        raise EngineFailed(f"The projector of the model `{model}` is not for images.")
    return RequestBuilder(
        model,
        api,
        properties,
        options,
        vocabulary=int(models["data"][0]["meta"]["n_vocab"]),
        format_stops=format_stops,
    )
