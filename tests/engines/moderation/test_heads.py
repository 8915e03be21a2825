"""The files of heads, and the scores that they give."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from openedai.catalog.builtin import BUILTIN_MODELS
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.generate import Text
from openedai.contract.moderate import CATEGORIES, ModerateRequest
from openedai.engines.moderation.heads import (
    Heads,
    packaged_heads,
    read_heads,
    written_heads,
)
from openedai.engines.moderation.scoring import moderated
from openedai.errors import EngineFailed

DIMENSIONS = {"all-mpnet-base-v2": 768, "all-MiniLM-L6-v2": 384}


def simple_heads() -> Heads:
    """A category's log odds are 8 times its number in the vector, less 4; threshold 0.5."""
    count = len(CATEGORIES)
    return Heads(
        hidden=(np.eye(count, dtype=np.float32), np.zeros(count, np.float32)),
        output=(8 * np.eye(count, dtype=np.float32), np.full(count, -4, np.float32)),
        thresholds=(0.5,) * count,
    )


def test_written_heads_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(written_heads(simple_heads()))
    heads = read_heads(str(file), len(CATEGORIES))
    assert heads.thresholds == simple_heads().thresholds
    vector = np.ones((1, len(CATEGORIES)), np.float32)
    assert heads.probabilities(vector) == pytest.approx(simple_heads().probabilities(vector))


def test_heads_for_other_embeddings(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(written_heads(simple_heads()))
    with pytest.raises(EngineFailed, match="with 13 dimensions, and these have 384"):
        read_heads(str(file), 384)


@pytest.mark.parametrize("raw", [b"", b"no heads", written_heads(simple_heads())[:-5]])
def test_files_that_are_no_heads(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(raw)
    with pytest.raises(EngineFailed, match="cannot be read"):
        read_heads(str(file), 13)


def test_heads_that_are_nowhere() -> None:
    with pytest.raises(EngineFailed, match="neither as a file nor in this package"):
        read_heads("nowhere", 384)


def test_the_packaged_heads_are_those_of_the_built_in_models() -> None:
    used = {spec.options["moderation"] for spec in BUILTIN_MODELS if "moderation" in spec.options}
    assert set(packaged_heads()) == used
    for name in packaged_heads():
        heads = read_heads(name, DIMENSIONS[name])
        assert all(0.2 <= threshold <= 0.8 for threshold in heads.thresholds)
        assert len(written_heads(heads)) < 400_000


def test_a_text_has_the_highest_scores_of_its_windows() -> None:
    hate, violence = CATEGORIES.index("hate"), CATEGORIES.index("violence")

    async def embed(request: EmbedRequest) -> EmbedResult:
        rows = np.zeros((len(request.inputs), len(CATEGORIES)), "<f4")
        for row, one in zip(rows, request.inputs, strict=True):
            assert isinstance(one, Text)
            row[hate] = "hate" in one.text
            row[violence] = "violence" in one.text
        return EmbedResult(data=rows.tobytes(), dimensions=rows.shape[1], prompt_tokens=7)

    long = "A quiet sentence that says nothing. " * 20
    texts = [f"hate. {long} violence.", long, "h4te"]
    request = ModerateRequest(inputs=tuple(Text(text=text) for text in texts))
    result = asyncio.run(moderated(request, simple_heads(), embed))
    assert [one.flagged for one in result.assessments] == [("hate", "violence"), (), ("hate",)]
    assert result.assessments[0].scores["hate"] == pytest.approx(0.982, abs=1e-3)
    assert result.prompt_tokens == 7
