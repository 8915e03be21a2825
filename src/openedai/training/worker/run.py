"""One job of training, from its files to its last checkpoint."""

from __future__ import annotations

import math
import random
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import torch

from openedai.engines.llama_cpp.library_choice import choose_library
from openedai.engines.llama_cpp.native.words import Words
from openedai.engines.llama_cpp.options import read_options
from openedai.errors import InvalidRequest
from openedai.training.adapters import AdapterWeights, read_adapter
from openedai.training.files import examples_of
from openedai.training.hyperparameters import resolve
from openedai.training.messages import Finished, Paused, Prepared, Report, Saved, Step, Task
from openedai.training.worker.checkpoints import load_state, save_checkpoint
from openedai.training.worker.network import Network
from openedai.training.worker.objectives import Metrics, preferences, supervised
from openedai.training.worker.rendering import Pair, Renderer, Tokens, render_all
from openedai.training.worker.source import SourceWeights
from openedai.training.worker.weights import Weights

# Models with more weights than this are kept in 16 bits, and computed again for their gradients.
_SMALL = 400_000_000
_WARM_UP = 0.05  # of all steps
_LEAST_RATE = 0.02  # of the learning rate
_MOST_GRADIENT = 1.0

Examples = Sequence[Tokens] | Sequence[Pair]


class Stopped(Exception):
    """The training was asked to stop, in the middle of a step."""


