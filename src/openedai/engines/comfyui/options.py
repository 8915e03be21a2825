"""The options of ComfyUI."""

from __future__ import annotations

import msgspec

from openedai.engines.image_server.options import ImageServerOptions


class ComfyOptions(ImageServerOptions, frozen=True, forbid_unknown_fields=True):
    """The options of one model."""

    workflow: str | None = None
    edit_workflow: str | None = None
    inpaint_workflow: str | None = None
    slots: dict[str, str | float | bool] = msgspec.field(default_factory=dict)
    sampler: str = "euler"
