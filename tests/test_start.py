"""What a server imports before its first request."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys
from pathlib import Path
from openedai.cli import flags, serve
from openedai.app import create_app
from openedai.config import ModelSpec, Settings

app = create_app(Settings(_env_file=None, data=Path(sys.argv[1])))

async def main():
    async with app.router.lifespan_context(app):
        pass

asyncio.run(main())
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Of a server with nothing stored: where there is a database, its keys are looked up."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("data"))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "PIL",
        "aiohttp",
        "asyncpg",
        "huggingface_hub",
        "jinja2",
        "numpy",
        "obstore",
        "psutil",
        "pydantic",
        "rich",
        "sqlite3",
        "typer",
        "websockets",
        "yarl",
        "openedai.api.openai.chat.types",
        "openedai.http.body",
    ],
)
def test_what_is_imported_later(imported: set[str], module: str) -> None:
    assert module not in imported


def test_what_is_imported(imported: set[str]) -> None:
    assert {"starlette.routing", "uvicorn", "openedai.api", "openedai.scheduling.pool"} <= imported
