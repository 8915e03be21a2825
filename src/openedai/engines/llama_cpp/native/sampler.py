"""llama.cpp's samplers for the parameters of a request."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Sequence
from ctypes import c_char_p

import msgspec
from msgspec.structs import asdict

from openedai.contract.generate import Sampling
from openedai.engines.llama_cpp.native.library import LogitBias
from openedai.engines.llama_cpp.native.model import Model
from openedai.engines.llama_cpp.native.words import Vocabulary
from openedai.engines.llama_cpp.options import SamplingDefaults
from openedai.errors import InvalidRequest, invalid_value

_MIN_KEEP = 1
# Some samplers fail at probabilities of 0: they only get tokens that are at least this likely,
# relative to the likeliest.
_POSSIBLE = 1e-20
_MIROSTAT_M = 100  # llama.cpp's own value
_SEEDS = 0x7FFFFFFF  # the highest numbers stand for a random seed
# Lower temperatures would overflow the logits; choosing the likeliest token is equivalent.
_GREEDY = 1e-4
# llama.cpp searches the whole vocabulary for the texts that end a repetition, which takes some ms
# for each byte, and knows only the first bytes of a long one.
_BREAKER = 40  # bytes
_BREAKERS = 256  # bytes
# Within these bounds some token can always be chosen, and never a forbidden one.
_BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 1e4),
    "presence_penalty": (-1e4, 1e4),
    "frequency_penalty": (-1e4, 1e4),
    "repeat_penalty": (1e-4, 1e4),
    "mirostat_tau": (0.0, 1e4),
    "mirostat_eta": (0.0, 1e4),
    "dry_multiplier": (0.0, 1e4),
    "dry_base": (1.0, 1e4),
    "xtc_threshold": (1e-6, 1.0),
    "top_k": (0, 1 << 30),
    "dry_allowed_length": (0, 1 << 30),
}
_BIAS = (-1e4, 1e4)


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
    """The values for a request, within bounds. `vocabulary` is the number of tokens.

    Raises InvalidRequest for a bias on a token that does not exist, and for breakers whose total
    length is too large.
    """
    for token, _ in sampling.logit_bias:
        if not 0 <= token < vocabulary:
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
    values |= {
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
    }
    for name in values.keys() & _BOUNDS.keys():
        values[name] = _within(_BOUNDS[name], values[name])
    found = SamplingValues(
        logit_bias=tuple((token, _within(_BIAS, bias)) for token, bias in sampling.logit_bias),
        seed=sampling.seed,
        **values,
    )
    if sum(map(len, _breakers(found))) > _BREAKERS:
        raise invalid_value(
            "dry_sequence_breakers", f"together they must have at most {_BREAKERS} bytes"
        )
    return found


class Sampler:
    """Chooses the tokens of one answer.

    The official penalties count the tokens of the answer only; llama.cpp's own ones, for
    repetitions, count those of the prompt too. May be made in any thread, which takes long for some
    values, and is freed with the last reference to it.
    """

    def __init__(self, model: Model, values: SamplingValues, prompt: Sequence[int]) -> None:
        self._c = model.library.c
        self._model = model
        self.values = values
        self._chain: int = self._c.llama_sampler_chain_init(
            self._c.llama_sampler_chain_default_params()
        )
        weakref.finalize(self, self._c.llama_sampler_free, self._chain).atexit = False
        for sampler in self._samplers(values, model.vocabulary, model.context_length, prompt):
            self._c.llama_sampler_chain_add(self._chain, sampler)

    def sample(self, row: int) -> int:
        """The next token, by the logits of the batch's token `row`."""
        return int(self._c.llama_sampler_sample(self._chain, self._model.context, row))

    def _samplers(
        self, values: SamplingValues, vocabulary: Vocabulary, context: int, prompt: Sequence[int]
    ) -> list[int]:
        """The samplers, in llama.cpp's own order."""
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
        self, values: SamplingValues, vocabulary: Vocabulary, context: int, prompt: Sequence[int]
    ) -> list[int]:
        c = self._c
        found: list[int] = []
        if values.repeat_penalty != 1.0:
            window = _window(values.repeat_last_n, context)
            repeat = (vocabulary.size, window, values.repeat_penalty, 0.0, 0.0)
            found.append(c.llama_sampler_init_penalties(*repeat))
        if values.dry_multiplier:
            texts = _breakers(values)
            breakers = (c_char_p * len(texts))(*texts)
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
        chain: list[int] = []
        if values.mirostat or values.typical_p < 1.0:
            chain.append(c.llama_sampler_init_min_p(_POSSIBLE, _MIN_KEEP))
        if values.mirostat == 1:
            mirostat = c.llama_sampler_init_mirostat(size, seed, tau, eta, _MIROSTAT_M)
            return [*chain, temperature, mirostat]
        if values.mirostat == 2:
            return [*chain, temperature, c.llama_sampler_init_mirostat_v2(seed, tau, eta)]
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


def _breakers(values: SamplingValues) -> list[bytes]:
    """The different texts that end a repetition, as llama.cpp takes them."""
    if not values.dry_multiplier:
        return []
    encoded = (text.encode("utf-8", "replace") for text in values.dry_sequence_breakers)
    return [*dict.fromkeys(text.split(b"\0")[0][:_BREAKER] for text in encoded)]


def _within(bounds: tuple[float, float], value: float) -> float:
    return max(bounds[0], min(bounds[1], value))


def _window(tokens: int, context: int) -> int:
    return context if tokens < 0 else min(tokens, context)
