from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.weights.fakes.servers import FileServer


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server
