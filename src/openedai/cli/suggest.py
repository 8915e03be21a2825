"""`openedai models suggest`: the recommended models that fit this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import msgspec
from rich.console import Console

from openedai.catalog.recommended import Recommended, Use, recommended_models
from openedai.cli.doctor.machine import gpu_build, nvidia_memory
from openedai.config import Settings, memory_bytes
from openedai.engines.machine import usable_cores, usable_memory
from openedai.weights.disk import free_space, readable
from openedai.weights.library import Library

USES: tuple[Use, ...] = get_args(Use)

# Each token reads all active weights once. With llama.cpp a core reads some 4 GB/s of them; beyond
# about 8 cores the memory is the limit. With fewer tokens per second than this, people have to
# wait.
_CORE_SPEED = 4 * 10**9
_MOST_CORES = 8
_SLOWEST = 3.0


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What models may use, in bytes. `gpu_memory` is the memory of the largest NVIDIA GPU, 0
    without one; it counts only with `gpu_build`, if a pulled build of llama.cpp computes there.
    """

    memory: int
    cores: int
    disk: int
    gpu_memory: int = 0
    gpu_build: bool = False

    @property
    def on_gpu(self) -> bool:
        return self.gpu_build and self.gpu_memory > 0

    def speed(self, model: Recommended) -> float:
        """Roughly how many tokens per second the processor makes."""
        cores = min(self.cores, _MOST_CORES)
        return cores * _CORE_SPEED / (model.active or model.download)


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """The best recommended model for a use. `id` and what belongs to it are None where none fits;
    `reason` says why. Sizes are in bytes and approximate.
    """

    use: Use
    reason: str
    id: str | None = None
    source: str | None = None
    on_disk: bool | None = None
    download_size: int | None = None
    memory: int | None = None
    context: int | None = None
    license: str | None = None
    command: str | None = None


def this_machine(settings: Settings) -> Machine:
    return Machine(
        memory=memory_bytes(settings.memory_budget, total=usable_memory()),
        cores=usable_cores(),
        disk=min(free_space(settings.cache_dir.expanduser()), free_space(_hub_cache())),
        gpu_memory=nvidia_memory(),
        gpu_build=gpu_build(settings) is not None,
    )


def _hub_cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def suggest(settings: Settings, machine: Machine, uses: tuple[Use, ...]) -> list[Suggestion]:
    """A suggestion for each use."""
    models = recommended_models()
    library = Library(settings)
    there = {id for id, model in models.items() if library.ready(model.spec(id))}
    return [_best(use, models, there, machine) for use in uses]


def _best(
    use: Use, models: Mapping[str, Recommended], there: set[str], machine: Machine
) -> Suggestion:
    better = ""
    for id, model in models.items():
        if use not in model.uses:
            continue
        obstacle = _obstacle(model, machine, on_disk=id in there)
        if not obstacle:
            setting = "embedding" if use == "embeddings" else "chat"
            return Suggestion(
                use=use,
                reason=f"{_speed(model, machine, use)}; {better or 'the best for this use'}",
                id=id,
                source=model.source,
                on_disk=id in there,
                download_size=model.download,
                memory=model.memory,
                context=model.context,
                license=model.license,
                command=f"openedai serve --{setting}-model {id}",
            )
        better = f"{id} is better, but {obstacle}"
    return Suggestion(use=use, reason=f"none fits: {better.replace(' is better, but', '')}")


def _obstacle(model: Recommended, machine: Machine, *, on_disk: bool) -> str:
    """Why the model does not fit the machine; empty if it does."""
    if model.memory > machine.memory:
        return (
            f"needs {readable(model.memory)} of memory, more than the "
            f"{readable(machine.memory)} that models may take"
        )
    if model.download > machine.disk and not on_disk:
        return f"is {readable(model.download)} to download, more than the disk has free"
    in_gpu = machine.on_gpu and model.memory <= machine.gpu_memory
    if "embeddings" not in model.uses and not in_gpu and machine.speed(model) < _SLOWEST:
        return f"is slow here: {machine.speed(model):.1f} tokens a second"
    return ""


def _speed(model: Recommended, machine: Machine, use: Use) -> str:
    if machine.on_gpu and model.memory <= machine.gpu_memory:
        return "fits the GPU's memory"
    if use == "embeddings":
        return "fits the memory"
    speed = machine.speed(model)
    return f"fits the memory, about {speed:.0f} tokens a second on {_cores(machine.cores)}"


def _cores(count: int) -> str:
    return f"{count} core{'' if count == 1 else 's'}"


def print_suggestions(machine: Machine, suggestions: list[Suggestion], console: Console) -> None:
    for line in _lines(machine, suggestions):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(machine: Machine, suggestions: list[Suggestion]) -> Iterator[str]:
    gpu = "no GPU"
    if machine.gpu_memory:
        gpu = f"a GPU with {readable(machine.gpu_memory)}"
        if not machine.gpu_build:
            gpu += ", which is not used: openedai engines list shows builds of llama.cpp for GPUs"
    yield (
        f"Models may take {readable(machine.memory)} of memory; {_cores(machine.cores)}; "
        f"{readable(machine.disk)} free on disk; {gpu}."
    )
    for one in suggestions:
        yield ""
        if one.id is None:
            yield f"{one.use}: {one.reason}."
            continue
        size = "on disk" if one.on_disk else f"{readable(one.download_size or 0)} to download"
        yield (
            f"{one.use}: {one.id} ({size}, {readable(one.memory or 0)} of memory, context "
            f"{one.context}, {one.license})"
        )
        yield f"  {one.reason[:1].upper()}{one.reason[1:]}."
        yield f"  {one.command}"


def as_json(machine: Machine, suggestions: list[Suggestion]) -> str:
    found = {"machine": machine, "suggestions": suggestions}
    return msgspec.json.format(msgspec.json.encode(found)).decode()
