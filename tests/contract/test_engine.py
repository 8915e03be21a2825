"""What every engine must do, whatever its capabilities."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from openedai.contract.engine import (
    Decider,
    Embedder,
    Engine,
    Generator,
    ImageMaker,
    ImageModerator,
    Moderator,
    Reranker,
    Speaker,
    Tokenizer,
    Transcriber,
)
from openedai.engines.registry import ENGINES, engine_class
from openedai.errors import EngineFailed
from tests.contract import (
    test_decider,
    test_embedder,
    test_generator,
    test_image_maker,
    test_image_moderator,
    test_moderator,
    test_reranker,
    test_speaker,
    test_tokenizer,
    test_transcriber,
)

# The user installs Piper; `tests/engines/speech` has a package in its place.
NOT_INSTALLED = {"piper"}


@pytest.mark.parametrize(
    ("capability", "params"),
    [
        (Generator, test_generator.ENGINES),
        (Embedder, test_embedder.ENGINES),
        (Reranker, test_reranker.ENGINES),
        (Decider, test_decider.ENGINES),
        (Moderator, test_moderator.ENGINES),
        (ImageModerator, test_image_moderator.ENGINES),
        (Tokenizer, test_tokenizer.ENGINES),
        (Transcriber, test_transcriber.ENGINES),
        (Speaker, test_speaker.ENGINES),
        (ImageMaker, test_image_maker.ENGINES),
    ],
)
def test_the_suite_of_a_capability_has_every_engine(
    capability: type[Engine], params: Iterable[object]
) -> None:
    cases = [getattr(param, "values", (param,))[0] for param in params]
    tested = {str(case).partition(" ")[0] for case in cases}
    having = {name for name, entry in ENGINES.items() if capability in entry.capabilities}
    assert tested == having - NOT_INSTALLED


@pytest.mark.parametrize("name", ENGINES)
def test_an_unknown_option_is_an_error(name: str, tmp_path: Path) -> None:
    load = engine_class(name).load("the-model", tmp_path, {"colour": "red"})
    with pytest.raises(EngineFailed, match=r"^Options of the model `the-model`: .*`colour`\.$"):
        asyncio.run(load)
