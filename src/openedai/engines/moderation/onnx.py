"""Moderation by ONNX Runtime and `tokenizers`, with a sequence classifier: no torch.

Its options, beside those of the engine of rerankers:

    labels      categories of each label (those of well-known names)
    activation  softmax or sigmoid (by the model's problem_type)
    threshold   score from which on a category is flagged (0.5)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import msgspec

from openedai.contract.engine import Moderator
from openedai.contract.moderate import Assessment, ModerateRequest, ModerateResult
from openedai.engines.embedding.batching import (
    BatchedRows,
    Row,
    batch_tokens,
    encodable,
    wrap_tokens,
)
from openedai.engines.embedding.graph import Graph, graph_file
from openedai.engines.embedding.onnx import OnnxOptions
from openedai.engines.embedding.pooling import read_json
from openedai.engines.embedding.tokenizer import FolderTokenizer
from openedai.engines.machine import usable_cores
from openedai.engines.moderation.labels import categories_of_labels, label_names
from openedai.engines.moderation.windows import windows
from openedai.engines.options import parse_options, weights_path
from openedai.errors import APIError, EngineFailed, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OUTPUTS = ("logits",)
Activation = Literal["softmax", "sigmoid"]


class OnnxClassifierOptions(OnnxOptions, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the module's docstring explains them."""

    labels: dict[str, str | tuple[str, ...]] = msgspec.field(default_factory=dict)
    activation: Activation | None = None
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class OnnxClassifier(BatchedRows, Moderator):
    """A classifier's graph and its tokenizer. Made by `load`."""

    def __init__(
        self, model: str, classifier: Classifier, batch_tokens: int, threshold: float
    ) -> None:
        super().__init__(
            model, len(classifier.categories), batch_tokens, padded=classifier.graph.padded
        )
        self._classifier = classifier
        self._threshold = threshold

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        folder = weights_path(model, path)
        known = parse_options(OnnxClassifierOptions, model, options)
        threads = known.threads or usable_cores()
        try:
            classifier = await asyncio.to_thread(Classifier, folder, known, threads)
        except APIError as error:
            error.template = f"The model `{model}` cannot be loaded. {error.template}"
            raise
        tokens = known.batch_tokens or batch_tokens(known.device, threads)
        return cls(model, classifier, tokens, known.threshold)

    async def moderate(self, request: ModerateRequest) -> ModerateResult:
        rows = await asyncio.to_thread(
            lambda: [self._classifier.rows(text.text) for text in request.inputs]
        )
        scores = await self.computed([row for of_text in rows for row in of_text])
        assessments, start = [], 0
        for of_text in rows:
            highest = scores[start : start + len(of_text)].max(axis=0)
            assessments.append(self._assessment(highest.tolist()))
            start += len(of_text)
        tokens = sum(row.tokens for of_text in rows for row in of_text)
        return ModerateResult(assessments=tuple(assessments), prompt_tokens=tokens)

    def compute(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        return self._classifier.run(rows)

    async def close(self) -> None:
        await super().close()
        self._classifier.close()

    def _assessment(self, values: Sequence[float]) -> Assessment:
        scores = dict(zip(self._classifier.categories, values, strict=True))
        flagged = tuple(name for name, score in scores.items() if score >= self._threshold)
        return Assessment(scores=scores, flagged=flagged)


class Classifier:
    """The model itself: texts to the scores of the categories that its labels stand for.

    Blocking; `run` must be called from one thread.
    """

    def __init__(self, folder: Path, options: OnnxClassifierOptions, threads: int) -> None:
        config = read_json(folder / "config.json")
        self._tokenizer = FolderTokenizer(folder, config)
        self._probe = self._tokenizer.library.encode("a")
        padding = config.get("pad_token_id") or 0
        self.graph = Graph(graph_file(folder), options.device, threads, OUTPUTS, padding)
        # A first run says how many labels there are, and checks that the files fit together.
        count = self.graph.run(self.rows("a"), self._logits).shape[1]
        self._activation = options.activation or _activation(config, count)
        self._labels = categories_of_labels(label_names(config, count), options.labels)

    @property
    def categories(self) -> tuple[str, ...]:
        """In the order of the scores."""
        return tuple(self._labels)

    def rows(self, text: str) -> list[Row]:
        """The windows of a text; one with more tokens than the model reads becomes several."""
        bodies = self._tokenizer.bodies([encodable(window) for window in windows(text)])
        room = max(1, self._tokenizer.limit - len(self._wrapped([])))
        parts = [
            body[start : start + room]
            for body in bodies
            for start in range(0, max(1, len(body)), room)
        ]
        return [Row(tokens, len(tokens)) for tokens in map(self._wrapped, parts)]

    def run(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """The scores of the rows: [len(rows), categories]."""
        return self.graph.run(rows, self._scores)

    def close(self) -> None:
        """End the threads. `run` must not be called again."""
        self.graph.close()

    def _wrapped(self, ids: Sequence[int]) -> list[int]:
        special, limit = self._probe.special_tokens_mask, self._tokenizer.limit
        return wrap_tokens(ids, self._probe.ids, special, limit, from_left=False)

    def _logits(self, logits: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        import numpy as np

        if logits.ndim != 2:
            raise Unavailable(
                f"The output `{self.graph.output}` of its ONNX graph is not a classifier's."
            )
        if not np.isfinite(logits).all():
            raise EngineFailed("The model's logits are not finite.")
        return np.asarray(logits, np.float32)

    def _scores(self, logits: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Labels that exclude each other are added up; otherwise the highest one counts."""
        import numpy as np

        logits = self._logits(logits, lengths)
        if self._activation == "softmax":
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            probabilities = weights / weights.sum(axis=1, keepdims=True)
            columns = [probabilities[:, at].sum(axis=1) for at in self._labels.values()]
        else:
            probabilities = 1 / (1 + np.exp(-logits))
            columns = [probabilities[:, at].max(axis=1) for at in self._labels.values()]
        return np.asarray(np.clip(np.stack(columns, axis=1), 0, 1), np.float32)


def _activation(config: Mapping[str, Any], labels: int) -> Activation:
    if config.get("problem_type") == "multi_label_classification" or labels == 1:
        return "sigmoid"
    return "softmax"
