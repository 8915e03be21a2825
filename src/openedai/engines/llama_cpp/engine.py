"""Text generation by llama.cpp's library, driven by a loop of our own.

engine          loads a model and runs requests
options         the options of a model
reranker        a model that scores pairs of texts; pairs has their tokens
request         a request of the contract as a job of the loop
template        the prompt of a conversation; template_choice says by which template
loop            the thread that computes: continuous batching
sequence        one job in it
decisions       questions as jobs; labels are the answers that they score
library_choice  which build of llama.cpp is used
prefixes        reuse of computed prompts
prompt_cache    computed prompts on disk
native/         llama.cpp's memory: the library, the model, samplers, grammars, images
"""

from __future__ import annotations

import asyncio
import codecs
import functools
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from openedai.contract.adapter import Adapter
from openedai.contract.chat import Chat
from openedai.contract.decide import DecideRequest, DecideResult
from openedai.contract.engine import Decider, Generator, Moderator, Tokenizer, Traits
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    RankedToken,
    Started,
    TextDelta,
    TokenLogprob,
    Usage,
)
from openedai.contract.moderate import ModerateRequest, ModerateResult
from openedai.engines.free_cores import FreeCores
from openedai.engines.llama_cpp.library_choice import choose_library
from openedai.engines.llama_cpp.loop import Loop
from openedai.engines.llama_cpp.native.model import Model
from openedai.engines.llama_cpp.options import (
    DEFAULT_CONTEXT,
    STACK_SIZE,
    LlamaOptions,
    read_options,
)
from openedai.engines.llama_cpp.prefixes import Prefixes
from openedai.engines.llama_cpp.prompt_cache import PromptCache
from openedai.engines.llama_cpp.sequence import End, Scores, Token
from openedai.engines.machine import usable_cores
from openedai.engines.moderation.guards import GuardedTexts, read_guard
from openedai.errors import APIError, EngineCrashed, EngineFailed
from openedai.prompts.guards import Guard

if TYPE_CHECKING:
    from openedai.engines.llama_cpp.request import PreparedRequest, RequestBuilder

_THREADS = 2
_MIB = 1 << 20

P = ParamSpec("P")
T = TypeVar("T")


