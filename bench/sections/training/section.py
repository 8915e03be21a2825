"""Fine-tuning: our process that trains, and TRL's trainer, on the same weights and tokens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from msgspec.structs import replace

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.json_child import child
from bench.load.client import LoadError
from bench.load.prompts import sentence
from bench.peers.weights import OFFLINE, checkpoint
from bench.scale import Scale
from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.engines.llama_cpp.native.library import Library as LlamaLibrary
from openedai.engines.llama_cpp.native.words import Words
from openedai.engines.machine import usable_cores
from openedai.training.files import examples_of
from openedai.training.hyperparameters import LEARNING_RATES, Hyperparameters
from openedai.training.messages import Step, Task
from openedai.training.trainer import Trainer
from openedai.training.worker.rendering import Renderer, Tokens, render_all
from openedai.weights.library import Library

SECTION = "training"
PEER, RECOMPUTING = "TRL", "TRL, recomputing"
_SCRIPT = Path(__file__).with_name("trl_peer.py")
_EPOCHS, _BATCH = 2, 4
_CONTEXT = 512
# As in ours: threads that wait actively take processor time from everything else.
_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}


@dataclass(frozen=True)
class Job:
    """What both train, from the checkpoint in the task's `source`. `sequences` are the tokens of
    the file's examples.
    """

    task: Task
    sequences: list[Tokens]

    @property
    def timed(self) -> int:
        """The number of examples in all steps but the first."""
        return _EPOCHS * len(self.sequences) - _BATCH


@dataclass(frozen=True)
class Run:
    """`processor_seconds` are per example."""

    examples_per_second: float
    processor_seconds: float
    gigabytes: float
    last_loss: float


async def measure(
    model: str | None, scale: Scale, python: Path | None, kept: Path, versions: dict[str, str]
) -> list[Figure]:
    """`python` is an interpreter that has trl, peft and gguf; None measures ours alone.

    Its versions are added to `versions`, and the checkpoint that both train on stays in the folder
    `kept`. Raises LoadError and APIError.
    """
    with TemporaryDirectory() as folder:
        job = await _job(model, scale, Path(folder), python, kept)

        async def ours(number: int) -> Run:
            return await _ours(job)

        def theirs(recompute: bool) -> Callable[[int], Awaitable[Run]]:
            async def run(number: int) -> Run:
                assert python is not None
                return await _theirs(job, python, versions, recompute=recompute)

            return run

        runs: dict[str, Callable[[int], Awaitable[Run]]] = {SUBJECT: ours}
        if python is not None:
            runs |= {PEER: theirs(False), RECOMPUTING: theirs(True)}
        found = await alternate(runs, scale.training_rounds)
    return _figures(found)


async def _job(
    model: str | None, scale: Scale, folder: Path, python: Path | None, kept: Path
) -> Job:
    settings = Settings()
    spec = Catalog(settings).resolve(model or settings.chat_model).spec
    weights = await asyncio.to_thread(Library(settings).pull, spec)
    if weights is None:
        raise LoadError(f"{spec.id} has no weights")
    file = folder / "training_file"
    rendered = await asyncio.to_thread(_rendered, spec.id, weights, file, scale.training_examples)
    task = Task(
        model=spec.id,
        path=str(weights),
        options={"context": _CONTEXT},
        training_file=str(file),
        folder=str(folder / "checkpoints"),
        hyperparameters=Hyperparameters(n_epochs=_EPOCHS, batch_size=_BATCH),
        threads=usable_cores(),
        save_interval=1e9,
    )
    if python is not None:
        await asyncio.to_thread(kept.mkdir, parents=True, exist_ok=True)
        task = replace(task, source=str(await checkpoint(weights, kept, python)))
    return Job(task, rendered)


def _rendered(model: str, weights: Path, file: Path, count: int) -> list[Tokens]:
    """Write the training file, and return its tokens."""
    file.write_text("\n".join(json.dumps(_example(number)) for number in range(count)))
    with Words(LlamaLibrary(), model, weights) as words, file.open("rb") as lines:
        rendered = render_all(Renderer(words, _CONTEXT), examples_of(lines, "supervised"))
    return [one for one in rendered if isinstance(one, Tokens)]


def _example(number: int) -> dict[str, Any]:
    question, answer = sentence(f"question {number}"), sentence(f"answer {number}")
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


async def _ours(job: Job) -> Run:
    trainer = await Trainer.start(job.task)
    process = psutil.Process(trainer.process_id)
    times: list[tuple[float, float]] = []
    loss, peak = 0.0, 0
    try:
        async for report in trainer.reports():
            if isinstance(report, Step):
                processor = process.cpu_times()
                times.append((time.perf_counter(), processor.user + processor.system))
                loss = report.metrics["train_loss"]
                peak = _peak(trainer.process_id)
    finally:
        await trainer.close()
    (began, processor_began), (ended, processor_ended) = times[0], times[-1]
    seconds = (processor_ended - processor_began) / job.timed
    return Run(job.timed / (ended - began), seconds, peak / 1e9, loss)


def _peak(process_id: int) -> int:
    """The most bytes of memory that a process has had."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


async def _theirs(job: Job, python: Path, versions: dict[str, str], *, recompute: bool) -> Run:
    question = {
        "folder": job.task.source,
        "examples": [{"ids": one.ids, "learned": one.learned} for one in job.sequences],
        "epochs": _EPOCHS,
        "batch": _BATCH,
        "rank": job.task.rank,
        "alpha": job.task.alpha,
        "rate": LEARNING_RATES["supervised"],
        "threads": job.task.threads,
        "recompute": recompute,
    }
    async with child(PEER, [python, _SCRIPT], OFFLINE | _PASSIVE) as peer:
        answer = await peer.ask(question)
    versions.update(answer["versions"])
    speed = job.timed / float(answer["seconds"])
    seconds = float(answer["processor_seconds"]) / job.timed
    return Run(speed, seconds, float(answer["bytes"]) / 1e9, float(answer["losses"][-1]))


def _figures(found: dict[str, list[Run]]) -> list[Figure]:
    note = f"{_EPOCHS} epochs in batches of {_BATCH}, LoRA of rank 8 on all linear layers, float32"
    losses = {f"last loss of {name}": runs[-1].last_loss for name, runs in found.items()}

    def figure(
        case: str,
        unit: str,
        value: Callable[[Run], float],
        *,
        higher: bool,
        facts: dict[str, float] | None = None,
    ) -> Figure:
        values = {name: [value(run) for run in runs] for name, runs in found.items()}
        budget = Budget(1.0, "at least", "ratio", PEER)
        return Figure(SECTION, case, unit, higher, values, budget, note, facts or {})

    def speed(run: Run) -> float:
        return run.examples_per_second

    def processor(run: Run) -> float:
        return run.processor_seconds

    return [
        figure("supervised", "examples/s", speed, higher=True, facts=losses),
        figure("processor time of an example", "s", processor, higher=False),
        figure("peak memory", "GB", lambda run: run.gigabytes, higher=False),
    ]
