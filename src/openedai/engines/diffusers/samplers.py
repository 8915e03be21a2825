"""Samplers by the names that web UIs for Stable Diffusion give them."""

from __future__ import annotations

from typing import Any

from openedai.errors import Unsupported, invalid_value

_KARRAS = {"use_karras_sigmas": True}
_STOCHASTIC = {"algorithm_type": "sde-dpmsolver++"}

# The scheduler class of diffusers, and what differs from the configuration of the model.
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "DDIM": ("DDIMScheduler", {}),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 2M Karras": ("DPMSolverMultistepScheduler", _KARRAS),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", _STOCHASTIC),
    "DPM++ 2M SDE Karras": ("DPMSolverMultistepScheduler", _STOCHASTIC | _KARRAS),
    "DPM2": ("KDPM2DiscreteScheduler", {}),
    "DPM2 a": ("KDPM2AncestralDiscreteScheduler", {}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler a": ("EulerAncestralDiscreteScheduler", {}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "LCM": ("LCMScheduler", {}),
    "PLMS": ("PNDMScheduler", {"skip_prk_steps": True}),
    "UniPC": ("UniPCMultistepScheduler", {}),
}


def find_sampler(name: str) -> tuple[str, dict[str, Any]]:
    """The sampler with this name, in any case. Raises InvalidRequest."""
    folded = name.casefold()
    for known, sampler in SAMPLERS.items():
        if known.casefold() == folded:
            return sampler
    raise invalid_value("sampler", f"known samplers: {', '.join(SAMPLERS)}")


def new_scheduler(original: Any, sampler: str | None) -> Any:
    """A scheduler with the configuration of the model's `original` one, in its initial state.

    None is the model's own sampler. Raises Unsupported for one that the model cannot use.
    """
    import diffusers

    if sampler is None:
        return type(original).from_config(original.config)
    name, changes = find_sampler(sampler)
    usable = {type(original), *original.compatibles}
    found = next((known for known in usable if known.__name__ == name), None)
    if found is None or found is not getattr(diffusers, name):
        raise Unsupported(
            f"This model cannot use the sampler '{sampler}'.",
            code="unsupported_value",
            param="sampler",
        )
    return found.from_config(original.config, **changes)
