"""What the parameters of a request mean for a diffusion model on another server."""

from __future__ import annotations

from openedai.contract.images import ImageRequest
from openedai.errors import InvalidRequest, Unsupported, invalid_value

MAX_SEED = (1 << 32) - 1
MAX_STEPS = 150

_VARY_STRENGTH = 0.6  # times that of an edit
_FIDELITY = {"high": 0.6}
_STEPS = {"low": 0.5, "high": 2.0, "hd": 2.0}
QUALITIES = frozenset(_STEPS)  # that change the steps


def check_parameters(request: ImageRequest) -> None:
    """Raise Unsupported for a transparent background, InvalidRequest for numbers out of range."""
    if request.background == "transparent":
        raise Unsupported(
            "This model does not make images with a transparent background.",
            code="unsupported_value",
            param="background",
        )
    for name, least, most in (
        ("steps", 1, MAX_STEPS),
        ("seed", 0, MAX_SEED),
        ("guidance_scale", 0, 100),
        ("strength", 0, 1),
    ):
        value = getattr(request, name)
        if value is not None and not least <= value <= most:
            raise invalid_value(name, f"it must be from {least} to {most}")


def unknown_parameter(name: str) -> InvalidRequest:
    return InvalidRequest(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def steps(request: ImageRequest, default: int) -> int:
    """The number of steps: fewer or more than the default for an unusual `quality`."""
    if request.steps is not None:
        return request.steps
    return max(1, min(MAX_STEPS, round(default * _STEPS.get(request.quality or "", 1.0))))


def strength(request: ImageRequest, default: float) -> float:
    """The strength: less than the default for a variation and for a high `input_fidelity`."""
    if request.strength is not None:
        return request.strength
    by_task = _VARY_STRENGTH if request.task == "vary" else 1.0
    return default * by_task * _FIDELITY.get(request.fidelity or "", 1.0)


def seed(request: ImageRequest, index: int) -> int | None:
    """The seed of the image at `index`; None for a random one."""
    return None if request.seed is None else (request.seed + index) % (MAX_SEED + 1)
