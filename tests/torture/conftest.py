"""Every test of this folder is run by `make torture` only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.weights.library import Library
from openedai.weights.progress import NoProgress
from tests.torture.test_processes import ALL_REAL

_HERE = Path(__file__).parent
_DISK_BYTES = 8 << 20


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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of some MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={_DISK_BYTES},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
