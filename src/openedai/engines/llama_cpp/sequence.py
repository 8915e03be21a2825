"""One request as the loop computes it, and what the loop reports of it."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal, Protocol

from openedai.contract.generate import Ending, RankedToken, TokenLogprob
from openedai.engines.llama_cpp.labels import LabelTree
from openedai.engines.llama_cpp.native.logprobs import Distribution, forbid, hold_back
from openedai.engines.llama_cpp.native.model import Model
from openedai.engines.llama_cpp.native.restriction import Restriction
from openedai.engines.llama_cpp.native.sampler import Sampler
from openedai.engines.llama_cpp.prefixes import Slot
from openedai.errors import APIError, EngineFailed

_NO_TOKEN = "No token could be chosen."


class Constraint(Protocol):
    """A grammar that an answer follows. Its methods raise APIErrors."""

    @property
    def ended(self) -> bool:
        """Whether nothing may follow but the end of the answer."""

    def mask(self, logits: int) -> None:
        """Forbid what may not come next in the logits at this address."""

    def accept(self, token: int) -> bool:
        """Advance by a token of the answer. Returns False, and changes nothing, if it may not come
        next.
        """


class ImageChunk(Protocol):
    """The positions of an image in a prompt. It takes the room of `tokens` positions."""

    positions: int
    tokens: int

    def ready(self, wake: Callable[[], object]) -> bool:
        """Whether it is encoded. If not, encoding begins, and `wake` is called when it is done."""

    def compute(self, context: int, slot: int, position: int) -> None:
        """Compute it as a part of the sequence in `slot` of the context at this address, once
        it is ready. Raises APIErrors.
        """

    def close(self) -> None: ...


class Continuation(Protocol):
    """What is computed after a prompt in a separate context, in place of an answer."""

    def open(self, state: memoryview, adapter: tuple[int, float] | None) -> None:
        """Begin after the prompt that has this computed state, as `Model.save` returns it."""

    def compute(self, limit: int, threads: int) -> bool:
        """Compute about this many tokens. Returns False if nothing is left. Raises EngineFailed."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Token:
    """A token of the answer. `raw` is its text; special tokens may have none."""

    raw: bytes
    logprob: TokenLogprob | None = None


@dataclass(frozen=True)
class Scores:
    """The log probabilities of the next tokens of the prompt, in one or both of two shapes."""

    tokens: tuple[TokenLogprob, ...]
    ranked: tuple[tuple[RankedToken, ...], ...]


@dataclass(frozen=True)
class End:
    """The last event."""

    reason: Literal["stop", "length"]
    completion_tokens: int


Event = Token | Scores | End | APIError


@dataclass(eq=False)
class Job:
    """What to compute for a request.

    `prompt` has one key for each position: a token, or for a position of an image a negative
    number, the same for all positions of one image, which `images` has by its first position.
    `ends` are the model's own, if `ending` says that they must not be chosen. `adapter` is a number
    and a scale. `shown` are special tokens that are part of the answer's text. With `scored` the
    prompt's log probabilities are reported with those of `logprobs` alternatives; with
    `prompt_logprobs` as ranked tokens, so many besides its own. With `labels` nothing is generated:
    the log probabilities of the labels after the prompt are read into them. Nor with a
    `continuation`. The loop puts its `events`, in the thread of the event loop; before the first
    one it sets `cached`, the positions of the prompt that were not computed again.
    """

    prompt: list[int]
    sampler: Sampler
    max_tokens: int | None = None
    ending: Ending = field(default_factory=Ending)
    ends: tuple[int, ...] = ()
    constraint: Constraint | None = None
    restriction: Restriction | None = None
    logprobs: int | None = None
    scored: bool = False
    prompt_logprobs: int | None = None
    labels: LabelTree | None = None
    continuation: Continuation | None = None
    adapter: tuple[int, float] | None = None
    shown: frozenset[int] = frozenset()
    images: Mapping[int, ImageChunk] = field(default_factory=dict)
    events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    cached: int = 0

    def tokens(self, end: int | None = None) -> int:
        """The tokens in the first `end` positions of the prompt, or in all of it."""
        end = len(self.prompt) if end is None else end
        images = (image for start, image in self.images.items() if start < end)
        return end + sum(image.tokens - image.positions for image in images)

    @property
    def reports_prompt(self) -> bool:
        """Whether every token of the prompt has to be computed, for its log probabilities."""
        return self.scored or self.prompt_logprobs is not None

    def close(self) -> None:
        """Free the constraint, the continuation and the images."""
        self.constraint = None
        if self.continuation is not None:
            self.continuation.close()
        for image in self.images.values():
            image.close()


