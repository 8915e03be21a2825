"""Log probabilities of prompts, in vLLM's shape."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from openedai.contract.generate import Finish


class PromptLogprob(msgspec.Struct):
    logprob: float
    rank: int
    decoded_token: str


# For each position of the prompt, the tokens that may stand there, by token id; None for the first
# position.
PromptLogprobs = list[dict[str, PromptLogprob] | None]


def prompt_logprobs(finish: Finish) -> PromptLogprobs | UnsetType:
    """The log probabilities of a generation's prompt, if they were requested."""
    return [
        {str(one.id): PromptLogprob(one.logprob, one.rank, one.text) for one in ranked} or None
        for ranked in finish.prompt_logprobs
    ] or UNSET
