"""Training with torch: it computes what llama.cpp serves, learns, and goes on where it stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from openedai.contract.adapter import Adapter
from openedai.contract.generate import GenerateRequest, Tokens
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.process.connection import pack
from openedai.errors import APIError, EngineFailed, InvalidRequest
from openedai.training.adapters import AdapterWeights, read_adapter, write_adapter
from openedai.training.hyperparameters import Hyperparameters
from openedai.training.messages import Finished, Paused, Prepared, Report, Saved, Step, Task
from openedai.training.trainer import Trainer
from tests.events import collect, logprobs_of
from tests.support import wait_until
from tests.training import tiny_chat

pytestmark = pytest.mark.extras

ARCHITECTURES = ("llama", "qwen2", "qwen3")


def chat_line(question: str, answer: str) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return {"messages": messages}


def preference_line(question: str) -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": question}]},
        "preferred_output": [{"role": "assistant", "content": "yes, " + question}],
        "non_preferred_output": [{"role": "assistant", "content": "no, " + question}],
    }


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Twelve examples in batches of five, for three epochs."""
    lines = [json.dumps(chat_line(f"number {n}?", f"it is {n % 4}")) for n in range(12)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    return Task(
        model="tiny",
        path=str(tiny_chat.write(tmp_path / "tiny.gguf")),
        training_file=str(tmp_path / "train.jsonl"),
        folder=str(tmp_path / "checkpoints"),
        hyperparameters=Hyperparameters(n_epochs=3, batch_size=5),
        threads=1,
        save_interval=1e9,
    )


def train(task: Task, see: Callable[[Trainer, Report], None] | None = None) -> list[Report]:
    async def go() -> list[Report]:
        trainer = await Trainer.start(task)
        reports = []
        try:
            async for report in trainer.reports():
                reports.append(report)
                if see is not None:
                    see(trainer, report)
        finally:
            await trainer.close()
        return reports

    return asyncio.run(go())


def losses(reports: Sequence[Report]) -> list[float]:
    return [one.metrics["train_loss"] for one in reports if isinstance(one, Step)]


def checkpoints(reports: Sequence[Report]) -> list[Saved]:
    return [one for one in reports if isinstance(one, Saved)]


def test_it_learns(task: Task) -> None:
    task = replace(task, hyperparameters=Hyperparameters(n_epochs=40, batch_size=4))
    task = replace(task, validation_file=task.training_file)
    reports = train(task)
    prepared, finished = reports[0], reports[-1]
    assert isinstance(prepared, Prepared)
    assert (prepared.examples, prepared.steps, prepared.truncated) == (12, 120, 0)
    assert isinstance(finished, Finished)
    assert (finished.step, finished.tokens) == (120, 40 * prepared.tokens)
    curve = losses(reports)
    assert curve[0] > 5  # of 261 tokens
    assert curve[-1] < curve[0] / 2
    saved = checkpoints(reports)
    assert [one.epoch for one in saved] == [*range(1, 41)]
    assert saved[-1].metrics["full_valid_loss"] < saved[0].metrics["full_valid_loss"] / 2
    steps = [one for one in reports if isinstance(one, Step)]
    assert set(steps[0].metrics) == {
        *("train_loss", "train_mean_token_accuracy", "learning_rate"),
        *("valid_loss", "valid_mean_token_accuracy"),
    }
    assert max(one.metrics["learning_rate"] for one in steps) == 1e-3


def test_it_goes_on_from_a_pause_with_the_same_losses(task: Task) -> None:
    whole = losses(train(task))
    assert len(whole) == 9

    def pause(trainer: Trainer, report: Report) -> None:
        if isinstance(report, Step) and report.step == 4:
            trainer.pause()

    first = train(task, pause)
    assert isinstance(first[-1], Paused)
    saved = checkpoints(first)[-1]
    assert saved.step == first[-1].step < 9
    second = train(replace(task, resume=saved.path))
    assert losses(first) + losses(second) == whole
    assert isinstance(second[-1], Finished)


def test_sigterm_saves(task: Task) -> None:
    task = replace(task, hyperparameters=Hyperparameters(n_epochs=50))

    def end(trainer: Trainer, report: Report) -> None:
        if isinstance(report, Step) and report.step == 2:
            os.kill(trainer.process_id, signal.SIGTERM)

    reports = train(task, end)
    assert isinstance(reports[-1], Paused)
    read_adapter(Path(checkpoints(reports)[-1].path) / "adapter.gguf")


def test_it_goes_on_from_the_last_checkpoint_after_a_kill(task: Task) -> None:
    whole = losses(train(task))
    seen: list[Report] = []

    def kill(trainer: Trainer, report: Report) -> None:
        seen.append(report)
        if isinstance(report, Step) and report.step == 5:
            os.kill(trainer.process_id, signal.SIGKILL)

    with pytest.raises(EngineFailed, match="stopped unexpectedly"):
        train(task, kill)
    saved = checkpoints(seen)[-1]
    assert saved.epoch == 1
    assert losses(train(replace(task, resume=saved.path))) == whole[saved.step :]


def test_checkpoints_between_epochs_replace_each_other(task: Task) -> None:
    reports = train(replace(task, save_interval=0))
    assert [one.step for one in checkpoints(reports)] == [*range(1, 10)]
    assert sorted(path.name for path in Path(task.folder).iterdir()) == [
        "step-3",
        "step-6",
        "step-9",
    ]


def test_it_ends_with_its_parent(task: Task) -> None:
    task = replace(task, hyperparameters=Hyperparameters(n_epochs=50))

    async def go() -> int:
        trainer = await Trainer.start(task)
        async for report in trainer.reports():
            if isinstance(report, Step):
                break
        process = trainer.process_id
        await trainer.close()
        return process

    process = asyncio.run(go())
    wait_until(lambda: not Path(f"/proc/{process}").exists())


def test_preferences_move(task: Task) -> None:
    lines = [json.dumps(preference_line(f"is {n} even?")) for n in range(10)]
    Path(task.training_file).write_text("\n".join(lines))
    values = Hyperparameters(n_epochs=20, batch_size=4)
    reports = train(replace(task, method="dpo", hyperparameters=values))
    steps = [one.metrics for one in reports if isinstance(one, Step)]
    assert steps[0]["train_loss"] == pytest.approx(np.log(2), abs=1e-5)
    assert steps[0]["train_reward_margin"] == pytest.approx(0, abs=1e-5)
    assert steps[-1]["train_loss"] < 0.3
    assert steps[-1]["train_reward_accuracy"] == 1.0
    assert steps[-1]["train_reward_margin"] > 1


def test_it_begins_with_an_adapter(task: Task) -> None:
    first = train(replace(task, hyperparameters=Hyperparameters(n_epochs=30)))
    start = str(Path(checkpoints(first)[-1].path) / "adapter.gguf")
    second = train(replace(task, start=start))
    assert losses(second)[0] < losses(first)[0] / 2


def test_files_that_cannot_be_used(task: Task, tmp_path: Path) -> None:
    long = chat_line("long " * 2000, "short")
    Path(task.training_file).write_text(json.dumps(long))
    with pytest.raises(InvalidRequest, match="example 1 cannot be used"):
        train(replace(task, options={"context": 256}))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"nothing")
    with pytest.raises(APIError, match="`tiny` could not be loaded"):
        train(replace(task, path=str(broken)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_log_probabilities_are_those_that_are_served(
    architecture: str, precision: str, tmp_path: Path
) -> None:
    """With a random adapter, of two texts that are computed together."""
    path = tiny_chat.write(tmp_path / "tiny.gguf", architecture)
    random = np.random.default_rng(7)
    texts = [[int(id) for id in random.integers(3, 250, length)] for length in (40, 25)]
    adapter = tmp_path / "adapter.gguf"
    ours = network_scores(path, adapter, texts, precision)
    bare = network_scores(path, None, texts, precision)
    theirs = [served_scores(path, adapter, text) for text in texts]
    tolerance = 0.02 if precision == "float32" else 0.1  # llama.cpp keeps keys in 16 bits
    for with_adapter, without, served in zip(ours, bare, theirs, strict=True):
        assert np.allclose(with_adapter, served, atol=tolerance)
        assert not np.allclose(with_adapter, without, atol=0.3)


def network_scores(
    path: Path, adapter: Path | None, texts: Sequence[list[int]], precision: str
) -> list[np.ndarray]:
    """Torch's log probabilities of each token but the first, and writes the adapter."""
    import torch

    from openedai.training.worker.network import Network
    from openedai.training.worker.weights import Weights

    small = precision == "float32"
    network = Network(Weights(path), precision=getattr(torch, precision), recompute=not small)
    network.adapt(4, 8.0, seed=0)
    random = torch.Generator().manual_seed(1)
    matrices = {
        name: torch.randn(one.shape, generator=random) * 0.2
        for name, one in network.adapter().items()
    }
    if adapter is not None:
        network.load_adapter(matrices)
        arrays = {name: one.numpy() for name, one in matrices.items()}
        architecture = network.shape.architecture
        write_adapter(adapter, AdapterWeights(architecture, 8.0, arrays), name="tiny")
    found, _ = network.losses(texts, [[True] * len(text) for text in texts])
    (-found.sum()).backward()  # gradients can be computed with either precision
    parts = found.detach().split([len(text) - 1 for text in texts])
    return [-part.numpy() for part in parts]


def served_scores(path: Path, adapter: Path, text: list[int]) -> np.ndarray:
    async def go() -> list[float]:
        options = {"context": 256, "slots": 1, "threads": 1}
        adapters = (Adapter(name="one", path=str(adapter)),)
        engine = await LlamaCpp.load_with_adapters("tiny", path, options, adapters)
        try:
            request = GenerateRequest(
                prompt=Tokens(ids=tuple(text)), max_tokens=0, echo=True, logprobs=0, variant="one"
            )
            events = await collect(engine, request)
        finally:
            await engine.close()
        return [one.logprob for one in logprobs_of(events) if one.logprob is not None]

    return np.array(asyncio.run(go()))


def test_its_threads_do_not_wait_actively(task: Task) -> None:
    """Whatever the server's environment says: the library of threads shows what it has read."""
    theirs_say = {"GOMP_SPINCOUNT": "20000", "OMP_WAIT_POLICY": "ACTIVE"}
    ours, theirs = socket.socketpair()
    with ours:
        process = subprocess.Popen(
            [sys.executable, "-m", "openedai.training.worker.main", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, **theirs_say, "OMP_DISPLAY_ENV": "VERBOSE"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        ours.sendall(pack(replace(task, path="/missing.gguf")))
        _, shown = process.communicate(timeout=120)
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in shown
    assert "GOMP_SPINCOUNT = '0'" in shown
