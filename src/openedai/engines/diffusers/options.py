"""The options of a diffusion model."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class DiffusersOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model:

    device           auto, or a device of torch: cpu, cuda, cuda:1, mps … (auto)
    dtype            the type of the weights in memory; auto is float32 on a CPU (auto)
    threads          threads of the computation (the cores that may be used)
    size             the size of images if a request has none (the model's own)
    steps            steps of denoising (the pipeline's own)
    guidance_scale   how closely images follow their prompt (the pipeline's own)
    negative_prompt  what images shall not show (nothing)
    strength         how far an edit may depart from its image, from 0 to 1 (0.8)
    sampler          a name of `samplers.py` (the model's own)
    max_pixels       the most pixels of an image that is computed (2 Mi)
    """

    device: str = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    threads: Annotated[int, Meta(ge=1)] | None = None
    size: Annotated[str, Meta(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")] | None = None
    steps: Annotated[int, Meta(ge=1, le=150)] | None = None
    guidance_scale: Annotated[float, Meta(ge=0, le=100)] | None = None
    negative_prompt: str | None = None
    strength: Annotated[float, Meta(ge=0, le=1)] = 0.8
    sampler: str | None = None
    max_pixels: Annotated[int, Meta(ge=64 * 64)] = 2 << 20
