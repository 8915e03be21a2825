"""The parameters that chat, completions and responses share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec.structs import replace
from pydantic import BeforeValidator, Field

from openedai.api.parameters.generation.answer_formats import (
    GrammarText,
    ResponseFormat,
    format_constraint,
    only_constraint,
)
from openedai.api.parameters.generation.other_servers import OtherServersBody
from openedai.api.parameters.numbers import MAX_INT
from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.bounded_json import read_json
from openedai.contract.generate import Constraint, Grammar, LocalSampling, Regex, Sampling
from openedai.errors import InvalidRequest, invalid_value
from openedai.http.body import Body

_TOKEN_DIGITS = 18

# The official API has 4; editors send other servers one for each special token of a model.
MAX_STOPS = 64

Stop = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[
        list[Annotated[str, Field(min_length=1)]], Field(max_length=MAX_STOPS), branch("an array")
    ],
    BY_JSON_TYPE,
]

LogitBias = Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)]


def stop_texts(stop: str | list[str] | None) -> tuple[str, ...]:
    """The texts of the parameter `stop`."""
    if not stop:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _breakers(value: Any) -> Any:
    """text-generation-webui sends them as one text: JSON strings with commas between them."""
    if not isinstance(value, str):
        return value
    try:
        return read_json(value if value.lstrip().startswith("[") else f"[{value}]")
    except ValueError:
        raise ValueError("expected an array of strings") from None


class StreamOptions(Body):
    """`continuous_usage_stats` is a parameter of other servers."""

    continuous_usage_stats: bool | None = None
    include_usage: bool | None = None
    include_obfuscation: bool | None = None

    @property
    def is_continuous(self) -> bool:
        """Whether each chunk has the usage so far."""
        return bool(self.include_usage and self.continuous_usage_stats)


class LocalSamplingBody(Body):
    """Samplers that the official API does not have; names and meanings are those of llama.cpp."""

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
    dry_sequence_breakers: Annotated[
        list[Annotated[str, Field(min_length=1)]] | None, BeforeValidator(_breakers)
    ] = Field(None, min_length=1, max_length=64)
    xtc_probability: float | None = Field(None, ge=0, le=1)
    xtc_threshold: float | None = Field(None, ge=0, le=1)

    def local_sampling(self) -> LocalSampling:
        values = {name: getattr(self, name) for name in LocalSampling.__struct_fields__}
        breakers = self.dry_sequence_breakers
        values["dry_sequence_breakers"] = tuple(breakers) if breakers else None
        return LocalSampling(**values)


class SharedSamplingBody(LocalSamplingBody):
    """What chat, completions and responses have in common. Ranges are those of the official API."""

    top_k: int | None = Field(None, ge=-1, le=1 << 20)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: LogitBias | None = None
    seed: int | None = Field(None, ge=-MAX_INT - 1, le=MAX_INT)
    stop: Stop | None = None
    grammar: GrammarText | None = None
    regex: GrammarText | None = None

    def grammars(self) -> list[tuple[str, Constraint]]:
        """The constraints by `grammar` and `regex`, with the names of the parameters."""
        found: list[tuple[str, Constraint]] = []
        if self.grammar is not None:
            found.append(("grammar", Grammar(gbnf=self.grammar)))
        if self.regex is not None:
            found.append(("regex", Regex(pattern=self.regex)))
        return found

    def shared_sampling(self, choice: int, theirs: LocalSampling) -> Sampling:
        """The sampling of answer number `choice`; with a seed, each answer gets a different one.

        `theirs` are samplers with the names of other servers.
        """
        renamed = theirs.given()
        if self.top_k == -1:  # all tokens, for vLLM and SGLang
            renamed["top_k"] = 0
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logit_bias=tuple(_token_bias(pair) for pair in (self.logit_bias or {}).items()),
            seed=None if self.seed is None else self.seed + choice,
            local=replace(self.local_sampling(), **renamed),
        )


class SamplingBody(OtherServersBody, SharedSamplingBody):
    """The parameters that chat and completions share."""

    passthrough_fields = frozenset({"user", *OtherServersBody.model_fields} - {"prompt_logprobs"})

    model: str
    n: int | None = Field(None, ge=1, le=128)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    response_format: ResponseFormat | None = None

    @property
    def options(self) -> StreamOptions:
        return self.stream_options or StreamOptions()

    def check(self) -> None:
        """Raise InvalidRequest for fields that are not valid together."""
        super().check()
        if self.stream_options is not None and not self.stream:
            raise InvalidRequest(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                code="invalid_value",
                param="stream_options",
            )
        if self.prompt_logprobs is not None and self.stream:
            raise invalid_value("prompt_logprobs", "it is not available when 'stream' is true")
        if not self.do_samples and self.temperature:
            raise invalid_value("do_sample", "it is false, and 'temperature' is not 0")
        only_constraint(self.constraints())

    @property
    def do_samples(self) -> bool:
        return self.do_sample is not False

    def constraints(self) -> list[tuple[str, Constraint]]:
        """The constraints on the answer, with the names of the parameters."""
        found = [*self.grammars(), *self.their_constraints()]
        if (constraint := format_constraint(self.response_format)) is not None:
            found.append(("response_format", constraint))
        return found

    def constraint(self) -> Constraint | None:
        """What the answer must match. Raises InvalidRequest if there are several."""
        only = only_constraint(self.constraints())
        return None if only is None else only[1]

    def engine_names(self) -> Mapping[str, str]:
        names = dict(super().engine_names())
        if self.truncate_prompt_tokens is None and self.truncation_length:
            names["truncate_prompt_tokens"] = "truncation_length"
        if (only := only_constraint(self.constraints())) is not None:
            names |= dict.fromkeys(("response_format", "grammar", "regex"), only[0])
        return names

    def sampling(self, choice: int) -> Sampling:
        """The sampling of answer number `choice`."""
        return replace(
            self.shared_sampling(choice, self.their_samplers()),
            temperature=self.temperature if self.do_samples else 0.0,
            allowed_tokens=tuple(self.allowed_token_ids or ()),
            bad_words=tuple(self.bad_words or ()),
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
