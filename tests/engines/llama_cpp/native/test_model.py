"""A loaded model's memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from openedai.engines.llama_cpp.library_choice import choose_library
from openedai.engines.llama_cpp.native.batch import TokenBatch
from openedai.engines.llama_cpp.native.model import Model
from openedai.engines.llama_cpp.options import LlamaOptions

LENGTH = 250


@pytest.fixture
def model(smollm2_path: Path) -> Iterator[Model]:
    """With a computed text in its first slot."""
    options = LlamaOptions(slots=1, context=LENGTH)
    loaded = Model(choose_library(options), "m", smollm2_path, options, threads=1)
    batch = TokenBatch(loaded.batch)
    batch.add(0, [*range(100, 100 + LENGTH)], 0, every_output=False, last_output=True)
    loaded.decode(batch.value)
    yield loaded
    loaded.close()


@pytest.mark.real
def test_states_that_are_dropped_leave_no_gaps(model: Model) -> None:
    whole = model.save(0)
    states = []
    for number in range(64):
        model.trim(0, LENGTH - number)
        states.append(model.save(0))
        assert model.restore(0, whole)
    before = psutil.Process().memory_info().rss
    dropped = sum(map(len, states[::2]))
    del states[::2]
    assert before - psutil.Process().memory_info().rss > dropped * 0.9