class Sequence:
    """A job in a slot. `keys` are the prompt and the answer so far; the first `computed` of them
    are in the model's context, `cached` of these from the start.
    """

    def __init__(self, model: Model, job: Job, slot: Slot, cached: int) -> None:
        self.job = job
        self.slot = slot
        self.keys = slot.keys = list(job.prompt)
        job.cached = cached
        self.generated = 0
        self._opened = False
        self._model = model
        self._vocabulary = model.vocabulary
        self._more = job.tokens() - len(job.prompt)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def computed(self) -> int:
        return self.slot.computed

    @computed.setter
    def computed(self, count: int) -> None:
        self.slot.computed = count

    @property
    def pending(self) -> int:
        """The keys that have to be computed before the next token."""
        return len(self.keys) - self.computed

    @property
    def length(self) -> int:
        """The number of tokens that the keys take in the context; for some images more than the
        number of keys.
        """
        return len(self.keys) + self._more

    @property
    def answering(self) -> bool:
        """Whether the whole prompt is computed."""
        return self.generated > 0

    @property
    def continuing(self) -> bool:
        """Whether its continuation is next."""
        return self.job.continuation is not None and not self.pending

    @property
    def scoring(self) -> bool:
        """Whether the logits of every key to be computed next are needed."""
        if self.job.labels is not None:
            return len(self.keys) > len(self.job.prompt)
        return self.job.reports_prompt and not self.answering

    @property
    def image(self) -> ImageChunk | None:
        """The image that is to be computed next."""
        if not self.pending or self.keys[self.computed] >= 0:
            return None
        return self.job.images[self.computed]

    def ready(self, wake: Callable[[], object]) -> bool:
        """Whether it can be computed now. If not, `wake` is called when it can."""
        image = self.image
        return image is None or image.ready(wake)

    def text_ahead(self, limit: int) -> list[int]:
        """At most `limit` of the keys to be computed next, up to an image."""
        ahead = self.keys[self.computed : self.computed + limit]
        if self.job.images:
            end = next((at for at, key in enumerate(ahead) if key < 0), len(ahead))
            return ahead[:end]
        return ahead

    def score(self, row: int, count: int) -> Scores:
        """The log probabilities that the next `count` keys of the prompt give, in the batch's
        tokens from `row` onwards. The first key of the prompt has none.
        """
        job, tokens, ranked = self.job, list[TokenLogprob](), list[tuple[RankedToken, ...]]()
        if self.computed == 0:
            raw = self._vocabulary.piece(self.keys[0])
            tokens.append(TokenLogprob(token=self._decoder.decode(raw), raw=raw, logprob=None))
            ranked.append(())
        for step, key in enumerate(self.keys[self.computed + 1 : self.computed + count + 1]):
            address = self._model.logits(row + step)
            if job.scored:
                tokens.append(self._distribution(address).of(key, self._decoder))
            if job.prompt_logprobs is not None:
                distribution = Distribution(self._vocabulary, address, job.prompt_logprobs)
                ranked.append(distribution.ranked(key))
        return Scores(
            tuple(tokens) if job.scored else (),
            () if job.prompt_logprobs is None else tuple(ranked),
        )

    def read_labels(self, labels: LabelTree, row: int, count: int) -> None:
        """Read what the next `count` keys say about the labels, in the batch's tokens from `row`
        onwards.
        """
        start = len(self.job.prompt)
        for step in range(max(0, start - 1 - self.computed), count):
            distribution = self._distribution(self._model.logits(row + step))
            labels.read(tuple(self.keys[start : self.computed + step + 1]), distribution.logprob)

    def continue_by(self, limit: int, threads: int) -> list[Event]:
        """Compute about this many tokens of the continuation."""
        continuation = self.job.continuation
        assert continuation is not None
        if not self._opened:
            continuation.open(self._model.save(self.slot.number), self.job.adapter)
            self._opened = True
        return [] if continuation.compute(limit, threads) else [self._end("stop")]

    def advance(self, row: int) -> list[Event]:
        """Choose the next token from the logits of the batch's token `row`."""
        if self.job.continuation is not None:
            return []
        if self.job.labels is not None:
            return self._advance_labels(self.job.labels)
        job, address = self.job, self._model.logits(row)
        if job.max_tokens == 0:
            return [self._end("length")]
        distribution = None if job.logprobs is None else self._distribution(address)
        if job.constraint is not None:
            job.constraint.mask(address)
        if job.restriction is not None:
            start = max(len(job.prompt), len(self.keys) - job.restriction.reach)
            job.restriction.mask(address, self.keys[start:])
        if held := self._held_back():
            hold_back(address, self._vocabulary.size, held)
        token = job.sampler.sample(row)
        while job.constraint is not None and not job.constraint.accept(token):
            if not forbid(address, token):
                restriction = job.restriction
                raise restriction.refusal() if restriction else EngineFailed(_NO_TOKEN)
            token = job.sampler.sample(row)
        self.generated += 1
        if self._vocabulary.ends(token):
            return [self._end("stop")]
        stopped = token in job.ending.stop_tokens
        if stopped and not job.ending.keep_stop:
            return [self._end("stop")]
        self.keys.append(token)
        logprob = None if distribution is None else distribution.of(token, self._decoder)
        events: list[Event] = [Token(self._shown(token), logprob)]
        full = self.length >= self._model.context_length
        if stopped or (job.constraint is not None and job.constraint.ended):
            events.append(self._end("stop"))
        elif full or self.generated == job.max_tokens:
            events.append(self._end("length"))
        return events

    def _advance_labels(self, labels: LabelTree) -> list[Event]:
        """Continue with other tokens after the prompt, if some are needed."""
        path = labels.next_path()
        if path is None:
            return [self._end("stop")]
        start = len(self.job.prompt)
        pairs = zip(self.keys[start:], path, strict=False)
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        self.keys[start:] = path
        self._rewind(start + common)
        return []

    def _rewind(self, end: int) -> None:
        """Forget what is computed from this key onwards, or everything if the model cannot forget a
        part.
        """
        if not self._model.trim(self.slot.number, end):
            self._model.trim(self.slot.number, 0)
            end = 0
        self.computed = end

    def _held_back(self) -> tuple[int, ...]:
        """The tokens that would end the answer too early."""
        ending = self.job.ending
        if self.generated < ending.min_tokens:
            return self.job.ends + ending.stop_tokens
        return self.job.ends if ending.ignore_end else ()

    def _distribution(self, address: int) -> Distribution:
        return Distribution(self._vocabulary, address, self.job.logprobs or 0)

    def _shown(self, token: int) -> bytes:
        """The text of a token in the answer."""
        if token in self.job.shown or not self._vocabulary.special(token):
            return self._vocabulary.piece(token)
        return b""

    def _end(self, reason: Literal["stop", "length"]) -> End:
        return End(reason, self.generated)
