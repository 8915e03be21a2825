"""A prompt or an embedding's input in its four forms: text, texts, tokens, lists of tokens."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from openedai.contract.generate import Text, Tokens

# Of one text that is tokenised for its own sake, and of one list of tokens that becomes a text.
MAX_CHARACTERS = 1 << 19
MAX_TOKENS = 1 << 20

TokenId = Annotated[int, Field(ge=0, le=2**32 - 1)]


def prompt_type(value: Any) -> str:
    """The four forms of a prompt; what is no list of another kind is taken for texts."""
    if isinstance(value, str):
        return "~a string"
    if not isinstance(value, list):
        return "~something else"
    if value and isinstance(value[0], int):
        return "~an array of tokens"
    if value and isinstance(value[0], list):
        return "~an array of token arrays"
    return "~an array of strings"


Prompt = Annotated[
    Annotated[str, Tag("~a string")]
    | Annotated[list[str], Field(min_length=1, max_length=2048), Tag("~an array of strings")]
    | Annotated[list[TokenId], Field(min_length=1), Tag("~an array of tokens")]
    | Annotated[
        list[Annotated[list[TokenId], Field(min_length=1)]],
        Field(max_length=2048),
        Tag("~an array of token arrays"),
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
