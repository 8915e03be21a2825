"""Settings: scheduling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, init=False)
class Scheduling:
    """Memory, queues and time for models."""

    memory_budget: Annotated[
        str, "Memory for loaded models: a share of all memory, or bytes (`6GiB`)."
    ] = "80%"
    idle_timeout: Annotated[
        float,
        Meta(ge=0),
        "Seconds after which an unused model is unloaded; 0 for never.",
    ] = 1800.0
    max_queue: Annotated[
        int,
        Meta(ge=0),
        "Requests that may wait for each model before more are refused.",
    ] = 256
    queue_timeout: Annotated[float, Meta(gt=0), "Seconds a request may wait for its turn."] = 120.0
    ping_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds until the process of a model that works on requests must answer a ping; "
        "then it is killed.",
    ] = 60.0
    progress_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds that a model may work on requests without any progress until its process "
        "is killed.",
    ] = 300.0
    load_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds that the process of a model may neither compute nor read while it loads; "
        "then it is killed.",
    ] = 60.0
    training_spare_cores: Annotated[
        int, Meta(ge=0), "Cores that fine-tuning leaves to requests; it uses one at least."
    ] = 1
