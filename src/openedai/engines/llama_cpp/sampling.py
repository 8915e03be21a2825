"""How llama.cpp is told to draw the next token."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.contract.generate import Sampling
from openedai.errors import InvalidRequest


class SamplingDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request that names no value gets; the API's own defaults unless configured.

    `top_k` 0 and `min_p` 0 leave every token in the draw.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0


# Fields of `Sampling` that llama.cpp has under the same name, with defaults of its own that
# change nothing.
_SAME = (
    "typical_p",
    "repeat_penalty",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "dry_sequence_breakers",
    "xtc_probability",
    "xtc_threshold",
)


def sampling_body(
    sampling: Sampling, defaults: SamplingDefaults, *, context: int, vocabulary: int
) -> dict[str, Any]:
    """The fields of a request. Raises InvalidRequest for a bias on a token that is none.

    `context` is in tokens: the official penalties look at the whole text.
    """
    values = {
        "temperature": _either(sampling.temperature, defaults.temperature),
        "top_p": _either(sampling.top_p, defaults.top_p),
        "top_k": _either(sampling.top_k, defaults.top_k),
        "min_p": _either(sampling.min_p, defaults.min_p),
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "repeat_last_n": _either(sampling.repeat_last_n, context),
        "logit_bias": [_known(pair, vocabulary) for pair in sampling.logit_bias],
    }
    named = ((name, getattr(sampling, name)) for name in _SAME)
    values |= {name: value for name, value in named if value is not None}
    if sampling.seed is not None:
        values["seed"] = sampling.seed % 0x7FFFFFFF
    if values["temperature"] == 0:
        values["top_k"] = 1  # the same choice, without sorting the whole vocabulary
    return values


def _either(asked: float | None, default: float) -> float:
    return default if asked is None else asked


def _known(bias: tuple[int, float], vocabulary: int) -> list[float]:
    if bias[0] >= vocabulary:
        raise InvalidRequest(
            f"Invalid key in 'logit_bias': {bias[0]} is no token of this model, which has "
            f"{vocabulary}.",
            code="invalid_value",
            param="logit_bias",
        )
    return list(bias)
