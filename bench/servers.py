"""Starts the measured servers as processes, on free loopback ports, and ends them again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.load.client import LoadError
from openedai.config import ModelSpec
from openedai.engines.llama_cpp.options import LlamaOptions
from openedai.engines.machine import usable_cores

LOAD_TIMEOUT = 120.0
LLAMA_SERVER = Path(__file__).parent / "peers" / "llama_server.py"
KEPT_VARIABLES = ("OPENEDAI_CACHE_DIR", "OPENEDAI_OFFLINE")


@dataclass(frozen=True)
class Cores:
    """Which cores a measurement gives to the server under load and to everything else."""

    server: frozenset[int]
    rest: frozenset[int]

    @classmethod
    def split(cls) -> Cores | None:
        """The split of the cores; None if processes cannot be pinned, or if there is only one
        core.
        """
        if not hasattr(os, "sched_getaffinity"):
            return None
        first, *others = sorted(os.sched_getaffinity(0))
        return cls(frozenset({first}), frozenset(others)) if others else None


@contextmanager
def pinned(cores: frozenset[int] | None) -> Iterator[None]:
    """Pin this process, and those that it starts inside the context, to these cores."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@asynccontextmanager
async def process(
    command: Sequence[str | Path],
    port: int,
    *,
    name: str,
    health: str,
    cores: frozenset[int] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = LOAD_TIMEOUT,
) -> AsyncIterator[int]:
    """Run a server, and wait until it answers `health` with 200. Yields its process id, and stops
    it at the end.

    It stays on `cores`, if they are given. Raises LoadError.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OPENEDAI_")}
    clean |= {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, tempfile.TemporaryFile() as log:
        with pinned(cores):
            running = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,  # no .env, no openedai.toml, and no database of the user's
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**clean, "XDG_DATA_HOME": folder, **(environment or {})},
            )
        try:
            async with asyncio.timeout(timeout):
                while not await _healthy(port, health):
                    if running.returncode is not None:
                        log.seek(0)
                        output = log.read().decode("utf-8", "replace")[-2000:]
                        raise LoadError(f"{name} did not start: {output}")
                    await asyncio.sleep(0.01)
            yield running.pid
        finally:
            await stop(running)


async def stop(running: asyncio.subprocess.Process) -> None:
    """Terminate it and wait; kill it after ten seconds."""
    with contextlib.suppress(ProcessLookupError):
        running.terminate()
    try:
        await asyncio.wait_for(running.wait(), 10)
    except TimeoutError:
        running.kill()
        await running.wait()


@contextmanager
def temporary_file(name: str, text: str) -> Iterator[Path]:
    """A file with this name, inside the context."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder, name)
        file.write_text(text, "utf-8")
        yield file


@asynccontextmanager
async def openedai(
    config: str = "", *, options: Sequence[str] = (), cores: frozenset[int] | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Our server with this `openedai.toml`: the URL of its API, and its process id."""
    port = free_port()
    with temporary_file("openedai.toml", config) as file:
        command = [sys.executable, "-m", "openedai", "serve", "--no-pull", "--config", str(file)]
        command += ["--port", str(port), "--log-level", "warning", *options]
        async with process(command, port, name="openedai", health="/health", cores=cores) as pid:
            yield f"http://127.0.0.1:{port}/v1", pid


@asynccontextmanager
async def native(
    spec: ModelSpec, weights: Path, key: str = "", *, defaults: bool = False
) -> AsyncIterator[tuple[str, int]]:
    """llama.cpp's own server, with the slots, context and threads that `spec` has in our server:
    the URL of its API, and its process id.

    With `defaults` it loads as it does by itself.
    """
    options = msgspec.convert(dict(spec.options), LlamaOptions)
    port = free_port()
    command: list[str | Path] = [sys.executable, LLAMA_SERVER, "--model", weights]
    command += ["--port", str(port), "--threads", str(options.threads or usable_cores())]
    command += ["--parallel", str(options.slots)]
    command += ["--ctx-size", str(options.slots * options.context)]
    command += ["--defaults"] if defaults else []
    environment = {"LLAMA_API_KEY": key}
    async with process(
        command, port, name="llama.cpp's server", health="/health", environment=environment
    ) as pid:
        yield f"http://127.0.0.1:{port}/v1", pid


def model_table(spec: ModelSpec, **options: object) -> str:
    """A `[[models]]` table for `openedai.toml`, with these additional options."""
    values = {
        "id": spec.id,
        "engine": spec.engine,
        "source": spec.source,
        "options": {**spec.options, **options},
    }
    lines = [f"{name} = {_toml(value)}\n" for name, value in values.items()]
    return "".join(["[[models]]\n", *lines])


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{json.dumps(name)} = {_toml(one)}" for name, one in value.items())
        return f"{{ {pairs} }}"
    return json.dumps(value)


@asynccontextmanager
async def litellm(python: Path, upstream: str, cores: frozenset[int] | None) -> AsyncIterator[str]:
    """LiteLLM's proxy, from the environment of `python`, in front of two echo models upstream."""
    port = free_port()
    server = {"api_base": upstream, "api_key": "none"}
    models = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", **server}}
        for name in ("echo", "long")
    ]
    config = {"model_list": models}
    with temporary_file("litellm.yaml", json.dumps(config)) as file:
        command = [str(python.parent / "litellm"), "--config", str(file), "--port", str(port)]
        command += ["--host", "127.0.0.1", "--num_workers", "1"]
        async with process(
            command,
            port,
            name="LiteLLM",
            health="/health/liveliness",
            cores=cores,
            environment={
                "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_LOG": "ERROR",
                "LITELLM_MODE": "PRODUCTION",
                "PYTHONPATH": "",
            },
        ):
            yield f"http://127.0.0.1:{port}/v1"