class Run:
    """Trains, and reports what it does. `stop` may be set at any time, by another thread."""

    def __init__(self, task: Task, report: Callable[[Report], None], stop: Event) -> None:
        self._task = task
        self._report = report
        self._stop = stop
        self._folder = Path(task.folder)
        self._step = self._tokens = 0
        self._unfinished: Path | None = None  # a checkpoint that the next one replaces
        self._saved_at = time.monotonic()

    def run(self) -> None:
        """Blocking. Raises APIError."""
        task = self._task
        try:
            self._examples, self._validation, truncated = self._read()
            self._values = resolve(task.hyperparameters, len(self._examples))
            self._per_epoch = math.ceil(len(self._examples) / self._values.batch_size)
            self._steps = self._per_epoch * self._values.n_epochs
            tokens = sum(len(one.ids) for one in self._examples)
            count = len(self._examples)
            self._report(
                Prepared(
                    hyperparameters=self._values,
                    examples=count,
                    tokens=tokens,
                    truncated=truncated,
                    steps=self._steps,
                )
            )
        except ValueError as error:
            raise InvalidRequest(
                f"The model `{task.model}` cannot be trained with this: {error}.",
                code="invalid_file",
                param="training_file",
            ) from error
        try:
            self._load()
        except ValueError as error:
            raise InvalidRequest(
                f"The model `{task.model}` cannot be trained: {error}.",
                code="unsupported_model",
                param="model",
            ) from error
        self._train()

    def _read(self) -> tuple[Examples, Examples, int]:
        """The examples of both files, and how many of them were truncated."""
        options = read_options(self._task.model, self._task.options)
        with Words(
            choose_library(options),
            self._task.model,
            Path(self._task.path),
            chat_template=options.chat_template,
            prompt_format=options.prompt_format,
        ) as words:
            renderer = Renderer(words, options.context)
            training = self._render(renderer, self._task.training_file)
            validation = self._render(renderer, self._task.validation_file)
        return training, validation, renderer.truncated

    def _render(self, renderer: Renderer, path: str | None) -> Examples:
        if path is None:
            return []
        with Path(path).open("rb") as lines:
            return render_all(renderer, examples_of(lines, self._task.method))

    def _load(self) -> None:
        """Load the model, and the state from before."""
        task = self._task
        path = Path(task.path)
        weights = Weights(path) if task.source is None else SourceWeights(path, Path(task.source))
        small = weights.count <= _SMALL
        self._network = Network(
            weights,
            precision=torch.float32 if small else torch.bfloat16,
            recompute=not small,
            device="cuda" if torch.cuda.is_available() else "cpu",
        )
        start = None if task.start is None else read_adapter(Path(task.start))
        self._rank = task.rank if start is None else start.rank
        self._alpha = task.alpha if start is None else start.alpha
        self._learning = self._network.adapt(self._rank, self._alpha, task.seed)
        if start is not None:
            matrices = {name: torch.tensor(one) for name, one in start.matrices.items()}
            self._network.load_adapter(matrices, starts=True)
        self._optimizer = torch.optim.AdamW(self._learning, weight_decay=0.0)
        if task.resume is not None:
            state = load_state(Path(task.resume))
            self._network.load_adapter(state["adapter"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._step, self._tokens = state["step"], state["tokens"]

    def _train(self) -> None:
        while self._step < self._steps:
            try:
                self._check()
                metrics = self._one_step()
            except Stopped:
                self._save(None, {})
                self._report(Paused(step=self._step))
                return
            epoch = self._step // self._per_epoch if self._step % self._per_epoch == 0 else None
            if epoch is not None and self._validation:
                metrics |= _named("full_valid", self._evaluate(self._validation))
            self._report(Step(step=self._step, metrics=metrics, tokens=self._tokens))
            overdue = time.monotonic() - self._saved_at >= self._task.save_interval
            if epoch is not None or overdue:
                self._save(epoch, metrics)
        self._report(Finished(step=self._step, tokens=self._tokens))

    def _one_step(self) -> Metrics:
        """Learn from the next batch. Raises Stopped; then the model is unchanged."""
        batch = self._batch(self._step)
        rate = self._learning_rate(self._step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        metrics = _named("train", self._evaluate(batch, learn=True))
        torch.nn.utils.clip_grad_norm_(self._learning, _MOST_GRADIENT)
        self._optimizer.step()
        self._step += 1
        self._tokens += sum(len(one.ids) for one in batch)
        if self._validation:
            metrics |= _named("valid", self._evaluate(self._validation_batch()))
        return metrics | {"learning_rate": rate}

    def _evaluate(self, batch: Sequence[Any], *, learn: bool = False) -> Metrics:
        check = self._check if learn else _never
        if self._task.method == "supervised":
            return supervised(self._network, batch, learn=learn, check=check)
        beta = self._values.beta
        return preferences(self._network, batch, beta=beta, learn=learn, check=check)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _batch(self, step: int) -> Sequence[Any]:
        """The order of the examples is a function of the seed and the epoch."""
        epoch, position = divmod(step, self._per_epoch)
        order = list(range(len(self._examples)))
        random.Random(f"{self._task.seed} {epoch}").shuffle(order)
        size = self._values.batch_size
        chosen = order[position * size : (position + 1) * size]
        return [self._examples[index] for index in chosen]

    def _validation_batch(self) -> Sequence[Any]:
        """A small validation batch, a different one for each step."""
        size, count = min(self._values.batch_size, len(self._validation)), len(self._validation)
        first = self._step * size
        return [self._validation[(first + index) % count] for index in range(size)]

    def _learning_rate(self, step: int) -> float:
        """The learning rate: it rises at first, and then falls to almost zero."""
        warm = max(1, int(self._steps * _WARM_UP))
        left = 1 - (step - warm) / max(1, self._steps - warm)
        share = min((step + 1) / warm, max(_LEAST_RATE, left))
        return share * self._values.learning_rate(self._task.method)

    def _save(self, epoch: int | None, metrics: Metrics) -> None:
        adapter = self._network.adapter()
        state = {
            "adapter": adapter,
            "optimizer": self._optimizer.state_dict(),
            "step": self._step,
            "tokens": self._tokens,
        }
        matrices = {name: one.cpu().numpy() for name, one in adapter.items()}
        architecture = self._network.shape.architecture
        weights = AdapterWeights(architecture, self._alpha, matrices)
        folder = self._folder / f"step-{self._step}"
        save_checkpoint(folder, state, weights, name=self._task.model)
        self._report(Saved(step=self._step, path=str(folder), epoch=epoch, metrics=metrics))
        if self._unfinished not in (None, folder):
            shutil.rmtree(self._unfinished, ignore_errors=True)
        self._unfinished = folder if epoch is None else None
        self._saved_at = time.monotonic()


def _never() -> None:
    """Evaluation without learning is not stopped."""


def _named(prefix: str, metrics: Metrics) -> Metrics:
    return {f"{prefix}_{name}": value for name, value in metrics.items()}
