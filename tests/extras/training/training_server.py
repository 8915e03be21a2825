"""A server without HTTP that trains: `training_server.py FOLDER URL`, ended by a signal."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from openedai.app import create_app
from openedai.config import ModelSpec, Settings
from tests.support import echo_settings
from tests.training import tiny_chat

LEASE = 1.0  # seconds until another server takes the job of one that died


def settings_of(folder: Path, url: str = "") -> Settings:
    """`url` is that of PostgreSQL; without it the database is in the folder."""
    weights = folder / "tiny.gguf"
    if not weights.exists():
        tiny_chat.write(weights)
    options = {"context": 256, "slots": 2, "threads": 1}
    tiny = ModelSpec(id="tiny", engine="llama_cpp", source=str(weights), options=options)
    echo = ModelSpec(id="echo", engine="echo")
    return echo_settings(models=(tiny, echo), chat_model="tiny", data=folder / "data", database=url)


async def main(folder: str, url: str) -> None:
    app = create_app(settings_of(Path(folder), url), job_lease=LEASE)
    async with app.router.lifespan_context(app):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
