"""What every engine must do, whatever its capabilities."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from openedai.engines.registry import ENGINES, engine_class
from openedai.errors import EngineFailed


@pytest.mark.parametrize("name", ENGINES)
def test_an_unknown_option_is_an_error(name: str, tmp_path: Path) -> None:
    load = engine_class(name).load("the-model", tmp_path, {"colour": "red"})
    with pytest.raises(EngineFailed, match=r"^Options of the model `the-model`: .*`colour`\.$"):
        asyncio.run(load)
