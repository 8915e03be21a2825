"""Previews of an image: its latents, decoded after some of the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from openedai.contract.images import PartialImage
from openedai.engines.diffusers.plan import Size

if TYPE_CHECKING:
    from PIL import Image


class Previews:
    """Sends `count` previews of the image at `index` while a pipeline makes it.

    Fewer if there are not as many steps, and none if the latents cannot be decoded.
    """

    def __init__(
        self, count: int, index: int, size: Size, send: Callable[[PartialImage], None]
    ) -> None:
        """`size` is that of the images that the pipeline makes."""
        self._count = count
        self._index = index
        self._size = size
        self._send = send
        self._sent = 0

    def arguments(self) -> dict[str, Any]:
        """What the pipeline is called with."""
        return {"callback_on_step_end": self._step} if self._count else {}

    def _step(self, pipeline: Any, step: int, time: Any, values: dict[str, Any]) -> dict[str, Any]:
        from openedai.images.decode import png_of

        if step in preview_steps(self._count, pipeline.num_timesteps):
            image = decoded(pipeline, values["latents"], self._size)
            if image is not None:
                preview = PartialImage(index=self._index, number=self._sent, data=png_of(image))
                self._sent += 1
                self._send(preview)
        return {}


def preview_steps(count: int, steps: int) -> set[int]:
    """The steps, counted from 0, after which there is a preview: evenly spaced, never the last."""
    even = {round(steps * (number + 1) / (count + 1)) - 1 for number in range(count)}
    return {step for step in even if 0 <= step < steps - 1}


def decoded(pipeline: Any, latents: Any, size: Size) -> Image.Image | None:
    """The image of latents; None if it is not known how this pipeline decodes them."""
    vae = pipeline.components.get("vae")
    if latents.ndim == 3 and hasattr(pipeline, "_unpack_latents"):
        width, height = size
        latents = pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor)
    if vae is None or latents.ndim != 4 or latents.shape[1] != vae.config.latent_channels:
        return None
    latents = latents / vae.config.scaling_factor + (vae.config.get("shift_factor") or 0.0)
    dtype = vae.dtype
    if vae.config.get("force_upcast") and dtype.itemsize == 2:
        vae.to(dtype=latents.float().dtype)
    pixels = vae.decode(latents.to(vae.dtype), return_dict=False)[0]
    vae.to(dtype=dtype)
    image: Image.Image = pipeline.image_processor.postprocess(pixels, output_type="pil")[0]
    return image
