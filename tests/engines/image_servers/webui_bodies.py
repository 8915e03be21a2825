"""The bodies that the fake web UI takes and answers with, those of errors included."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.engines.image_servers.fake_image import FakeImage, decode

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "prompt": str,
    "negative_prompt": str,
    "seed": int,
    "steps": int,
    "width": int,
    "height": int,
    "batch_size": int,
    "n_iter": int,
    "cfg_scale": (int, float),
    "denoising_strength": (int, float),
    "sampler_name": str,
    "init_images": list,
    "mask": str,
    "override_settings": dict,
    "force_task_id": str,
}


class ApiError(Exception):
    """An HTTPException of the real server."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


class OutOfMemoryError(Exception):
    """As torch raises it."""

    def __init__(self) -> None:
        super().__init__(
            "CUDA out of memory. Tried to allocate 9.00 GiB (GPU 0; 7.79 GiB total capacity; "
            "5.10 GiB already allocated)"
        )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return web.json_response({"detail": "Not Found"}, status=404)
    except _Invalid as error:
        return web.json_response({"detail": error.problems}, status=422)
    except ApiError as error:
        return _error(error, error.status, error.detail)
    except Exception as error:
        return _error(error, 500, "")


def _error(error: Exception, status: int, detail: str) -> web.Response:
    name = "HTTPException" if isinstance(error, ApiError) else type(error).__name__
    body = {"error": name, "detail": detail, "body": "", "errors": str(error)}
    return web.json_response(body, status=status)


class _Invalid(Exception):
    """A body that the validation of the real server refuses."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__("invalid")
        self.problems = problems


async def read_fields(request: web.Request) -> dict[str, Any]:
    fields: dict[str, Any] = await request.json()
    problems = [
        {"loc": ["body", name], "msg": f"Input should be a valid {_noun(name)}", "type": "type"}
        for name, value in fields.items()
        if name in _TYPES and value is not None and not isinstance(value, _TYPES[name])
    ]
    if problems:
        raise _Invalid(problems)
    return {name: value for name, value in fields.items() if value is not None}


def _noun(name: str) -> str:
    expected = _TYPES[name]
    if isinstance(expected, tuple):
        return "number"
    return "integer" if expected is int else expected.__name__


def read_image(text: str) -> Any:
    try:
        return decode(text)
    except (ValueError, OSError, IndexError) as error:
        raise ApiError(500, "Invalid encoded image") from error


def checkpoint(name: str) -> dict[str, Any]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {
        "title": f"{name}.safetensors [{digest[:10]}]",
        "model_name": name,
        "hash": digest[:10],
        "sha256": digest,
        "filename": f"/models/Stable-diffusion/{name}.safetensors",
        "config": None,
    }


def next_seed(fake: FakeImage, number: int) -> FakeImage:
    return FakeImage(**{**vars(fake), "seed": fake.seed + number})


def infotext(fake: FakeImage, sampler: str) -> str:
    return (
        f"{fake.prompt}\nNegative prompt: {fake.negative_prompt}\n"
        f"Steps: {fake.steps}, Sampler: {sampler}, Seed: {fake.seed}, "
        f"Size: {fake.width}x{fake.height}, Model: {fake.model}"
    )


def credentials(header: str) -> tuple[str, str]:
    """The user and the password of an `Authorization` header."""
    user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    return user, password
