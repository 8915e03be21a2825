"""llama.cpp's samplers for the parameters of a request."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import msgspec
from msgspec.structs import asdict

from openedai.contract.generate import Sampling
from openedai.engines.llama_cpp.native.library import LogitBias
from openedai.engines.llama_cpp.native.model import Model, Vocabulary, c_strings
from openedai.engines.llama_cpp.options import SamplingDefaults
from openedai.errors import InvalidRequest

_MIN_KEEP = 1
_MIROSTAT_M = 100  # llama.cpp's own value
_SEEDS = 0x7FFFFFFF  # the highest numbers stand for a random seed
# Lower temperatures overflow the logits; the most likely token is the same choice.
_GREEDY = 1e-4


class SamplingValues(msgspec.Struct, frozen=True):
    """The parameters of a request, with every default filled in; their names are llama.cpp's.

    The windows of penalties, `repeat_last_n` and `dry_penalty_last_n`, are in tokens; -1 is the
    whole context. `seed` None is a random one.
    """

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    presence_penalty: float
    frequency_penalty: float
    logit_bias: tuple[tuple[int, float], ...]
    seed: int | None
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = -1
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1


def resolve_sampling(
    sampling: Sampling, defaults: SamplingDefaults, vocabulary: int
) -> SamplingValues:
    """The values for a request. `vocabulary` is the number of tokens.

    Raises InvalidRequest for a bias on a token that does not exist.
    """
    for token, _ in sampling.logit_bias:
        if token >= vocabulary:
            raise InvalidRequest(
                f"Invalid key in 'logit_bias': {token} is no token of this model, which has "
                f"{vocabulary}.",
                code="invalid_value",
                param="logit_bias",
            )
    values = asdict(defaults) | sampling.local.given()
    for name in ("temperature", "top_p"):
        if (given := getattr(sampling, name)) is not None:
            values[name] = given
    return SamplingValues(
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        logit_bias=sampling.logit_bias,
        seed=sampling.seed,
        **values,
    )


class Sampler:
    """Chooses the tokens of one answer.

    The official penalties count the tokens of the answer only; llama.cpp's own ones, for
    repetitions, count those of the prompt too.
    """

    def __init__(self, model: Model, values: SamplingValues, prompt: Iterable[int]) -> None:
        self._c = model.library.c
        self._model = model
        self._chain: int | None = self._c.llama_sampler_chain_init(
            self._c.llama_sampler_chain_default_params()
        )
        for sampler in self._samplers(values, model.vocabulary, model.context_length, prompt):
            self._c.llama_sampler_chain_add(self._chain, sampler)

    def sample(self, row: int) -> int:
        """The next token, by the logits of the batch's token `row`."""
        return int(self._c.llama_sampler_sample(self._chain, self._model.context, row))

    def close(self) -> None:
        if self._chain:
            self._c.llama_sampler_free(self._chain)
        self._chain = None

    def _samplers(
        self, values: SamplingValues, vocabulary: Vocabulary, context: int, prompt: Iterable[int]
    ) -> list[int]:
        """In llama.cpp's own order."""
        c, size = self._c, vocabulary.size
        chain: list[int] = []
        if values.logit_bias:
            pairs = [LogitBias(token, bias) for token, bias in values.logit_bias]
            biases = (LogitBias * len(pairs))(*pairs)
            chain.append(c.llama_sampler_init_logit_bias(size, len(pairs), biases))
        if values.presence_penalty or values.frequency_penalty:
            chain.append(
                c.llama_sampler_init_penalties(
                    size, context, 1.0, values.frequency_penalty, values.presence_penalty
                )
            )
        chain += self._repetition(values, vocabulary, context, prompt)
        seed = secrets.randbits(31) if values.seed is None else values.seed % _SEEDS
        return chain + (self._greedy(values) or self._random(values, size, seed))

    def _repetition(
        self, values: SamplingValues, vocabulary: Vocabulary, context: int, prompt: Iterable[int]
    ) -> list[int]:
        c = self._c
        found: list[int] = []
        if values.repeat_penalty != 1.0:
            window = _window(values.repeat_last_n, context)
            repeat = (vocabulary.size, window, values.repeat_penalty, 0.0, 0.0)
            found.append(c.llama_sampler_init_penalties(*repeat))
        if values.dry_multiplier:
            breakers = c_strings(values.dry_sequence_breakers)
            dry = (values.dry_multiplier, values.dry_base, values.dry_allowed_length)
            window = _window(values.dry_penalty_last_n, context)
            arguments = (*dry, window, breakers, len(breakers))
            found.append(c.llama_sampler_init_dry(vocabulary.pointer, *arguments))
        for sampler in found:
            for token in prompt:
                c.llama_sampler_accept(sampler, token)
        return found

    def _greedy(self, values: SamplingValues) -> list[int]:
        return [self._c.llama_sampler_init_greedy()] if values.temperature < _GREEDY else []

    def _random(self, values: SamplingValues, size: int, seed: int) -> list[int]:
        c = self._c
        temperature = c.llama_sampler_init_temp(values.temperature)
        tau, eta = values.mirostat_tau, values.mirostat_eta
        if values.mirostat == 1:
            return [temperature, c.llama_sampler_init_mirostat(size, seed, tau, eta, _MIROSTAT_M)]
        if values.mirostat == 2:
            return [temperature, c.llama_sampler_init_mirostat_v2(seed, tau, eta)]
        chain: list[int] = []
        if values.top_k > 0:
            chain.append(c.llama_sampler_init_top_k(values.top_k))
        if values.typical_p < 1.0:
            chain.append(c.llama_sampler_init_typical(values.typical_p, _MIN_KEEP))
        if values.top_p < 1.0:
            chain.append(c.llama_sampler_init_top_p(values.top_p, _MIN_KEEP))
        if values.min_p > 0.0:
            chain.append(c.llama_sampler_init_min_p(values.min_p, _MIN_KEEP))
        if values.xtc_probability > 0.0:
            xtc = (values.xtc_probability, values.xtc_threshold, _MIN_KEEP, seed)
            chain.append(c.llama_sampler_init_xtc(*xtc))
        return [*chain, temperature, c.llama_sampler_init_dist(seed)]


def _window(tokens: int, context: int) -> int:
    return context if tokens < 0 else min(tokens, context)
