"""A deterministic fake of every capability, for tests, for measuring overhead and for trying
clients.

It answers with the prompt, treating each word as a token, and embeds by hashing. `audio.py` has its
transcripts and its speech, `images.py` its images.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import struct
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from openedai.contract.chat import Chat
from openedai.contract.decide import DecideRequest, DecideResult
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import (
    Decider,
    Directory,
    Embedder,
    Generator,
    ImageMaker,
    ImageModerator,
    Moderator,
    Reranker,
    Speaker,
    Tokenizer,
    Traits,
    Transcriber,
)
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    Started,
    Text,
    Tokens,
    Usage,
)
from openedai.contract.images import ImageEvent, ImageRequest
from openedai.contract.moderate import (
    CATEGORIES,
    Assessment,
    ModerateImagesRequest,
    ModerateRequest,
    ModerateResult,
)
from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.contract.speak import SpeakEvent, SpeakRequest, Voice
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest
from openedai.engines.echo.arguments import least_arguments
from openedai.engines.echo.audio import VOICES, speech, transcript
from openedai.engines.echo.decisions import label_logprobs
from openedai.engines.echo.images import echo_images
from openedai.engines.echo.options import EchoOptions
from openedai.engines.echo.relevance import overlaps
from openedai.engines.echo.words import (
    WORD,
    echoed_prompt,
    prompt_words,
    ranked_words,
    word_id,
    word_logprobs,
)
from openedai.engines.moderation.guards import GuardedTexts, read_guard
from openedai.engines.options import parse_options
from openedai.errors import (
    PARAM,
    ContextLengthExceeded,
    EngineCrashed,
    EngineFailed,
    InvalidRequest,
    NoVision,
    Unsupported,
)
from openedai.images.bad_image import BadImage
from openedai.images.formats import image_size
from openedai.prompts.constraints import answer_grammar, strict_grammar
from openedai.prompts.reading.answer import AnswerReader, ChatReader

_YIELD_INTERVAL = 16  # tokens after which other tasks may run


class Echo(
    Generator,
    Embedder,
    Reranker,
    Moderator,
    ImageModerator,
    Tokenizer,
    Decider,
    Transcriber,
    Speaker,
    ImageMaker,
    Directory,
):
    """One model. It accepts every adapter and variant, and ignores it."""

    def __init__(self, model: str, options: EchoOptions) -> None:
        self.model = model
        self.options = options
        self.slots = options.slots
        self._guard = read_guard(model, options.moderation)
        self._dead = asyncio.Event()
        self._words: dict[int, str] = {}

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        known = parse_options(EchoOptions, model, options)
        await asyncio.sleep(known.load_delay)
        if known.load_error is not None:
            raise EngineFailed(known.load_error)
        return cls(model, known)

    @classmethod
    def traits(cls, options: Mapping[str, Any]) -> Traits:
        return Traits(supports_images=bool(options.get("vision")), context=options.get("context"))

    def memory(self) -> int:
        return 1 << 20

    def alive(self) -> bool:
        return not self._dead.is_set()

    async def died(self) -> None:
        await self._dead.wait()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        images = _images(request.prompt)
        if images and not self.options.vision:
            raise NoVision(self.model)
        prompt_tokens = _count(request.prompt) + images * self.options.image_tokens
        param = "messages" if isinstance(request.prompt, Chat) else "prompt"
        if prompt_tokens >= self.options.context:
            raise ContextLengthExceeded.by_tokens(self.options.context, prompt_tokens, param=param)
        if request.constraint is not None or _has_tools(request):
            await asyncio.to_thread(_check_constraint, request)
        _check(request)
        if request.echo and (prompt := _text(request.prompt)):
            yield echoed_prompt(prompt, request.logprobs)
        words = WORD.findall(self._answer(request))
        total = len(words) * self.options.repeat
        available = self.options.context - prompt_tokens
        limit = available if request.max_tokens is None else min(request.max_tokens, available)
        reader, generated, reasoning = self._reader(request), 0, 0
        while generated < min(total, limit) and not reader.done:
            if self.options.delay:
                await asyncio.sleep(self.options.delay)
            elif generated % _YIELD_INTERVAL == _YIELD_INTERVAL - 1:
                await asyncio.sleep(0)
            self._fail_at(generated)
            if request.reports_start and not generated:
                yield Started(prompt_tokens=prompt_tokens)
            word = words[generated % len(words)]
            generated += 1
            logprobs = word_logprobs(word, request.logprobs)
            may_stop = generated >= request.ending.min_tokens
            for event in reader.feed(word, logprobs, may_stop=may_stop):
                yield event
            reasoning = generated if reader.in_reasoning else reasoning
        self._fail_at(generated)
        if request.reports_start and not generated:
            yield Started(prompt_tokens=prompt_tokens)
        for event in reader.end():
            yield event
        yield Finish(
            reason=reader.finish_reason(truncated=total > limit),
            usage=Usage(
                prompt_tokens=prompt_tokens, completion_tokens=generated, reasoning_tokens=reasoning
            ),
            stop=reader.stop,
            prompt_logprobs=ranked_words(prompt_words(request.prompt), request.prompt_logprobs),
        )

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        size = request.dimensions or self.options.dimensions
        if size > self.options.dimensions:
            raise InvalidRequest(
                f"Invalid value for 'dimensions': at most {self.options.dimensions}.",
                code="invalid_value",
                param="dimensions",
            )
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        self._fail_at(0)
        inputs = [_prompted(item, request.input_type) for item in request.inputs]
        rows = [_vector(item, self.options.dimensions)[:size] for item in inputs]
        return EmbedResult(
            data=b"".join(struct.pack(f"<{size}f", *_normalised(row)) for row in rows),
            dimensions=size,
            prompt_tokens=sum(_count(item) for item in request.inputs),
        )

    async def rerank(self, request: RerankRequest) -> RerankResult:
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        self._fail_at(0)
        return overlaps(request, self.options.context)

    async def decide(self, request: DecideRequest) -> DecideResult:
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        self._fail_at(0)
        counts = [_count(Text(text=request.input + one.text)) for one in request.questions]
        if max(counts) >= self.options.context:
            raise ContextLengthExceeded.by_tokens(self.options.context, max(counts), param="input")
        return DecideResult(
            logprobs=tuple(label_logprobs(request.input, one.labels) for one in request.questions),
            usage=Usage(prompt_tokens=sum(counts)),
        )

    async def moderate(self, request: ModerateRequest) -> ModerateResult:
        """A category that a text names has the score 0.9, any other 0.1."""
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        self._fail_at(0)
        if self._guard is not None:
            return await GuardedTexts(self._guard, self.decide, request.variant).assess(request)
        words = [text.text.lower().split() for text in request.inputs]
        named = [tuple(name for name in CATEGORIES if name in one) for one in words]
        return ModerateResult(
            assessments=tuple(
                Assessment(scores={c: 0.9 if c in one else 0.1 for c in CATEGORIES}, flagged=one)
                for one in named
            ),
            prompt_tokens=sum(map(len, words)),
        )

    async def moderate_images(self, request: ModerateImagesRequest) -> ModerateResult:
        """An image that is wider than high has the score 0.9 for `sexual`, any other 0.1."""
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        self._fail_at(0)
        wide = [width > height for width, height in map(_size, request.images)]
        return ModerateResult(
            assessments=tuple(
                Assessment(scores={"sexual": 0.9 if one else 0.1}, flagged=("sexual",) * one)
                for one in wide
            ),
            prompt_tokens=0,
        )

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """A hash of each word. There are no special tokens."""
        self._fail_at(0)
        numbered = [(word_id(word), word) for word in WORD.findall(text)]
        self._words |= dict(numbered)
        return tuple(number for number, _ in numbered)

    async def detokenize(self, ids: Sequence[int]) -> str:
        """The words of these ids. Only ids that `tokenize` returned before are known."""
        self._fail_at(0)
        unknown = next((id for id in ids if id not in self._words), None)
        if unknown is not None:
            raise InvalidRequest(
                f"There is no token {unknown}.", code="invalid_value", param="tokens"
            )
        return "".join(self._words[id] for id in ids)

    async def count(self, chat: Chat) -> int:
        self._fail_at(0)
        return _count(chat)

    async def transcribe(self, request: TranscribeRequest) -> AsyncGenerator[TranscribeEvent, None]:
        for number, event in enumerate(transcript(request, self.options)):
            await self._pause(number)
            yield event

    async def speak(self, request: SpeakRequest) -> AsyncGenerator[SpeakEvent, None]:
        for number, event in enumerate(speech(request)):
            await self._pause(number)
            yield event

    async def voices(self) -> tuple[Voice, ...]:
        self._fail_at(0)
        return VOICES

    async def make_images(self, request: ImageRequest) -> AsyncGenerator[ImageEvent, None]:
        for number, event in enumerate(echo_images(request, self.options)):
            await self._pause(number)
            yield event

    async def models(self) -> tuple[str, ...]:
        self._fail_at(0)
        return self.options.names

    def _answer(self, request: GenerateRequest) -> str:
        if self.options.reveal:
            return msgspec.json.encode(request).decode()
        if self.options.reply is not None:
            return self.options.reply
        if isinstance(request.prompt, Chat) and request.prompt.call_required:
            tool = request.prompt.tools[0]
            call = {"name": tool.name, "arguments": least_arguments(tool.parameters)}
            return msgspec.json.encode(call).decode()
        return _text(request.prompt)

    def _reader(self, request: GenerateRequest) -> AnswerReader:
        if self.options.reveal:
            return AnswerReader(())
        if isinstance(request.prompt, Chat):
            return ChatReader(request.prompt, request.stop, keep_stop=request.ending.keep_stop)
        return AnswerReader(request.stop, keep_stop=request.ending.keep_stop)

    async def _pause(self, number: int) -> None:
        """Before the step with this number, wait or fail as the options say."""
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        self._fail_at(number)

    def _fail_at(self, number: int) -> None:
        if number == self.options.crash_after:
            self._dead.set()
        if self._dead.is_set():
            raise EngineCrashed(self.model)
        if number == self.options.fail_after:
            raise EngineFailed("The echo engine was told to fail.")


def _has_tools(request: GenerateRequest) -> bool:
    return isinstance(request.prompt, Chat) and bool(request.prompt.tools)


def _check_constraint(request: GenerateRequest) -> None:
    """Refuse what a real engine would. The answer does not follow constraints."""
    chat = request.prompt if isinstance(request.prompt, Chat) else Chat(messages=())
    answer_grammar(request.constraint, chat.tools, required=chat.call_required)
    strict = [tool for tool in chat.tools if tool.strict]
    if strict:
        strict_grammar(strict, parallel=chat.parallel_calls)


def _check(request: GenerateRequest) -> None:
    """Refuse what a real engine would."""
    chat = request.prompt if isinstance(request.prompt, Chat) else Chat(messages=())
    optional = chat.effort_optional or chat.reasoning_effort == "none"
    effort = None if optional else chat.reasoning_effort
    unknown = {"reasoning_effort": effort, "suffix": request.suffix}
    for name, value in unknown.items():
        if value is not None:
            raise Unsupported(
                f"Unsupported parameter: '{PARAM}' is not supported by the echo engine.",
                code="unsupported_parameter",
                param=name,
            )


def _text(prompt: Chat | Text | Tokens) -> str:
    if isinstance(prompt, Chat):
        return prompt.messages[-1].content if prompt.messages else ""
    if isinstance(prompt, Tokens):
        return " ".join(map(str, prompt.ids))
    return prompt.text


def _count(prompt: Chat | Text | Tokens) -> int:
    return len(prompt_words(prompt))


def _images(prompt: Chat | Text | Tokens) -> int:
    if not isinstance(prompt, Chat):
        return 0
    return sum(len(message.images) for message in prompt.messages)


def _prompted(item: Text | Tokens, input_type: str | None) -> Text | Tokens:
    """The input, with a prompt before it if it is a text with an input type."""
    if input_type is None or isinstance(item, Tokens):
        return item
    return Text(text=f"{input_type}: {item.text}")


def _vector(item: Text | Tokens, size: int) -> list[float]:
    digest = hashlib.shake_256(_text(item).encode("utf-8", "replace")).digest(4 * size)
    return [number / 2**31 - 1.0 for number in struct.unpack(f"<{size}I", digest)]


def _normalised(row: list[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in row)) or 1.0
    return [x / length for x in row]


def _size(image: bytes) -> tuple[int, int]:
    try:
        return image_size(image)
    except BadImage as error:
        raise InvalidRequest(error.message, code=error.code, param="input") from error
