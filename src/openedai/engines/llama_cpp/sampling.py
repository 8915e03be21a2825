"""The sampling parameters of a request as llama.cpp's."""

from __future__ import annotations

from typing import Any

from openedai.contract.generate import Sampling
from openedai.engines.llama_cpp.options import SamplingDefaults
from openedai.errors import InvalidRequest


def sampling_body(
    sampling: Sampling, defaults: SamplingDefaults, *, context: int, vocabulary: int
) -> dict[str, Any]:
    """The sampling fields of a request's body. `vocabulary` is the number of tokens.

    `context` is in tokens: the official penalties apply to the whole text. Raises InvalidRequest
    for a bias on a token that does not exist.
    """
    values: dict[str, Any] = {
        "temperature": _or_default(sampling.temperature, defaults.temperature),
        "top_p": _or_default(sampling.top_p, defaults.top_p),
        "top_k": defaults.top_k,
        "min_p": defaults.min_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "repeat_last_n": context,
        "logit_bias": [_checked_bias(pair, vocabulary) for pair in sampling.logit_bias],
    }
    values |= sampling.local.given()
    if sampling.seed is not None:
        values["seed"] = sampling.seed % 0x7FFFFFFF
    if values["temperature"] == 0:
        values["top_k"] = 1  # the same choice, without sorting the whole vocabulary
    return values


def _or_default(value: float | None, default: float) -> float:
    return default if value is None else value


def _checked_bias(bias: tuple[int, float], vocabulary: int) -> list[float]:
    if bias[0] >= vocabulary:
        raise InvalidRequest(
            f"Invalid key in 'logit_bias': {bias[0]} is no token of this model, which has "
            f"{vocabulary}.",
            code="invalid_value",
            param="logit_bias",
        )
    return list(bias)
