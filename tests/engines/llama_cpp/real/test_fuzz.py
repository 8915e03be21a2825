"""Random requests, adapters and images among them, to a model in a worker process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.engines.llama_cpp.real.fuzz import Fuzz, attack, load

pytestmark = pytest.mark.real
REQUESTS = 60
GROWTH = 600 << 20  # bytes: prompts are kept, up to 256 MiB of them, and grammars


def test_no_request_ends_or_changes_the_model(smollm2_path: Path, tmp_path: Path) -> None:
    async def go() -> None:
        engine = await load(smollm2_path, tmp_path)
        try:
            before = engine.memory()
            outcomes = await attack(engine, Fuzz(7), REQUESTS)
            assert outcomes.total() == REQUESTS
            assert outcomes["length"] + outcomes["stop"] > REQUESTS // 6, outcomes
            assert engine.alive()
            assert engine.memory() - before < GROWTH
        finally:
            await engine.close()

    asyncio.run(go())
