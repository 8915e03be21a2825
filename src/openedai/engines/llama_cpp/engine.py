"""Text generation by llama.cpp: its own server as a child process, spoken to over a Unix socket.

The child listens in a private folder, with a key, and nowhere else. Its slots do the continuous
batching and keep the prefixes of earlier prompts; closing a response frees its slot, at once in
decoding and after the running batch in prefill.

    llama_cpp       loads, watches and ends the child; runs requests
    llama_request   a request of the contract to the server's own
    llama_images    the images in it
    llama_api       the server's calls and answers
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from openedai.contract.chat import Chat
from openedai.contract.engine import Generator, Tokenizer
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    Text,
    TextDelta,
    Usage,
)
from openedai.engines.llama_cpp.images import projector
from openedai.engines.llama_cpp.prompt_cache import PromptCache
from openedai.engines.llama_cpp.request import Adapter, Planner, Work
from openedai.engines.llama_cpp.sampling import SamplingDefaults
from openedai.engines.llama_cpp.scoring import score
from openedai.engines.llama_cpp.server.api import LlamaApi, Piece
from openedai.engines.llama_cpp.server.client import UnixClient
from openedai.engines.llama_cpp.server.launcher import start_server
from openedai.engines.llama_cpp.server.wheel import Launch
from openedai.engines.llama_cpp.template import Properties
from openedai.engines.llama_cpp.template_choice import chosen_format
from openedai.engines.machine import usable_cores
from openedai.engines.process.child import Child
from openedai.errors import EngineCrashed, EngineFailed, InvalidRequest


class LlamaOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`context` is in tokens and for each of the `slots` that work at once. `threads` None
    takes the cores this process may use. `batch` is the most prompt tokens computed in one go.
    `prompt_format` is a name of `openedai.prompts.prompt_formats`; `chat_template` is Jinja, or
    the path of a file that ends in .jinja. `template_choice` says which of them goes first.
    `server` is "auto", "wheel", or the path of a native llama-server. `prompt_cache` is a folder.
    `prompt_memory` is the most MiB for prompts whose slot another conversation took. `mmproj`
    is the file of the projector for images; a relative path begins at the folder of the weights.
    `adapters` come from the model's own key of that name.
    """

    context: int = 8192
    slots: int = 4
    threads: int | None = None
    batch: int = 256
    gpu_layers: int = -1
    prompt_format: str | None = None
    chat_template: str | None = None
    server: str = "auto"
    prompt_memory: int = 256
    prompt_cache: str | None = None
    adapters: tuple[Adapter, ...] = ()
    mmproj: str | None = None
    sampling: SamplingDefaults = SamplingDefaults()


