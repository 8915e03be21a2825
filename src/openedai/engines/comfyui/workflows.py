"""The workflows of one model: one for each kind of request."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from openedai.contract.images import ImageRequest
from openedai.engines.comfyui.options import ComfyOptions
from openedai.engines.comfyui.values import image_slots, known_slots
from openedai.engines.comfyui.workflow import BadWorkflow, Workflow
from openedai.engines.options import invalid_options
from openedai.errors import Unsupported

_PACKAGED = "openedai.engines.comfyui.templates"
_MOST_IMAGES = 16  # of one request, in the official API


@dataclass(frozen=True)
class Workflows:
    """The workflows of a model, by purpose; None where it has none."""

    generate: Workflow | None
    edit: Workflow | None
    inpaint: Workflow | None

    def choose(self, request: ImageRequest) -> Workflow:
        """The workflow for a request. Raises Unsupported."""
        if request.mask is not None:
            return _required(self.inpaint, "mask", "edit parts of images")
        if request.images:
            return _required(self.edit, "image", "edit images")
        return _required(self.generate, "prompt", "make images from a text alone")


def load_workflows(model: str, options: ComfyOptions) -> Workflows:
    """The workflows of the options, or those of this package for a model with only a checkpoint.
    Reads files. Raises EngineFailed.
    """
    given = {
        "generate": options.workflow,
        "edit": options.edit_workflow,
        "inpaint": options.inpaint_workflow,
    }
    packaged = not any(given.values())
    read: dict[str, Workflow | None] = {}
    for name, path in given.items():
        if packaged:
            text = resources.files(_PACKAGED).joinpath(f"{name}.json").read_bytes()
        elif path is None:
            read[name] = None
            continue
        else:
            text = _file(model, path)
        read[name] = _parsed(model, path or "", text, options)
    return Workflows(**read)


def _parsed(model: str, path: str, text: bytes, options: ComfyOptions) -> Workflow:
    try:
        workflow = Workflow.parse(text)
    except BadWorkflow as error:
        raise invalid_options(model, f"the workflow `{path}` cannot be used: {error}") from None
    known = known_slots(options) | {*image_slots(_MOST_IMAGES), "mask"}
    for slot in sorted(workflow.slots - known):
        raise invalid_options(
            model, f"the slot `{slot}` of the workflow `{path}` has no value: add it to `slots`"
        )
    return workflow


def _file(model: str, path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError:
        raise invalid_options(model, f"the workflow `{path}` cannot be read") from None


def _required(workflow: Workflow | None, param: str, what: str) -> Workflow:
    if workflow is None:
        raise Unsupported(
            f"This model cannot {what}: it has no workflow for that.",
            code="unsupported_parameter",
            param=param,
        )
    return workflow
