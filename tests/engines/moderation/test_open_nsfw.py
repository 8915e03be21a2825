"""Images for Open NSFW: what the network sees, and what it says of harmless images."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, save
from PIL import Image

from openedai.contract.moderate import Assessment, ModerateImagesRequest
from openedai.engines.moderation.open_nsfw import MEAN, SEEN, OpenNsfw, prepared
from openedai.errors import EngineFailed, InvalidRequest
from tests.contract.test_image_moderator import open_nsfw_path
from tests.images.files import file_of, noise

# A JPEG stores plain colours with errors of this size.
ROUNDING = 3


def plain(colour: Any, size: tuple[int, int] = (90, 60), mode: str = "RGB") -> bytes:
    return file_of(Image.new(mode, size, colour))


def assessed(path: Path, *images: bytes, **options: Any) -> tuple[Assessment, ...]:
    async def go() -> tuple[Assessment, ...]:
        engine = await OpenNsfw.load("the-model", path, options)
        try:
            return (await engine.moderate_images(ModerateImagesRequest(images=images))).assessments
        finally:
            await engine.close()

    return asyncio.run(go())


def write_graph(file: Path, *, size: int = SEEN) -> Path:
    """A graph that answers with the mean of an image's values, times 0.001, and plus 0.5."""
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], ["yes"]),
        helper.make_node("Sub", ["one", "yes"], ["no"]),
        helper.make_node("Unsqueeze", ["no", "last"], ["no_column"]),
        helper.make_node("Unsqueeze", ["yes", "last"], ["yes_column"]),
        helper.make_node("Concat", ["no_column", "yes_column"], ["scores"], axis=1),
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", size, size, 3])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])
    numbers = {"scale": 0.001, "half": 0.5, "one": 1.0}
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
        *(helper.make_tensor(name, TensorProto.FLOAT, [], [n]) for name, n in numbers.items()),
    ]
    graph = helper.make_graph(nodes, "mean", [image], [scores], constants)
    opsets = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=9), file)
    return file


def test_what_the_network_sees() -> None:
    seen = prepared(plain((250, 120, 30)))
    assert seen.shape == (SEEN, SEEN, 3)
    assert seen.dtype == np.float32
    expected = np.array([30, 120, 250]) - np.array(MEAN)
    assert np.abs(seen - expected).max() <= ROUNDING


def test_the_middle_is_seen() -> None:
    """A square of a sixteenth at each side of a scaled image is cut."""
    image = Image.new("RGB", (512, 256), "black")
    image.paste("white", (32, 16, 480, 240))
    seen = prepared(file_of(image)) + np.array(MEAN)
    assert seen[4:-4, 4:-4].min() > 250
    assert seen[:, :2].mean() > 200


def test_what_is_transparent_is_white() -> None:
    seen = prepared(plain((0, 0, 0, 0), mode="RGBA"))
    assert np.abs(seen - (255 - np.array(MEAN))).max() <= ROUNDING


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "CMYK", "I;16"])
def test_other_modes(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = Image.new("L", (40, 40), 255).convert("I;16" if mode == "I;16" else mode)
    assert prepared(file_of(image, kind)).shape == (SEEN, SEEN, 3)


def test_a_damaged_image() -> None:
    whole = file_of(noise(80, 80))
    with pytest.raises(InvalidRequest) as caught:
        prepared(whole[: len(whole) // 2])
    assert (caught.value.param, caught.value.code) == ("input", "image_parse_error")


@pytest.mark.parametrize("in_folder", [False, True])
def test_scores_and_thresholds(tmp_path: Path, in_folder: bool) -> None:
    file = write_graph(tmp_path / "model.onnx")
    path = tmp_path if in_folder else file
    white, black = assessed(path, plain("white"), plain("black"), threshold=0.6)
    middle = sum(MEAN) / 3
    assert white.scores["sexual"] == pytest.approx(0.5 + (255 - middle) / 1000, abs=0.005)
    assert black.scores["sexual"] == pytest.approx(0.5 - middle / 1000, abs=0.005)
    assert (white.flagged, black.flagged) == (("sexual",), ())


def test_the_default_threshold(tmp_path: Path) -> None:
    (white,) = assessed(write_graph(tmp_path / "model.onnx"), plain("white"))
    assert white.flagged == ()


@pytest.mark.parametrize(
    ("size", "name", "message"),
    [(32, "a.onnx", "not that of Open NSFW"), (SEEN, "a.bin", "has 0 ONNX graphs")],
)
def test_another_graph(tmp_path: Path, size: int, name: str, message: str) -> None:
    write_graph(tmp_path / name, size=size)
    with pytest.raises(EngineFailed, match=f"`the-model` .*{message}"):
        assessed(tmp_path)


def test_a_broken_graph(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    with pytest.raises(EngineFailed, match="cannot load the model `the-model`"):
        assessed(tmp_path)


def harmless() -> Iterator[Image.Image]:
    """Noise, plain colours, and a drawing with shapes."""
    yield noise(300, 200)
    for colour in ("white", "black", "navy", "green", "orange"):
        yield Image.new("RGB", (320, 240), colour)
    stripes = Image.new("RGB", (256, 256), "white")
    for place in range(0, 256, 32):
        stripes.paste("teal", (place, 0, place + 16, 256))
    yield stripes


@pytest.mark.real
def test_harmless_images_have_low_scores() -> None:
    path = open_nsfw_path()
    assert path is not None
    found = assessed(path, *map(file_of, harmless()))
    assert max(one.scores["sexual"] for one in found) < 0.2
    assert not any(one.flagged for one in found)


@pytest.mark.real
def test_scores_are_those_of_the_published_network() -> None:
    """Of plain images, as another conversion of its weights gives them with Yahoo's preparation."""
    path = open_nsfw_path()
    assert path is not None
    images = (Image.new("RGB", (300, 200), "white"), Image.new("RGB", (300, 200)))
    white, black = assessed(path, *map(file_of, images))
    assert white.scores["sexual"] == pytest.approx(0.014106, abs=1e-3)
    assert black.scores["sexual"] == pytest.approx(0.066798, abs=1e-3)
