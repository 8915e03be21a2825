"""The body of `POST /v1/completions`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from openedai.api.parameters.generation.other_servers import (
    OtherServersCompletionBody,
    unless_minus_one,
)
from openedai.api.parameters.generation.prompt import Prompt, prompts
from openedai.api.parameters.generation.sampling import SamplingBody, stop_texts
from openedai.contract.generate import GenerateRequest
from openedai.errors import InvalidRequest, invalid_value

DEFAULT_MAX_TOKENS = 16
MAX_CHOICES = 2048
MAX_BEST_OF = 20


class CompletionRequest(SamplingBody, OtherServersCompletionBody):
    """`response_format` is a parameter of other servers; a limit of -1 means no limit, as there."""

    passthrough_fields = SamplingBody.passthrough_fields | {
        *OtherServersCompletionBody.model_fields,
        "response_format",
    }

    prompt: Prompt | None = None
    max_tokens: Annotated[int | None, unless_minus_one(at_least=0)] = None
    best_of: int | None = Field(None, ge=1, le=MAX_BEST_OF)
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=5)
    suffix: str | None = None

    @property
    def choices(self) -> int:
        return self.n or 1

    @property
    def candidates(self) -> int:
        """The number of answers generated for each prompt; the best `choices` are returned."""
        return self.best_of or self.choices

    def check(self) -> None:
        super().check()
        if self.candidates < self.choices:
            raise invalid_value("best_of", "it cannot be less than 'n'")
        if self.candidates > self.choices and self.stream:
            raise invalid_value("best_of", "it cannot be more than 'n' in a stream")
        if self.max_tokens is not None and self.n_predict is not None:
            raise invalid_value("n_predict", "it is another name of 'max_tokens', which is set too")
        if self.max_tokens == 0 and not self.echo:
            raise InvalidRequest(
                "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, or 0 "
                "with 'echo'.",
                code="integer_below_min_value",
                param="max_tokens",
            )
        if self.suffix and self.echo:
            raise invalid_value("suffix", "it cannot be set with 'echo'")
        if len(prompts(self.prompt)) * self.candidates > MAX_CHOICES:
            raise InvalidRequest(
                f"Too many completions in one request: 'n' or 'best_of' times the number of "
                f"prompts may be at most {MAX_CHOICES}.",
                code="invalid_value",
                param="n",
            )

    @property
    def limit(self) -> int | None:
        """The most tokens of an answer."""
        given = self.n_predict if self.max_tokens is None else self.max_tokens
        if given is None:
            return DEFAULT_MAX_TOKENS
        return None if given == -1 else given

    def to_engine_requests(self) -> list[GenerateRequest]:
        """One generation for each candidate of each prompt; those of one prompt are adjacent."""
        limit = self.limit
        ranked = self.candidates > self.choices
        return [
            GenerateRequest(
                prompt=prompt,
                sampling=self.sampling(choice),
                max_tokens=limit,
                stop=stop_texts(self.stop),
                ending=self.ending(),
                prompt_limit=self.prompt_limit(limit),
                constraint=self.constraint(),
                logprobs=0 if ranked and self.logprobs is None else self.logprobs,
                prompt_logprobs=None if choice else self.prompt_logprobs,
                echo=bool(self.echo),
                suffix=self.suffix or None,
                extra=self.extra,
                reports_start=self.options.is_continuous,
                streamed=bool(self.stream),
            )
            for prompt in prompts(self.prompt)
            for choice in range(self.candidates)
        ]
