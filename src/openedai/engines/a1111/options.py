"""The options of AUTOMATIC1111's web UI, Forge and SD.Next, and their checks."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from openedai.engines.image_server.options import PixelSize
from openedai.engines.options import invalid_options
from openedai.engines.remote.options import Seconds, header_value


class A1111Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model. Times are in seconds. `auth` or a header that begins with `$` names
    a variable of the environment.
    """

    url: str | None = None
    urls: tuple[str, ...] = ()
    auth: str | None = None
    headers: dict[str, str] = {}
    checkpoint: str | None = None
    size: PixelSize = "512x512"
    steps: Annotated[int, Meta(ge=1, le=150)] = 20
    guidance_scale: Annotated[float, Meta(ge=0, le=100)] = 7.0
    sampler: str | None = None
    negative_prompt: str = ""
    strength: Annotated[float, Meta(ge=0, le=1)] = 0.75
    parameters: dict[str, Any] = {}
    max_pixels: Annotated[int, Meta(ge=4096)] = 1 << 22
    connect_timeout: Seconds = 5.0
    busy_timeout: Seconds = 300.0
    timeout: Seconds = 600.0
    idle_timeout: Seconds = 60.0
    poll_interval: Seconds = 0.5
    health_interval: Annotated[float, Meta(ge=0)] = 10.0


def request_headers(model: str, options: A1111Options) -> dict[str, str]:
    """The headers of every request. Raises EngineFailed."""
    headers = {name: header_value(model, name, text) for name, text in options.headers.items()}
    if options.auth is not None:
        auth = header_value(model, "Authorization", options.auth)
        if ":" not in auth:
            raise invalid_options(model, "`auth` must be `user:password`")
        headers["Authorization"] = f"Basic {base64.b64encode(auth.encode()).decode()}"
    # Compressed answers could grow without bound.
    return {"Accept-Encoding": "identity", **headers}
