"""The parameters that chat and completions share, as the wire has them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from openedai.engines.base import Sampling
from openedai.errors import InvalidRequest
from openedai.http.body import Body, Only
from openedai.http.validation import TAG


def json_type(value: Any) -> str:
    """The tag by which a union of JSON types picks its branch."""
    if isinstance(value, str):
        return f"{TAG}a string"
    if isinstance(value, list):
        return f"{TAG}an array"
    return f"{TAG}something else"


Stop = Annotated[
    Annotated[str, Tag("~a string")]
    | Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=4), Tag("~an array")],
    Discriminator(json_type),
]


class StreamOptions(Body):
    include_usage: bool | None = None
    include_obfuscation: Annotated[bool | None, Only((False,))] = None


class SamplingBody(Body):
    """Ranges are the official API's."""

    model: str
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = Field(
        None, max_length=1024
    )
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    stop: Stop | None = None
    n: int | None = Field(None, ge=1, le=128)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        if self.stop is None or self.stop == "":
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def check(self) -> None:
        """Raise InvalidRequest for what only several fields together show."""
        if self.stream_options is not None and not self.stream:
            raise InvalidRequest(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                code="invalid_value",
                param="stream_options",
            )

    def sampling(self, choice: int) -> Sampling:
        """How the answer number `choice` is drawn: with a seed, each has one of its own."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logit_bias=tuple(_token_bias(pair) for pair in (self.logit_bias or {}).items()),
            seed=None if self.seed is None else self.seed + choice,
        )


def _token_bias(pair: tuple[str, float]) -> tuple[int, float]:
    token, bias = pair
    if not (token.isascii() and token.isdigit()):
        raise InvalidRequest(
            f"Invalid key in 'logit_bias': {token!r}. Expected a token id, such as '50256'.",
            code="invalid_value",
            param="logit_bias",
        )
    return int(token), bias
