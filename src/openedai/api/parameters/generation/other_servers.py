"""Parameters under `/v1` of vLLM, SGLang, llama.cpp's server, LM Studio, Ollama and
text-generation-webui, so that their clients need only another URL.

What can be honoured is honoured. Of the rest, harmless parameters have no effect, and others are
refused, unless their values request nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field
from pydantic_core import PydanticKnownError

from openedai.api.parameters.generation.answer_formats import (
    Choices,
    GrammarText,
    OptionalGrammar,
    Schema,
    StructuredOutputs,
    one_of,
)
from openedai.api.parameters.generation.prompt import TokenId
from openedai.api.parameters.numbers import MAX_INT
from openedai.contract.generate import (
    Constraint,
    Ending,
    Grammar,
    JsonSchema,
    LocalSampling,
    Regex,
)
from openedai.errors import invalid_value
from openedai.http.body import AllowedOnly, Body, Refused

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[str, ...] = get_args(Effort)
_SWITCH: Mapping[bool, Effort] = {True: "medium", False: "none"}


def unless_minus_one(at_least: int) -> AfterValidator:
    """A bound for a number that may also be -1, which means no limit on other servers."""

    def check(value: int | None) -> int | None:
        if value is not None and value != -1 and value < at_least:
            raise PydanticKnownError("greater_than_equal", {"ge": at_least})
        if value is not None and value > MAX_INT:
            raise PydanticKnownError("less_than_equal", {"le": MAX_INT})
        return value

    return AfterValidator(check)


Limit = Annotated[int | None, unless_minus_one(at_least=1)]

_OFF = Annotated[Any, AllowedOnly((False,))]
_ON = Annotated[Any, AllowedOnly((True,))]
_ZERO = Annotated[Any, AllowedOnly((0,))]
_ONE = Annotated[Any, AllowedOnly((1,))]
_NO_LIMIT = Annotated[Any, AllowedOnly((0, -1))]
_EMPTY = Annotated[Any, AllowedOnly(("", [], {}))]


def _text_or_number(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError("expected a string or a number")


def _switch_or_effort(value: Any) -> Any:
    if value is None or isinstance(value, bool) or value in EFFORTS:
        return value
    raise ValueError(f"expected true, false or one of: {', '.join(EFFORTS)}")


BadWord = Annotated[str, Field(min_length=1, max_length=256)]
TextOrNumber = Annotated[Any, AfterValidator(_text_or_number)]
Think = Annotated[Any, AfterValidator(_switch_or_effort)]


class HarmlessParameters(Body):
    """How other servers schedule, cache and identify requests; nothing here changes an answer."""

    id_slot: int | None = None
    keep_alive: TextOrNumber = None
    priority: int | None = None
    request_id: str | None = None
    rid: str | None = None
    session_id: str | None = None
    ttl: float | None = None


class HarmlessSampling(HarmlessParameters):
    """Harmless parameters of generations."""

    cache_prompt: bool | None = None
    draft_model: str | None = None
    dynatemp_exponent: float | None = None
    dynatemp_high: float | None = None
    dynatemp_low: float | None = None
    guided_decoding_backend: str | None = None
    n_cache_reuse: int | None = None
    n_keep: int | None = None
    prompt_lookup_num_tokens: int | None = None
    return_progress: bool | None = None
    smoothing_curve: float | None = None
    stream_interval: int | None = None
    timings_per_token: bool | None = None


class NeutralParameters(Body):
    """Parameters that are not supported: only values that request nothing are accepted."""

    auto_max_new_tokens: _OFF = None
    custom_token_bans: _EMPTY = None
    dynamic_temperature: _OFF = None
    dynatemp_range: _ZERO = None
    early_stopping: _OFF = None
    encoder_repetition_penalty: _ONE = None
    epsilon_cutoff: _ZERO = None
    eta_cutoff: _ZERO = None
    guidance_scale: _ONE = None
    guided_whitespace_pattern: Refused = None
    length_penalty: _ONE = None
    logits_processors: _EMPTY = None
    lora: _EMPTY = None
    max_tokens_second: _ZERO = None
    min_keep: Annotated[Any, AllowedOnly((0, 1))] = None
    n_probs: _ZERO = None
    negative_prompt: _EMPTY = None
    no_repeat_ngram_size: _ZERO = None
    penalize_nl: _OFF = None
    penalty_alpha: _ZERO = None
    post_sampling_probs: _OFF = None
    return_hidden_states: _OFF = None
    return_token_ids: _OFF = None
    return_tokens: _OFF = None
    return_tokens_as_token_ids: _OFF = None
    skip_special_tokens: _ON = None
    smoothing_factor: _ZERO = None
    spaces_between_special_tokens: _ON = None
    stop_regex: _EMPTY = None
    t_max_predict_ms: _NO_LIMIT = None
    temperature_last: _OFF = None
    tfs: _ONE = None
    tfs_z: _ONE = None
    top_a: _ZERO = None
    truncation_side: Annotated[Any, AllowedOnly(("left",))] = None
    use_beam_search: _OFF = None


class OtherServersBody(HarmlessSampling, NeutralParameters):
    """The parameters of chat and completions."""

    allowed_token_ids: list[TokenId] | None = Field(None, max_length=1 << 16)
    bad_words: list[BadWord] | None = Field(None, max_length=1024)
    ban_eos_token: bool | None = None
    do_sample: bool | None = None
    ebnf: GrammarText | None = None
    grammar_string: OptionalGrammar = None
    guided_choice: Choices | None = None
    guided_grammar: GrammarText | None = None
    guided_json: Schema | None = None
    guided_regex: GrammarText | None = None
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    json_schema: Schema | None = None
    min_tokens: int | None = Field(None, ge=0, le=1 << 31)
    mirostat_mode: int | None = Field(None, ge=0, le=2)
    n_predict: Limit = None
    no_stop_trim: bool | None = None
    prompt_logprobs: int | None = Field(None, ge=0, le=20)
    repetition_penalty: float | None = Field(None, ge=0, le=10)
    repetition_penalty_range: int | None = Field(None, ge=-1, le=MAX_INT)
    stop_token_ids: list[TokenId] | None = Field(None, max_length=1024)
    structured_outputs: StructuredOutputs | None = None
    truncate_prompt_tokens: int | None = Field(None, ge=-1, le=MAX_INT)
    truncation_length: int | None = Field(None, ge=0, le=MAX_INT)

    _SAMPLERS: ClassVar[Mapping[str, str]] = {
        "repetition_penalty": "repeat_penalty",
        "repetition_penalty_range": "repeat_last_n",
        "mirostat_mode": "mirostat",
    }

    def check(self) -> None:
        super().check()
        if self.truncate_prompt_tokens == 0:
            raise invalid_value("truncate_prompt_tokens", "it must be -1, or at least 1")
        for theirs, ours in self._SAMPLERS.items():
            if getattr(self, theirs) is not None and getattr(self, ours, None) is not None:
                raise invalid_value(theirs, f"it is another name of '{ours}', which is set too")

    def their_samplers(self) -> LocalSampling:
        """The samplers that have different names here."""
        window = self.repetition_penalty_range
        return LocalSampling(
            repeat_penalty=self.repetition_penalty,
            repeat_last_n=-1 if window == 0 else window,
            mirostat=self.mirostat_mode,
        )

    def ending(self) -> Ending:
        return Ending(
            min_tokens=self.min_tokens or 0,
            ignore_end=bool(self.ignore_eos or self.ban_eos_token),
            stop_tokens=tuple(self.stop_token_ids or ()),
            keep_stop=bool(self.include_stop_str_in_output or self.no_stop_trim),
        )

    def prompt_limit(self, max_tokens: int | None) -> int | None:
        """The most tokens of the prompt that are used, of an answer with at most `max_tokens`."""
        if self.truncate_prompt_tokens is not None:
            return max(0, self.truncate_prompt_tokens)
        if self.truncation_length:
            return max(1, self.truncation_length - (max_tokens or 1))
        return None

    def their_constraints(self) -> Iterator[tuple[str, Constraint]]:
        """The constraints on the answer, with the names of the parameters."""
        for name in ("guided_json", "json_schema"):
            if (schema := getattr(self, name)) is not None:
                yield name, JsonSchema(schema=schema)
        for name in ("guided_grammar", "ebnf", "grammar_string"):
            if (grammar := getattr(self, name)) is not None:
                yield name, Grammar(gbnf=grammar)
        if self.guided_regex is not None:
            yield "guided_regex", Regex(pattern=self.guided_regex)
        if self.guided_choice is not None:
            yield "guided_choice", one_of(self.guided_choice)
        if self.structured_outputs is not None:
            yield from self.structured_outputs.constraints("structured_outputs")


class OtherServersEmbeddingBody(HarmlessParameters):
    """The parameters of embeddings. Vectors always have length 1, and inputs that do not fit are
    truncated.
    """

    input_type: str | None = None
    normalize: _ON = None
    truncate_prompt_tokens: Annotated[Any, AllowedOnly((-1,))] = None


class OtherServersCompletionBody(Body):
    """The parameters of completions only."""

    add_bos_token: _ON = None
    add_special_tokens: _ON = None


class Reasoning(Body):
    """`exclude` and `max_tokens` are not supported."""

    effort: Effort | None = None
    enabled: bool | None = None
    exclude: _OFF = None
    max_tokens: Refused = None


class OtherServersChatBody(Body):
    """The parameters of chat only."""

    add_generation_prompt: bool | None = None
    continue_: bool | None = None
    continue_final_message: bool | None = None
    documents: list[dict[str, Any]] | None = None
    enable_thinking: bool | None = None
    reasoning: Reasoning | None = None
    think: Think = None

    character: str | None = None
    name1: str | None = None
    name2: str | None = None

    add_special_tokens: _OFF = None
    chat_template: _EMPTY = None
    echo: _OFF = None
    impersonate: _OFF = None
    include_reasoning: _ON = None
    mode: Annotated[Any, AllowedOnly(("instruct",))] = None
    parse_tool_calls: _ON = None
    reasoning_format: Annotated[Any, AllowedOnly(("auto", "deepseek"))] = None
    separate_reasoning: _ON = None
    stream_reasoning: _ON = None
    thinking_budget: Refused = None
    thinking_token_budget: Refused = None

    @property
    def continues(self) -> str | None:
        """The name of the parameter that makes the answer continue the last message, if one
        does.
        """
        names = ("continue_final_message", "continue_")
        return next((name for name in names if getattr(self, name)), None)

    def their_effort(self) -> tuple[str, Effort] | None:
        """A reasoning effort, with the name of the parameter."""
        if isinstance(self.think, bool):
            return "think", _SWITCH[self.think]
        if self.think is not None:
            return "think", self.think
        if self.reasoning is not None and self.reasoning.effort is not None:
            return "reasoning.effort", self.reasoning.effort
        if self.reasoning is not None and self.reasoning.enabled is not None:
            return "reasoning.enabled", _SWITCH[self.reasoning.enabled]
        return None

    def template_variables(self) -> dict[str, Any]:
        """Variables of the chat template."""
        names = ("documents", "enable_thinking")
        return {name: value for name in names if (value := getattr(self, name)) is not None}
