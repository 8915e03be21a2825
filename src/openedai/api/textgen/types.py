"""The bodies of text-generation-webui's internal API."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from openedai.api.parameters.generation.prompt import MAX_CHARACTERS, MAX_TOKENS, TokenId
from openedai.errors import Unsupported
from openedai.http.body import Body


class EncodeRequest(Body):
    """`model` is our addition: without it, the current model is used."""

    text: str = Field(max_length=MAX_CHARACTERS)
    model: str | None = None


class DecodeRequest(Body):
    tokens: Annotated[list[TokenId], Field(max_length=MAX_TOKENS)]
    model: str | None = None


class LoadRequest(Body):
    """Its options come from this server's settings, so any `args` are refused."""

    model_name: str
    args: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None

    def check(self) -> None:
        for name in ("args", "settings"):
            if values := getattr(self, name):
                param = f"{name}.{next(iter(values))}"
                raise Unsupported(
                    f"Unsupported parameter: '{param}' cannot be set with a request; how the "
                    "model is loaded is stated in this server's settings.",
                    code="unsupported_parameter",
                    param=param,
                )
