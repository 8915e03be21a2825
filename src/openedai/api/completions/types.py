"""The body of `POST /v1/completions`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from openedai.api.prompt import Prompt, prompts
from openedai.api.sampling import SamplingBody
from openedai.engines.base import GenerateRequest
from openedai.errors import InvalidRequest
from openedai.http.body import Only, Refused

DEFAULT_MAX_TOKENS = 16
MAX_CHOICES = 2048


class CompletionRequest(SamplingBody):
    prompt: Prompt
    max_tokens: int | None = Field(None, ge=1)

    best_of: Annotated[int | None, Only((1,))] = None
    echo: Annotated[bool | None, Only((False,))] = None
    logprobs: Refused = None
    suffix: Refused = None

    @property
    def choices(self) -> int:
        return self.n or 1

    def check(self) -> None:
        super().check()
        if len(prompts(self.prompt)) * self.choices > MAX_CHOICES:
            raise InvalidRequest(
                f"Too many completions in one request: 'n' times the number of prompts may be "
                f"at most {MAX_CHOICES}.",
                code="invalid_value",
                param="n",
            )

    def wanted(self) -> list[GenerateRequest]:
        """One generation for each choice of each prompt, the choices of a prompt together."""
        return [
            GenerateRequest(
                prompt=prompt,
                sampling=self.sampling(choice),
                max_tokens=self.max_tokens or DEFAULT_MAX_TOKENS,
                stop=self.stops,
            )
            for prompt in prompts(self.prompt)
            for choice in range(self.choices)
        ]
