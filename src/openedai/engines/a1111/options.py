"""The options of AUTOMATIC1111's web UI, Forge and SD.Next, and their checks."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from openedai.engines.image_server.options import ImageServerOptions
from openedai.engines.options import invalid_options
from openedai.engines.remote.options import header_value


class A1111Options(ImageServerOptions, frozen=True, forbid_unknown_fields=True):
    """The options of one model. An `auth` that begins with `$` names a variable of the
    environment.
    """

    auth: str | None = None
    sampler: str | None = None
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)

    def request_headers(self, model: str) -> dict[str, str]:
        headers = super().request_headers(model)
        if self.auth is not None:
            auth = header_value(model, "Authorization", self.auth)
            if ":" not in auth:
                raise invalid_options(model, "`auth` must be `user:password`")
            headers["Authorization"] = f"Basic {base64.b64encode(auth.encode()).decode()}"
        return headers
