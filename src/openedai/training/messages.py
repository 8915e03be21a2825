"""The messages between the server and the process that trains; each is the body of one frame.

The server sends a Task, gets a Prepared or a Failed, and then a Step after each step, and a Saved
for each checkpoint. The last message is a Finished, a Paused or a Failed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.contract.struct import Struct
from openedai.engines.process.messages import Failure
from openedai.training.hyperparameters import Hyperparameters, Resolved
from openedai.training.lines import Method


class Task(Struct, frozen=True, tag="task"):
    """What to train.

    `path` is the GGUF file of the model `model`, and `options` are its options as the engine that
    serves it takes them. `source` is a folder of safetensors, whose weights are trained on instead
    of those of `path`. `training_file` and `validation_file` are paths. Checkpoints become folders
    in `folder`. `resume` is one of them to go on from, `start` the GGUF file of an adapter to begin
    with instead of a new one. `threads` None leaves one core to others. A checkpoint is saved at
    least every `save_interval` seconds of training.
    """

    model: str
    path: str
    training_file: str
    folder: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    method: Method = "supervised"
    validation_file: str | None = None
    hyperparameters: Hyperparameters = Hyperparameters()
    seed: int = 0
    resume: str | None = None
    start: str | None = None
    source: str | None = None
    threads: int | None = None
    save_interval: float = 60.0
    rank: int = 8
    alpha: float = 16.0


class Prepared(Struct, frozen=True, tag="prepared"):
    """The files were read. `tokens` are those of all examples, `truncated` the number of examples
    that were longer than the model's context.
    """

    hyperparameters: Resolved
    examples: int
    tokens: int
    truncated: int
    steps: int


class Step(Struct, frozen=True, tag="step"):
    """A step is done. `metrics` are named as in a results file; `tokens` were trained so far."""

    step: int
    metrics: dict[str, float]
    tokens: int


class Saved(Struct, frozen=True, tag="saved"):
    """A checkpoint is complete. `epoch` is the number of the epoch that it ends, if it does."""

    step: int
    path: str
    epoch: int | None = None
    metrics: dict[str, float] = msgspec.field(default_factory=dict)


class Finished(Struct, frozen=True, tag="finished"):
    """All steps are done; the last Saved has the result."""

    step: int
    tokens: int


class Paused(Struct, frozen=True, tag="paused"):
    """The process was asked to stop; the last Saved is where to go on from."""

    step: int


class Failed(Struct, frozen=True, tag="failed"):
    """Nothing more follows."""

    failure: Failure


Report = Prepared | Step | Saved | Finished | Paused | Failed


class Pause(Struct, frozen=True, tag="pause"):
    """Save a checkpoint after this step, and end."""
