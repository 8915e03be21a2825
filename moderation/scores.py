"""The scores of texts, as the engine computes them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.generate import Text
from openedai.contract.moderate import CATEGORIES, ModerateRequest
from openedai.engines.embedding.onnx import OnnxEmbeddings
from openedai.weights.library import Library

Scores = NDArray[np.float64]


def model_folder(model: str) -> Path:
    """The files of a built-in model, which are downloaded if need be."""
    settings = Settings(_env_file=None)
    path = Library(settings).pull(Catalog(settings).resolve(model).spec)
    assert path is not None
    return path


def scores_of(texts: Sequence[str], model: str) -> Scores:
    """[texts, categories] by the packaged classifier on that model."""
    folder = model_folder(model)

    async def go() -> list[list[float]]:
        engine = await OnnxEmbeddings.load("moderation", folder, {"moderation": model})
        try:
            request = ModerateRequest(inputs=tuple(Text(text=text) for text in texts))
            found = (await engine.moderate(request)).assessments
        finally:
            await engine.close()
        return [[one.scores[name] for name in CATEGORIES] for one in found]

    return np.array(asyncio.run(go()), np.float64)