class LlamaCpp(Generator, Tokenizer, Decider, Moderator):
    """One loaded model. Made by `load`."""

    def __init__(
        self,
        name: str,
        model: Model,
        builder: RequestBuilder,
        loop: Loop,
        prefixes: Prefixes,
        cache: PromptCache | None,
        slots: int,
        guard: Guard | None = None,
    ) -> None:
        self.slots = slots
        self._guard = guard
        self.builder = builder
        self._name = name
        self._model = model
        # The work outside the loop that uses the model's memory; it ends before the memory is
        # freed.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"prompts {name}")
        self._grammar_thread = ThreadPoolExecutor(1, thread_name_prefix=f"grammars {name}")
        self.loop = loop
        self._prefixes = prefixes
        self._cache = cache
        self._closed = False

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
        """Load the weights at `path`, a GGUF file. Raises EngineFailed."""
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        known = read_options(model, options, adapters)
        guard = read_guard(model, known.moderation)
        threading.stack_size(STACK_SIZE)
        free_cores = None if known.threads else FreeCores(usable_cores())
        loaded, builder, cache = await asyncio.to_thread(_load, model, path, known, guard)
        prefixes = Prefixes(loaded, known.slots, known.prompt_memory * _MIB)
        loop = Loop(model, loaded, prefixes, free_cores)
        if cache is not None:
            await loop.call(lambda: cache.restore(prefixes))
        return cls(model, loaded, builder, loop, prefixes, cache, known.slots, guard)

    @classmethod
    def traits(cls, options: Mapping[str, Any]) -> Traits:
        return Traits(
            supports_images=options.get("mmproj") is not None,
            prompt_format=options.get("prompt_format"),
            context=options.get("context", DEFAULT_CONTEXT),
            sampling=options.get("sampling", {}),
        )

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        cache = self._cache
        if cache is not None and not self.loop.failed.is_set():
            await self.loop.call(lambda: cache.save(self._prefixes))
        await asyncio.to_thread(self.builder.close)
        for threads in (self._threads, self._grammar_thread):
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        await self.loop.close()
        await asyncio.to_thread(self._model.close)

    async def add_adapter(self, adapter: Adapter) -> None:
        """Loads the adapter between two steps of the loop: some milliseconds for a small one."""

        def add() -> None:
            if not self.builder.has_adapter(adapter.name):
                number = self._model.add_adapter(adapter)
                self.builder.add_adapter(adapter.name, number, adapter.scale)

        await self.loop.call(add)

    def progress(self) -> int:
        return sum(self.loop.progress())

    async def died(self) -> None:
        await self.loop.failed.wait()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        prepared = await self._run(self.builder.build, request)
        if prepared.grammar is not None:
            await self._run_in(self._grammar_thread, self.builder.constrain, prepared)
        if prepared.echo:
            yield TextDelta(text=prepared.echo)
        if request.max_tokens == 0 and not prepared.job.reports_prompt:
            yield Finish(reason="length", usage=Usage(prompt_tokens=prepared.job.tokens()))
            return
        self.loop.submit(prepared.job)
        try:
            async for event in _read(prepared, reports_start=request.reports_start):
                yield event
        finally:
            self.loop.cancel(prepared.job)

    async def decide(self, request: DecideRequest) -> DecideResult:
        from openedai.engines.llama_cpp import decisions

        prompts = await self._run(decisions.DecisionPrompts, self.builder, request)
        questions = [await self._run(prompts.encode, question) for question in request.questions]
        if decisions.worth_a_tree(questions):
            job, tree = await self._run(self.builder.tree_job, questions, request.variant)
            if found := await decisions.run_tree(self.loop, job, tree, questions):
                return found
        jobs = [await self._run(self.builder.label_job, one, request.variant) for one in questions]
        return await decisions.run_jobs(self.loop, jobs, 2 * self.slots)

    async def moderate(self, request: ModerateRequest) -> ModerateResult:
        if self._guard is None:
            raise EngineFailed(f"The model `{self._name}` has no option `moderation`.")
        return await GuardedTexts(self._guard, self.decide, request.variant).assess(request)

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Special tokens that are written out in the text are read as such."""
        return tuple(await self._run(self._model.vocabulary.tokenize, text, special))

    async def detokenize(self, ids: Sequence[int]) -> str:
        for id in ids:
            self.builder.check_token(id, "tokens")
        return await self._run(self._model.vocabulary.text, ids)

    async def count(self, chat: Chat) -> int:
        return await self._run(self.builder.count, chat)

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function that uses the model in a thread. Raises EngineCrashed after `close`."""
        return await self._run_in(self._threads, function, *args, **kwargs)

    async def _run_in(
        self,
        threads: ThreadPoolExecutor,
        function: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        if self._closed:
            raise EngineCrashed(self._name)
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(threads, call)


def _load(
    name: str, path: Path, options: LlamaOptions, guard: Guard | None
) -> tuple[Model, RequestBuilder, PromptCache | None]:
    """Blocking. Raises EngineFailed."""
    library = choose_library(options)
    with ThreadPoolExecutor(1) as thread:
        threads = options.threads or usable_cores()
        loading = thread.submit(Model, library, name, path, options, threads=threads)
        try:
            # In parallel with loading, which takes as long as all these imports and templates.
            from openedai.engines.llama_cpp.request import RequestBuilder
            from openedai.engines.llama_cpp.template_choice import choose_format

            prompt_format = choose_format(
                name,
                path,
                chat_template=options.chat_template,
                prompt_format=options.prompt_format,
            )
            cache = None
            if options.prompt_cache is not None:
                cache = PromptCache.open(
                    options.prompt_cache, name, path, options.slots, library.build
                )
            import jinja2.sandbox  # noqa: F401
        except BaseException:
            loading.result().close()  # or its own reason
            raise
    model = loading.result()
    try:
        builder = RequestBuilder(name, model, options, prompt_format)
        if guard is not None:
            from openedai.engines.llama_cpp.decisions import check_template

            check_template(name, builder, guard)
        return model, builder, cache
    except BaseException:
        model.close()
        raise


async def _read(
    prepared: PreparedRequest, *, reports_start: bool
) -> AsyncGenerator[GenerateEvent, None]:
    """The events of a running job as those of the contract."""
    job, reader = prepared.job, prepared.reader
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    hidden, tokens, reasoning = prepared.hidden, 0, 0
    shown: tuple[TokenLogprob, ...] = ()
    ranked = list[tuple[RankedToken, ...]]()
    while True:
        event = await job.events.get()
        if reports_start and not isinstance(event, APIError):
            yield Started(prompt_tokens=job.tokens(), cached_tokens=job.tokens(job.cached))
            reports_start = False
        if shown and not isinstance(event, Scores):  # the prompt ends in a part of a character
            yield TextDelta(text="\ufffd", logprobs=shown)
            shown = ()
        match event:
            case Token(raw=raw, logprob=logprob):
                tokens += 1
                given, text = (logprob,) if logprob else (), decoder.decode(raw)
                for delta in reader.feed(text, given, may_stop=tokens >= job.ending.min_tokens):
                    yield delta
                if reader.in_reasoning:
                    reasoning = tokens
                if reader.done:
                    end = End("stop", tokens)
                    break
            case Scores(tokens=scores):
                ranked += event.ranked
                shown += scores[hidden:]
                hidden = max(0, hidden - len(scores))
                if text := "".join(score.token for score in shown):
                    yield TextDelta(text=text, logprobs=shown)
                    shown = ()
            case End() as end:
                break
            case APIError() as error:
                raise error
    for delta in reader.end():
        yield delta
    usage = Usage(
        prompt_tokens=job.tokens(),
        completion_tokens=end.completion_tokens,
        cached_tokens=job.tokens(job.cached),
        reasoning_tokens=reasoning,
    )
    reason = reader.finish_reason(truncated=end.reason == "length")
    yield Finish(reason=reason, usage=usage, stop=reader.stop, prompt_logprobs=tuple(ranked))
