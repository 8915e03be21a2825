"""The bodies of `POST /v1/tokenize` and `POST /v1/detokenize`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from openedai.api.parameters.generation.prompt import MAX_CHARACTERS, MAX_TOKENS, TokenId
from openedai.contract.chat import Chat, Message
from openedai.errors import InvalidRequest, invalid_value
from openedai.http.body import Body

MAX_TOKEN_TEXTS = 4096  # tokens whose texts are listed


class Turn(Body):
    role: Literal["system", "user", "assistant"]
    content: str


class TokenizeRequest(Body):
    """A text, or a conversation of plain texts, which is only counted."""

    model: str
    prompt: str | None = Field(None, max_length=MAX_CHARACTERS)
    messages: list[Turn] | None = Field(None, min_length=1)
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None

    def check(self) -> None:
        """Raise InvalidRequest for fields that are not valid together."""
        if (self.prompt is None) == (self.messages is None):
            raise InvalidRequest(
                "Exactly one of 'prompt' and 'messages' must be given.",
                code="invalid_value",
                param="prompt",
            )
        if self.messages is None:
            return
        for name in ("add_special_tokens", "return_token_strs"):
            if getattr(self, name) is not None:
                raise invalid_value(name, "it is only allowed with 'prompt'")

    def chat(self) -> Chat:
        turns = self.messages or ()
        return Chat(messages=tuple(Message(role=t.role, content=t.content) for t in turns))


class DetokenizeRequest(Body):
    model: str
    tokens: Annotated[list[TokenId], Field(max_length=MAX_TOKENS)]
