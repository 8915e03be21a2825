"""Moderation of images by Yahoo's Open NSFW network, in ONNX.

An image is scaled to a square, whatever its shape, and written as a JPEG, as those of the training
were; the network sees the middle of that. Of an animation it sees the first image.

Its options:

    threads    most threads of the computation (the cores that may be used)
    threshold  score from which on `sexual` is flagged (0.8)
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from openedai.contract.engine import ImageModerator
from openedai.contract.moderate import Assessment, ModerateImagesRequest, ModerateResult
from openedai.engines.machine import usable_cores
from openedai.engines.options import parse_options, weights_path
from openedai.errors import EngineFailed, InvalidRequest
from openedai.images.bad_image import BadImage
from openedai.images.decode import decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCALED, SEEN = 256, 224
# The mean colour of the training's images: blue, green, red.
MEAN = (104.0, 117.0, 123.0)
CATEGORY = "sexual"
# The server has already checked the images; this limits the memory for one.
MAX_PIXELS = 1 << 28


class OpenNsfwOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the module's docstring explains them."""

    threads: Annotated[int, msgspec.Meta(ge=1)] | None = None
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8


class OpenNsfw(ImageModerator):
    """The network. Made by `load`."""

    slots = 8

    def __init__(self, model: str, session: Any, threshold: float) -> None:
        self._model = model
        self._session = session
        self._threshold = threshold
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="images")
        self._done = 0

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        known = parse_options(OpenNsfwOptions, model, options)
        file = _graph_file(model, weights_path(model, path))
        threads = known.threads or usable_cores()
        session = await asyncio.to_thread(_session, model, file, threads)
        return cls(model, session, known.threshold)

    async def moderate_images(self, request: ModerateImagesRequest) -> ModerateResult:
        loop = asyncio.get_running_loop()
        scores = [
            await loop.run_in_executor(self._thread, self._score, image) for image in request.images
        ]
        return ModerateResult(assessments=tuple(map(self._assessment, scores)), prompt_tokens=0)

    def memory(self) -> int:
        import psutil

        return int(psutil.Process().memory_info().rss)

    def progress(self) -> int:
        return self._done

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _score(self, raw: bytes) -> float:
        feeds = {self._session.get_inputs()[0].name: prepared(raw)[None]}
        try:
            (output,) = self._session.run(None, feeds)
        except Exception as error:  # ONNX Runtime's own errors share no other base class
            raise EngineFailed(f"The model `{self._model}` failed: {error}") from error
        self._done += 1
        score = float(output[0, 1])
        if not 0 <= score <= 1:
            raise EngineFailed(f"The model `{self._model}` failed: its score is {score}.")
        return score

    def _assessment(self, score: float) -> Assessment:
        flagged = (CATEGORY,) if score >= self._threshold else ()
        return Assessment(scores={CATEGORY: score}, flagged=flagged)


def prepared(raw: bytes) -> NDArray[np.float32]:
    """What the network sees of an image file: [SEEN, SEEN, 3], in the order blue, green, red.

    Raises InvalidRequest for a damaged file.
    """
    import numpy as np
    from PIL import Image

    try:
        image = decode(raw, MAX_PIXELS).image
    except BadImage as error:
        raise InvalidRequest(error.message, code=error.code, param="input") from error
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    file = io.BytesIO()
    image.resize((SCALED, SCALED), Image.Resampling.BILINEAR).save(file, "JPEG")
    edge = (SCALED - SEEN) // 2
    with Image.open(file, formats=["jpeg"]) as small:
        seen = small.crop((edge, edge, edge + SEEN, edge + SEEN))
        colours = np.asarray(seen, np.float32)[:, :, ::-1]
    return np.ascontiguousarray(colours - np.array(MEAN, np.float32))


def _graph_file(model: str, path: Path) -> Path:
    """The graph itself, or the one in a folder. Raises EngineFailed."""
    files = [path] if path.is_file() else sorted(path.glob("*.onnx"))
    if len(files) != 1:
        raise EngineFailed(f"The model `{model}` has {len(files)} ONNX graphs, and not one.")
    return files[0]


def _session(model: str, file: Path, threads: int) -> Any:
    """Raises EngineFailed."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's own errors share no other base class
        raise EngineFailed(f"ONNX Runtime cannot load the model `{model}`: {error}") from error
    shapes = [one.shape[1:] for one in (*session.get_inputs(), *session.get_outputs())]
    if shapes != [[SEEN, SEEN, 3], [2]]:
        raise EngineFailed(f"The graph of the model `{model}` is not that of Open NSFW.")
    return session
