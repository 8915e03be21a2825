"""The parameters that chat and completions share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from openedai.api.parameters.numbers import MAX_INT
from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.contract.generate import Constraint, Grammar, LocalSampling, Regex, Sampling
from openedai.errors import InvalidRequest
from openedai.http.body import Body

MAX_TEXT = 1 << 16  # characters of a grammar or a pattern
_TOKEN_DIGITS = 18


Stop = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=4), branch("an array")],
    BY_JSON_TYPE,
]

LogitBias = Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)]


def stop_texts(stop: str | list[str] | None) -> tuple[str, ...]:
    """The texts of the parameter `stop`."""
    if not stop:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


class StreamOptions(Body):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class LocalSamplingBody(Body):
    """Samplers that the official API does not have; names and meanings are llama.cpp's."""

    top_k: int | None = Field(None, ge=0, le=1 << 20)
    min_p: float | None = Field(None, ge=0, le=1)
    typical_p: float | None = Field(None, ge=0, le=1)
    repeat_penalty: float | None = Field(None, ge=0, le=10)
    repeat_last_n: int | None = Field(None, ge=-1, le=MAX_INT)
    mirostat: int | None = Field(None, ge=0, le=2)
    mirostat_tau: float | None = Field(None, ge=0, le=100)
    mirostat_eta: float | None = Field(None, ge=0, le=1)
    dry_multiplier: float | None = Field(None, ge=0, le=100)
    dry_base: float | None = Field(None, ge=1, le=100)
    dry_allowed_length: int | None = Field(None, ge=0, le=MAX_INT)
    dry_penalty_last_n: int | None = Field(None, ge=-1, le=MAX_INT)
    dry_sequence_breakers: list[Annotated[str, Field(min_length=1)]] | None = Field(
        None, min_length=1, max_length=64
    )
    xtc_probability: float | None = Field(None, ge=0, le=1)
    xtc_threshold: float | None = Field(None, ge=0, le=1)

    def local_sampling(self) -> LocalSampling:
        values = {name: getattr(self, name) for name in LocalSampling.__struct_fields__}
        breakers = self.dry_sequence_breakers
        values["dry_sequence_breakers"] = tuple(breakers) if breakers else None
        return LocalSampling(**values)


class SamplingBody(LocalSamplingBody):
    """Ranges are the official API's."""

    passthrough_fields = frozenset({"user"})

    model: str
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: LogitBias | None = None
    seed: int | None = Field(None, ge=-MAX_INT - 1, le=MAX_INT)
    stop: Stop | None = None
    n: int | None = Field(None, ge=1, le=128)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    grammar: str | None = Field(None, min_length=1, max_length=MAX_TEXT)
    regex: str | None = Field(None, min_length=1, max_length=MAX_TEXT)

    @property
    def options(self) -> StreamOptions:
        return self.stream_options or StreamOptions()

    def check(self) -> None:
        """Raise InvalidRequest for fields that are not valid together."""
        if self.stream_options is not None and not self.stream:
            raise InvalidRequest(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                code="invalid_value",
                param="stream_options",
            )
        if self.grammar is not None and self.regex is not None:
            raise InvalidRequest(
                "'grammar' and 'regex' cannot both be set.", code="invalid_value", param="regex"
            )

    def constraint(self) -> Constraint | None:
        """The grammar or pattern that the answer must match, or None."""
        if self.grammar is not None:
            return Grammar(gbnf=self.grammar)
        return None if self.regex is None else Regex(pattern=self.regex)

    def sampling(self, choice: int) -> Sampling:
        """The sampling of answer number `choice`; with a seed, each answer has one of its own."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logit_bias=tuple(_token_bias(pair) for pair in (self.logit_bias or {}).items()),
            seed=None if self.seed is None else self.seed + choice,
            local=self.local_sampling(),
        )


def _token_bias(pair: tuple[str, float]) -> tuple[int, float]:
    token, bias = pair
    if not (token.isascii() and token.isdigit() and len(token) <= _TOKEN_DIGITS):
        raise InvalidRequest(
            f"Invalid key in 'logit_bias': {token!r:.50}. Expected a token id, such as '50256'.",
            code="invalid_value",
            param="logit_bias",
        )
    return int(token), bias
