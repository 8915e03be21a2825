"""A prompt or an embedding's input: a text, texts, tokens, or lists of tokens."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field

from openedai.api.parameters.unions import branch
from openedai.contract.generate import Text, Tokens
from openedai.http.validation import TAG

# The longest text that is only tokenised, and the most tokens that are only turned into text.
MAX_CHARACTERS = 1 << 19
MAX_TOKENS = 1 << 20

TokenId = Annotated[int, Field(ge=0, le=2**32 - 1)]


def prompt_type(value: Any) -> str:
    """The branch of a prompt; a list of anything else counts as texts."""
    if isinstance(value, str):
        return f"{TAG}a string"
    if not isinstance(value, list):
        return f"{TAG}something else"
    if value and isinstance(value[0], int):
        return f"{TAG}an array of tokens"
    if value and isinstance(value[0], list):
        return f"{TAG}an array of token arrays"
    return f"{TAG}an array of strings"


Prompt = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[list[str], Field(min_length=1, max_length=2048), branch("an array of strings")]
    | Annotated[list[TokenId], Field(min_length=1), branch("an array of tokens")]
    | Annotated[
        list[Annotated[list[TokenId], Field(min_length=1)]],
        Field(max_length=2048),
        branch("an array of token arrays"),
    ],
    Discriminator(prompt_type),
]


def prompts(value: str | list[str] | list[int] | list[list[int]] | None) -> list[Text | Tokens]:
    """One engine input for each prompt that the value holds; None is the empty prompt."""
    if value is None:
        return [Text(text="")]
    if isinstance(value, str):
        return [Text(text=value)]
    if isinstance(value[0], int):
        return [Tokens(ids=tuple(item for item in value if isinstance(item, int)))]
    return [
        Text(text=item) if isinstance(item, str) else Tokens(ids=tuple(item))
        for item in value
        if not isinstance(item, int)
    ]