class LlamaCpp(Generator, Tokenizer):
    def __init__(
        self,
        model: str,
        child: Child,
        folder: Path,
        api: LlamaApi,
        options: LlamaOptions,
        cache: PromptCache | None = None,
    ) -> None:
        self.model = model
        self.slots = options.slots
        self._child = child
        self._folder = folder
        self.api = api
        self._options = options
        self._cache = cache
        self.planner: Planner

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        try:
            known = msgspec.convert(dict(options), LlamaOptions)
        except msgspec.ValidationError as error:
            raise EngineFailed(f"Options of the model `{model}`: {error}.") from error
        if known.adapters and known.prompt_cache is not None:
            raise EngineFailed(
                f"Options of the model `{model}`: `prompt_cache` cannot be used with adapters, as "
                "llama.cpp does not say which of them a saved prompt was computed with."
            )
        folder = Path(tempfile.mkdtemp(prefix="openedai-"))
        try:
            return await cls._start(model, path, known, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @classmethod
    def supports_images(cls, options: Mapping[str, Any]) -> bool:
        return options.get("mmproj") is not None

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
            prompt_memory=options.prompt_memory,
            chat_template=found.template if found else None,
            adapters=tuple(adapter.path for adapter in options.adapters),
            projector=await asyncio.to_thread(projector, model, path, options.mmproj),
        )
        cache = await asyncio.to_thread(_prompt_cache, model, path, options)
        if cache is not None:
            launch = replace(launch, slots_folder=str(cache.folder))
        child = await start_server(launch, options.server)
        api = LlamaApi(model, UnixClient(Path(launch.socket), launch.key))
        engine = cls(model, child, folder, api, options, cache)
        try:
            await engine._look_around(found.stop if found else None)
            if cache is not None:
                await cache.restore(api)
        except OSError as error:
            await engine.close()
            raise EngineFailed(f"The engine of model `{model}` failed: {error}.") from error
        except BaseException:
            await engine.close()
            raise
        return engine

    async def _look_around(self, format_stops: tuple[str, ...] | None) -> None:
        """Learn of the model what requests are checked against."""
        models = await self.api.ask("GET", "/v1/models")
        properties = msgspec.convert(await self.api.ask("GET", "/props"), Properties)
        if self._options.mmproj is not None and not properties.modalities.vision:
            raise EngineFailed(f"The projector of the model `{self.model}` is not for images.")
        self.planner = Planner(
            self.model,
            self.api,
            properties,
            self._options.sampling,
            vocabulary=int(models["data"][0]["meta"]["n_vocab"]),
            format_stops=format_stops,
            adapters=self._options.adapters,
        )

    async def close(self) -> None:
        try:
            if self._cache is not None and self.alive():
                await self._cache.save(self.api)
        finally:
            await self._child.stop()
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def memory(self) -> int:
        return self._child.resident_bytes()

    def alive(self) -> bool:
        return self._child.process.returncode is None

    async def died(self) -> None:
        await self._child.wait()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        async with self._explained():
            work = await self.planner.plan(request)
            if request.echo and (echo := await self._echo(request, work)).text:
                yield echo
            if request.max_tokens == 0:
                usage = Usage(prompt_tokens=len(work.prompt_tokens))
                yield Finish(reason="length", usage=usage)
                return
            async with aclosing(self._run(work)) as events:
                async for event in events:
                    yield event

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Special tokens that are written out in the text are taken for what they are."""
        async with self._explained():
            return tuple(await self.api.tokenize(text, start=special))

    async def detokenize(self, ids: Sequence[int]) -> str:
        vocabulary = self.planner.vocabulary
        unknown = next((id for id in ids if not 0 <= id < vocabulary), None)
        if unknown is not None:
            raise InvalidRequest(
                f"There is no token {unknown}: the model's vocabulary has the ids 0 to "
                f"{vocabulary - 1}.",
                code="invalid_value",
                param="tokens",
            )
        async with self._explained():
            return await self.api.detokenize(list(ids))

    async def count(self, chat: Chat) -> int:
        async with self._explained():
            return await self.planner.count(chat)

    async def _echo(self, request: GenerateRequest, work: Work) -> TextDelta:
        """The prompt itself, with what the model thought of it if that was asked for."""
        if request.logprobs is None:
            if isinstance(request.prompt, Text):
                return TextDelta(text=request.prompt.text)
            return TextDelta(text=await self.api.detokenize(work.prompt_tokens))
        vocabulary = self.planner.vocabulary
        scored = await score(
            self.api,
            work.prompt_tokens,
            request.logprobs,
            vocabulary=vocabulary,
            settings=self.planner.adapter_scales(request.variant),
        )
        shown = scored[work.hidden :]
        if shown:
            shown[0] = replace(shown[0], logprob=None, top=())
        return TextDelta(text="".join(token.token for token in shown), logprobs=tuple(shown))

    async def _run(self, work: Work) -> AsyncGenerator[GenerateEvent, None]:
        reader = work.reader
        last, cached, reasoning = Piece(), 0, 0
        async with aclosing(self.api.complete(work.body, work.param)) as pieces:
            async for piece in pieces:
                last = piece
                if piece.prompt_progress is not None:
                    cached = piece.prompt_progress.cache
                    continue
                tokens = [p.parsed(work.alternatives) for p in piece.completion_probabilities]
                for event in reader.feed(piece.content, tokens):
                    yield event
                if reader.in_reasoning:
                    reasoning = piece.tokens_predicted
                if reader.done or piece.stop:
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
    async def _explained(self) -> AsyncIterator[None]:
        """Failures of the connection as what they mean for the request."""
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


def _prompt_cache(model: str, path: Path, options: LlamaOptions) -> PromptCache | None:
    if options.prompt_cache is None:
        return None
    return PromptCache.open(options.prompt_cache, model, path, options.slots)
