"""The pipelines of one model: loaded from a folder of diffusers, one for each task. Blocking.

Weights have to be safetensors, code that comes with a model is never run, and nothing is
downloaded.
"""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from openedai.engines.diffusers.brake import Brake
from openedai.engines.diffusers.plan import Task
from openedai.errors import ContextLengthExceeded, EngineFailed, Unavailable, Unsupported

if TYPE_CHECKING:
    import torch

_INPAINTING_CHANNELS = 9  # latents, their mask, and latents of the image behind it
_VARIANT = re.compile(r"\.(fp16|bf16)[.-]")
_SAMPLE_SIZE = 64  # latents of a side, where none is configured
_LONGEST_PROMPT = 1 << 20  # tokens; tokenizers without a limit report far more
_AUTOMATIC: dict[Task, str] = {
    "text": "AutoPipelineForText2Image",
    "image": "AutoPipelineForImage2Image",
    "inpaint": "AutoPipelineForInpainting",
}
_UNSUPPORTED: dict[Task, tuple[str, str]] = {
    "text": ("does not make images from a prompt alone", "model"),
    "image": ("does not edit or vary images", "image"),
    "inpaint": ("does not edit images with a mask", "mask"),
}


class Pipelines:
    """The pipelines share the modules of the model, so they must run one at a time."""

    def __init__(self, folder: Path, device: str, dtype: str, threads: int) -> None:
        """`device` and `dtype` as in the options. Raises Unavailable if diffusers is missing.

        The threads are those of the thread that calls this, which must run the pipelines too.
        """
        # Threads that wait actively for each other are slower by far on cores that are shared.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        try:
            import diffusers
            import torch
            from transformers.utils import logging
        except ImportError as error:
            raise Unavailable(
                "The engine `diffusers` is not installed: pip install 'openedai[images]'."
            ) from error
        torch.set_num_threads(threads)
        class_name = pipeline_class(folder)
        for library in (diffusers.utils.logging, logging):
            library.set_verbosity_error()
            library.disable_progress_bar()
        self.device = _device(torch, device)
        self._loaded = diffusers.DiffusionPipeline.from_pretrained(
            str(folder),
            dtype=_dtype(torch, dtype, self.device, folder),
            variant=weight_variant(folder.glob("*/*.safetensors")),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
        if type(self._loaded).__name__ != class_name:
            raise EngineFailed(f"The pipeline `{class_name}` is not known.")
        self._loaded.to(self.device)
        self._made: dict[Task, Any] = {}
        self.scheduler = self._loaded.scheduler
        self.brake = Brake()
        for part in self._loaded.components.values():
            if isinstance(part, torch.nn.Module):
                self.brake.attach(part)

    @property
    def only_inpaints(self) -> bool:
        """Whether the model was trained for inpainting only, and does other tasks that way."""
        unet = self._loaded.components.get("unet")
        return unet is not None and unet.config.in_channels == _INPAINTING_CHANNELS

    @property
    def multiple(self) -> int:
        """The sides of images are multiples of this many pixels."""
        factor = int(getattr(self._loaded, "vae_scale_factor", 8))
        transformer = self._loaded.components.get("transformer")
        patch = transformer.config.get("patch_size") if transformer is not None else None
        processor = getattr(self._loaded, "image_processor", None)
        packed = int(processor.config.vae_scale_factor) if processor is not None else factor
        return math.lcm(8, packed, factor * (patch if isinstance(patch, int) else 1))

    @property
    def size(self) -> tuple[int, int]:
        """The size of images that the model was trained for, as far as its configuration tells."""
        parts = self._loaded.components
        network = parts.get("unet") or parts.get("transformer")
        sides = getattr(self._loaded, "default_sample_size", None)
        if sides is None and network is not None:
            sides = network.config.get("sample_size")
        height, width = sides if isinstance(sides, (list, tuple)) else (sides, sides)
        factor = int(getattr(self._loaded, "vae_scale_factor", 8))
        return int(width or _SAMPLE_SIZE) * factor, int(height or _SAMPLE_SIZE) * factor

    def of(self, task: Task) -> Any:
        """The pipeline for a task. Raises Unsupported."""
        if task not in self._made:
            self._made[task] = self._make(task)
        return self._made[task]

    def check_prompt(self, prompt: str, param: str) -> None:
        """Raise ContextLengthExceeded if all text encoders would truncate the prompt."""
        counts: list[tuple[int, int]] = []
        for name, tokenizer in self._loaded.components.items():
            if name.startswith("tokenizer") and callable(tokenizer):
                limit = min(tokenizer.model_max_length, _LONGEST_PROMPT)
                counts.append((limit, len(tokenizer(prompt, truncation=False)["input_ids"])))
        if counts and all(tokens > limit for limit, tokens in counts):
            limit, tokens = max(counts)
            raise ContextLengthExceeded.by_tokens(limit, tokens, param=param)

    def _make(self, task: Task) -> Any:
        import diffusers

        try:
            pipeline = getattr(diffusers, _AUTOMATIC[task]).from_pipe(self._loaded)
        except ValueError:
            pipeline = self._loaded
            if task != "text" or "image" in call_defaults(pipeline):
                problem, param = _UNSUPPORTED[task]
                raise Unsupported(
                    f"This model {problem}.", code="unsupported_value", param=param
                ) from None
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def call_defaults(pipeline: Any) -> dict[str, Any]:
    """The parameters of a pipeline's call with their defaults."""
    parameters = inspect.signature(type(pipeline).__call__).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def pipeline_class(folder: Path) -> str:
    """The class of the pipeline in a folder. Raises EngineFailed if it is not one of diffusers'."""
    try:
        index = msgspec.json.decode((folder / "model_index.json").read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise EngineFailed("There is no model_index.json that can be read.") from error
    name = index.get("_class_name")
    if not isinstance(name, str):
        raise EngineFailed("The pipeline is not one of diffusers: it has code of its own.")
    return name


def weight_variant(files: Iterable[Path]) -> str | None:
    """The variant of the weights to load: None unless a folder has only those of a variant."""
    found: dict[Path, set[str]] = {}
    for file in files:
        match = _VARIANT.search(file.name)
        found.setdefault(file.parent, set()).add(match[1] if match else "")
    needed = [variants for variants in found.values() if "" not in variants]
    return max(set[str]().union(*needed), default=None)


def _device(torch_module: Any, requested: str) -> str:
    if requested.startswith("cuda") and not torch_module.cuda.is_available():
        raise Unavailable("The torch here has no CUDA device.")
    if requested != "auto":
        return requested
    if torch_module.cuda.is_available():
        return "cuda"
    return "mps" if torch_module.backends.mps.is_available() else "cpu"


def _dtype(torch_module: Any, requested: str, device: str, folder: Path) -> torch.dtype:
    """The type for computing: transformers overflow in float16, but U-Nets were made for it."""
    name = requested
    if requested == "auto" and device == "cpu":
        name = "float32"
    elif requested == "auto":
        name = "bfloat16" if (folder / "transformer").is_dir() else "float16"
    dtype: torch.dtype = getattr(torch_module, name)
    return dtype
