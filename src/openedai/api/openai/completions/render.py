"""Turns the engine's events into `text_completion` objects."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from openedai.api.openai.completions.logprobs import CompletionLogprobs, completion_logprobs
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.parameters.generation.prompt import prompts
from openedai.api.parameters.generation.prompt_logprobs import PromptLogprobs, prompt_logprobs
from openedai.api.parameters.generation.running_usage import ChunkUsage
from openedai.api.parameters.generation.sampling import StreamOptions
from openedai.api.parameters.generation.usage import UsageObject, usage_object
from openedai.api.parameters.ids import fingerprint, new_id
from openedai.api.parameters.streams import DONE, obfuscation
from openedai.catalog.models import Model
from openedai.contract.generate import Finish, Text, TextDelta
from openedai.http.respond import data_frame
from openedai.serving.outcome import Indexed, Outcome, fold, total_usage


class CompletionChoice(msgspec.Struct):
    text: str
    index: int
    logprobs: CompletionLogprobs | None = None
    finish_reason: str | None = None
    prompt_logprobs: PromptLogprobs | UnsetType = UNSET


class Completion(msgspec.Struct):
    """A whole answer, and each chunk of a streamed one."""

    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: UsageObject | UnsetType | None = UNSET
    obfuscation: str | UnsetType = UNSET
    object: str = "text_completion"


@dataclass(frozen=True)
class CompletionRenderer:
    """Renders one answer, whole or as chunks.

    Each prompt got `candidates` answers, of which the best `choices` are returned. `starts` has the
    offset of the answers to each prompt. `logprobs` is the number of alternatives; None means no
    log probabilities.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    starts: Sequence[int]
    candidates: int
    choices: int
    logprobs: int | None
    options: StreamOptions

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Completion:
        outcomes = await fold(events, len(self.starts) * self.candidates)
        usage = self._usage([outcome.finish for outcome in outcomes])
        choices: list[CompletionChoice] = []
        for prompt, start in enumerate(self.starts):
            candidates = outcomes[prompt * self.candidates :][: self.candidates]
            scores = prompt_logprobs(candidates[0].finish)
            for o in self._best(candidates):
                logprobs, reason = self._logprobs(o, start), o.finish.reason
                choices.append(CompletionChoice(o.text, len(choices), logprobs, reason, scores))
        return self._object(choices, usage)

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        options = self.options
        offsets = [start for start in self.starts for _ in range(self.choices)]
        chunk_usage = ChunkUsage(options, len(offsets), self.choices)
        finishes: dict[int, Finish] = {}
        async with aclosing(events):
            async for index, event in events:
                choice = CompletionChoice("", index)
                usage = chunk_usage.after(index, event)
                match event:
                    case TextDelta(text=text, logprobs=tokens):
                        choice.text = text
                        if self.logprobs is not None:
                            choice.logprobs = completion_logprobs(
                                tokens, self.logprobs, offsets[index]
                            )
                        offsets[index] += len(text)
                    case Finish(reason=reason):
                        finishes[index] = event
                        choice.finish_reason = reason
                    case _:
                        continue
                chunk = self._object([choice], usage)
                if options.include_obfuscation:
                    chunk.obfuscation = obfuscation(choice.text)
                yield data_frame(chunk)
        if options.include_usage:
            yield data_frame(
                self._object([], self._usage([finishes[i] for i in range(len(offsets))]))
            )
        yield DONE

    def _best(self, candidates: Sequence[Outcome]) -> Sequence[Outcome]:
        """The candidates with the highest mean log probability of a token, best first."""
        if self.candidates == self.choices:
            return candidates
        return sorted(candidates, key=_mean_logprob, reverse=True)[: self.choices]

    def _logprobs(self, outcome: Outcome, start: int) -> CompletionLogprobs | None:
        if self.logprobs is None:
            return None
        return completion_logprobs(outcome.logprobs, self.logprobs, start)

    def _usage(self, finishes: list[Finish]) -> UsageObject:
        return usage_object(total_usage(finishes, self.candidates))

    def _object(
        self, choices: list[CompletionChoice], usage: UsageObject | UnsetType | None
    ) -> Completion:
        return Completion(self.id, self.created, self.model, self.fingerprint, choices, usage)


def completion_renderer(
    body: CompletionRequest, model: Model, texts: Sequence[str] = ()
) -> CompletionRenderer:
    """The renderer of one answer to `body` by `model`.

    `texts` are those of the prompts that the body gives as tokens, as far as they are known.
    """
    decoded = iter(texts)
    given = prompts(body.prompt)
    lengths = [len(one.text if isinstance(one, Text) else next(decoded, "")) for one in given]
    return CompletionRenderer(
        id=new_id("cmpl-"),
        created=int(time.time()),
        model=model.id,
        fingerprint=fingerprint(model),
        starts=[0] * len(given) if body.echo else lengths,
        candidates=body.candidates,
        choices=body.choices,
        logprobs=body.logprobs,
        options=body.options,
    )


def _mean_logprob(outcome: Outcome) -> float:
    known = [token.logprob for token in outcome.logprobs if token.logprob is not None]
    return sum(known) / len(known) if known else float("-inf")
