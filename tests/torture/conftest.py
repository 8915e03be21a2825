"""Every test of this folder is run by `make torture` only."""

from __future__ import annotations

from pathlib import Path

import pytest

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.weights.library import Library
from openedai.weights.progress import NoProgress
from tests.torture.test_processes import ALL_REAL

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.torture)


@pytest.fixture(scope="session")
def real_weights() -> None:
    """The weights of the default models, downloaded."""
    settings = Settings(_env_file=None)
    catalog = Catalog(settings)
    for model in set(ALL_REAL) - {"echo"}:
        Library(settings).pull(catalog.resolve(model).spec, NoProgress())