@asynccontextmanager
async def ogx(
    python: Path,
    upstream: str,
    cores: frozenset[int] | None,
    embedding: tuple[str, int] | None = None,
) -> AsyncIterator[tuple[str, int]]:
    """OGX from the environment of `python`, with its store in SQLite, in front of the models
    upstream, which it lists as `echo/…`: the URL of its API, and its process id.

    With the name and the dimensions of an `embedding` model upstream, it has vector stores in
    memory, as in its own starter configuration.
    """
    port = free_port()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        config = json.dumps(_ogx_config(upstream, folder, embedding))
        file = str(stack.enter_context(temporary_file("ogx.yaml", config)))
        command = [str(python.parent / "ogx"), "run", file, "--insecure", "--port", str(port)]
        async with process(
            command,
            port,
            name="OGX",
            health="/v1/health",
            cores=cores,
            environment={"PYTHONPATH": "", "OGX_LOGGING": "all=error"},
        ) as pid:
            yield f"http://127.0.0.1:{port}/v1", pid


def _ogx_config(
    upstream: str, folder: str, embedding: tuple[str, int] | None
) -> Mapping[str, object]:
    """The configuration that `/v1/responses` needs or, with `embedding`, its vector stores."""
    tables = {
        name: {"table_name": name, "backend": "sql_default"}
        for name in ("inference", "conversations", "prompts", "connectors", "responses", "files")
    }
    echo = {"base_url": upstream, "api_key": "none"}
    files = {"storage_dir": f"{folder}/files", "metadata_store": tables["files"]}
    providers: dict[str, tuple[str, str, Mapping[str, object]]] = {
        "inference": ("echo", "remote::openai", echo),
        "files": ("files", "inline::localfs", files),
    }
    config: dict[str, object] = {"version": 2, "distro_name": "bench"}
    if embedding is None:
        persistence = {"persistence": {"responses": tables["responses"]}}
        providers["responses"] = ("builtin", "inline::builtin", persistence)
        config["apis"] = [*providers, "tool_runtime", "vector_io"]
    else:
        name, dimensions = embedding
        kept = {"persistence": {"namespace": "vectors", "backend": "kv_default"}}
        providers["file_processors"] = ("pypdf", "inline::pypdf", {})
        providers["vector_io"] = ("faiss", "inline::faiss", kept)
        config["apis"] = [*providers]
        model = {
            "model_id": name,
            "provider_id": "echo",
            "model_type": "embedding",
            "metadata": {"embedding_dimension": dimensions},
        }
        config["registered_resources"] = {"models": [model]}
    return {
        **config,
        "providers": {
            api: [{"provider_id": id, "provider_type": type, "config": config}]
            for api, (id, type, config) in providers.items()
        },
        "storage": {
            "backends": {
                "kv_default": {"type": "kv_sqlite", "db_path": f"{folder}/kv.db"},
                "sql_default": {"type": "sql_sqlite", "db_path": f"{folder}/sql.db"},
            },
            "stores": {
                "metadata": {"namespace": "registry", "backend": "kv_default"},
                **{name: tables[name] for name in ("inference", "conversations")},
                **{name: tables[name] for name in ("prompts", "connectors")},
            },
        },
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _healthy(port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
        writer.write(request.encode())
        return b" 200 " in await asyncio.wait_for(reader.readline(), 10)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
