from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.contract.images import ImageRequest
from openedai.engines.diffusers.options import DiffusersOptions
from openedai.engines.diffusers.plan import Plan, Size, check, make_plan, task_of
from openedai.errors import InvalidRequest


def plan(
    request: ImageRequest, options: DiffusersOptions | None = None, default_size: Size = (512, 512)
) -> Plan:
    task = task_of(request, only_inpaints=False)
    return make_plan(
        request,
        options or DiffusersOptions(),
        task,
        default_size=default_size,
        default_steps=50,
        multiple=8,
    )


def edit(**fields: Any) -> ImageRequest:
    return ImageRequest(prompt="a cat", task="edit", images=(b"",), **fields)


@pytest.mark.parametrize(
    ("request_", "only_inpaints", "task"),
    [
        (ImageRequest(prompt="a cat"), False, "text"),
        (edit(), False, "image"),
        (edit(mask=b""), False, "inpaint"),
        (ImageRequest(prompt="a cat"), True, "inpaint"),
        (edit(), True, "inpaint"),
    ],
)
def test_the_task(request_: ImageRequest, only_inpaints: bool, task: str) -> None:
    assert task_of(request_, only_inpaints=only_inpaints) == task


def test_the_size_is_that_of_the_request_the_image_the_options_or_the_model() -> None:
    options = DiffusersOptions(size="640x384")
    assert plan(ImageRequest(prompt="", size=(256, 128)), options).size == (256, 128)
    assert plan(ImageRequest(prompt=""), options).size == (640, 384)
    assert plan(ImageRequest(prompt="")).size == (512, 512)
    assert plan(edit(), options, default_size=(100, 60)).size == (100, 60)


@pytest.mark.parametrize(
    ("size", "computed"),
    [
        ((512, 512), (512, 512)),
        ((513, 500), (520, 504)),
        ((1, 1), (64, 64)),
        ((16, 4000), (64, 4000)),
        ((4096, 4096), (1456, 1456)),
    ],
)
def test_the_computed_size(size: Size, computed: Size) -> None:
    assert plan(edit(), default_size=size).computed_size == computed


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_computed_size_is_bounded(width: int, height: int) -> None:
    computed = plan(edit(), default_size=(width, height)).computed_size
    assert all(side % 8 == 0 and side >= 64 for side in computed)
    assert math.prod(computed) <= 2 << 20 or 64 in computed or _about(computed)


def _about(size: Size) -> bool:
    return math.prod(side - 8 for side in size) <= 2 << 20


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="at most 2097152 pixels") as caught:
        plan(ImageRequest(prompt="", size=(2048, 1025)))
    assert caught.value.param == "size"


@pytest.mark.parametrize(
    ("quality", "steps"), [(None, 20), ("low", 10), ("medium", 20), ("high", 40), ("hd", 40)]
)
def test_the_quality_is_a_matter_of_steps(quality: str | None, steps: int) -> None:
    options = DiffusersOptions(steps=20)
    assert plan(ImageRequest(prompt="", quality=quality), options).steps == steps
    assert plan(ImageRequest(prompt="", quality=quality, steps=7), options).steps == 7


def test_there_are_1_to_150_steps() -> None:
    assert plan(ImageRequest(prompt="", quality="hd"), DiffusersOptions(steps=100)).steps == 150
    assert plan(ImageRequest(prompt="", quality="low"), DiffusersOptions(steps=1)).steps == 1


@pytest.mark.parametrize(
    ("request_", "strength"),
    [
        (edit(), 0.8),
        (edit(strength=0.3), 0.3),
        (edit(strength=0.0), 0.0),
        (edit(fidelity="high"), 0.48),
        (edit(fidelity="low"), 0.8),
        (edit(mask=b""), 1.0),
        (edit(mask=b"", strength=0.5), 0.5),
        (ImageRequest(prompt="", task="vary", images=(b"",)), 0.48),
        (ImageRequest(prompt="a cat"), 1.0),
    ],
)
def test_the_strength(request_: ImageRequest, strength: float) -> None:
    assert plan(request_).strength == pytest.approx(strength)


@given(st.integers(1, 150), st.floats(0, 1, exclude_min=True))
def test_any_strength_has_a_step(steps: int, strength: float) -> None:
    made = plan(edit(steps=steps, strength=strength))
    assert 1 <= int(made.steps * made.strength) <= steps


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": "transparent"}, "background"),
        ({"images": (b"", b"")}, "image"),
        ({"steps": 151}, "steps"),
        ({"steps": 0}, "steps"),
        ({"sampler": "nonsense"}, "sampler"),
        ({"extra": {"clip_skip": 2}}, "clip_skip"),
    ],
)
def test_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(ImageRequest(prompt="a cat", **fields))
    assert caught.value.param == param


def test_accepted() -> None:
    check(ImageRequest(prompt="a cat", background="opaque", style="vivid", sampler="euler A"))
