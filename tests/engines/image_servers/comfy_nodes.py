"""The nodes of the fake ComfyUI: for text to image, image to image and inpainting."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.engines.image_servers.fake_image import FakeImage

# The inputs that each node must have; a list has the allowed values.
CHECKPOINTS = ["v1-5-pruned-emaonly.safetensors", "dreamshaper_8.safetensors"]
REQUIRED: dict[str, dict[str, Any]] = {
    "CheckpointLoaderSimple": {"ckpt_name": CHECKPOINTS},
    "CLIPTextEncode": {"text": "STRING", "clip": "CLIP"},
    "EmptyLatentImage": {"width": "INT", "height": "INT", "batch_size": "INT"},
    "LoadImage": {"image": "IMAGEUPLOAD"},
    "LoadImageMask": {"image": "IMAGEUPLOAD", "channel": ["alpha", "red", "green", "blue"]},
    "ImageScale": {
        "image": "IMAGE",
        "upscale_method": ["lanczos"],
        "width": "INT",
        "height": "INT",
    },
    "VAEEncode": {"pixels": "IMAGE", "vae": "VAE"},
    "SetLatentNoiseMask": {"samples": "LATENT", "mask": "MASK"},
    "KSampler": {
        "model": "MODEL",
        "seed": "INT",
        "steps": "INT",
        "cfg": "FLOAT",
        "sampler_name": ["euler", "euler_ancestral", "dpmpp_2m", "ddim"],
        "scheduler": ["normal", "karras", "simple"],
        "positive": "CONDITIONING",
        "negative": "CONDITIONING",
        "latent_image": "LATENT",
        "denoise": "FLOAT",
    },
    "VAEDecode": {"samples": "LATENT", "vae": "VAE"},
    "SaveImage": {"images": "IMAGE", "filename_prefix": "STRING"},
    "PreviewImage": {"images": "IMAGE"},
}
OUTPUTS = frozenset({"SaveImage", "PreviewImage"})


@dataclass(frozen=True)
class Problem:
    """What the validation says of one input, or of the whole workflow without one."""

    type: str
    message: str
    details: str
    input: str = ""

    def fields(self) -> dict[str, Any]:
        extra = {"input_name": self.input} if self.input else {}
        text = {"type": self.type, "message": self.message, "details": self.details}
        return {**text, "extra_info": extra}


def check(workflow: dict[str, Any]) -> tuple[Problem | None, dict[str, Any]]:
    """The error of a workflow, and those of its nodes."""
    for number, node in workflow.items():
        name = node.get("class_type")
        if name not in REQUIRED:
            message = f"Node '{name}' not found. The custom node may not be installed."
            return Problem("missing_node_type", message, f"Node ID '#{number}'"), {}
    if not any(node["class_type"] in OUTPUTS for node in workflow.values()):
        return Problem("prompt_no_outputs", "Prompt has no outputs", ""), {}
    found = {number: list(_problems(node)) for number, node in workflow.items()}
    errors = {
        number: {
            "errors": [problem.fields() for problem in problems],
            "dependent_outputs": [],
            "class_type": workflow[number]["class_type"],
        }
        for number, problems in found.items()
        if problems
    }
    if not errors:
        return None, {}
    lines = [f"{one.message}: {one.details}" for problems in found.values() for one in problems]
    message = "Prompt outputs failed validation"
    return Problem("prompt_outputs_failed_validation", message, "\n".join(lines)), errors


def _problems(node: dict[str, Any]) -> list[Problem]:
    problems = []
    for name, expected in REQUIRED[node["class_type"]].items():
        value = node["inputs"].get(name)
        if value is None:
            problems.append(
                Problem("required_input_missing", "Required input is missing", name, name)
            )
        elif isinstance(value, list):
            continue
        elif isinstance(expected, list) and value not in expected:
            details = f"{name}: {value!r} not in {expected}"
            problems.append(Problem("value_not_in_list", "Value not in list", details, name))
        elif expected in ("INT", "FLOAT"):
            try:
                float(value)
            except ValueError:
                message = f"Failed to convert an input value to a {expected} value"
                problems.append(Problem("invalid_input_type", message, f"{name}, {value}", name))
    return problems


Sampler = Callable[[str, FakeImage], AsyncGenerator[None, None]]


class Run:
    """Computes the nodes of one workflow. `files` are the uploaded images; `sample` is awaited for
    the steps of each sampler.
    """

    def __init__(
        self, workflow: dict[str, Any], files: dict[str, Image.Image], sample: Any
    ) -> None:
        self._workflow = workflow
        self._files = files
        self._sample = sample
        self._values: dict[str, tuple[Any, ...]] = {}

    async def images(self, number: str) -> list[Image.Image]:
        """The images that an output node gets."""
        inputs = await self._inputs(number)
        images: list[Image.Image] = inputs["images"]
        return images

    async def _inputs(self, number: str) -> dict[str, Any]:
        return {
            name: await self._value(value) if isinstance(value, list) else value
            for name, value in self._workflow[number]["inputs"].items()
        }

    async def _value(self, link: list[Any]) -> Any:
        number, position = str(link[0]), link[1]
        if number not in self._values:
            self._values[number] = await self._run(number)
        return self._values[number][position]

    async def _run(self, number: str) -> tuple[Any, ...]:
        inputs = await self._inputs(number)
        match self._workflow[number]["class_type"]:
            case "CheckpointLoaderSimple":
                return (inputs["ckpt_name"],) * 3
            case "CLIPTextEncode":
                return (inputs["text"],)
            case "EmptyLatentImage":
                width, height = int(inputs["width"]), int(inputs["height"])
                latent = FakeImage(prompt="", width=width, height=height)
                return ([latent] * int(inputs["batch_size"]),)
            case "LoadImage":
                image = self._files[inputs["image"]]
                return (image, _repaint(image))
            case "LoadImageMask":
                image, channel = self._files[inputs["image"]], inputs["channel"]
                if channel == "alpha":
                    return (_repaint(image),)
                return (image.convert("RGB").getchannel(channel[0].upper()),)
            case "ImageScale":
                size = (int(inputs["width"]), int(inputs["height"]))
                return (inputs["image"].resize(size, Image.Resampling.LANCZOS),)
            case "VAEEncode":
                image = inputs["pixels"]
                width, height = image.width // 8 * 8, image.height // 8 * 8
                return ([FakeImage(prompt="", image=image, width=width, height=height)],)
            case "SetLatentNoiseMask":
                latents = inputs["samples"]
                return ([dataclasses.replace(one, mask=inputs["mask"]) for one in latents],)
            case "KSampler":
                return (await self._sampled(number, inputs),)
            case "VAEDecode":
                return ([fake.paint() for fake in inputs["samples"]],)
        raise AssertionError(number)

    async def _sampled(self, number: str, inputs: dict[str, Any]) -> list[FakeImage]:
        fakes = [
            dataclasses.replace(
                latent,
                prompt=inputs["positive"],
                negative_prompt=inputs["negative"],
                seed=int(inputs["seed"]) + position,
                model=inputs["model"],
                steps=int(inputs["steps"]),
                strength=float(inputs["denoise"]),
            )
            for position, latent in enumerate(inputs["latent_image"])
        ]
        await self._sample(number, fakes)
        return fakes


def _repaint(image: Image.Image) -> Image.Image:
    """The mask of an image: white where it is transparent."""
    alpha = image.convert("RGBA").getchannel("A")
    return alpha.point([255 - value for value in range(256)])
