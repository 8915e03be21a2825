"""The child process of the `llama_cpp` engine: llama.cpp's own server, from the xllamacpp wheel.

Run as `python -m openedai.engines.llama_cpp.server.wheel FD`. It listens only on the Unix socket
it is told, which lies in a private folder, and answers only to the key it is told.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from threading import Event
from typing import Any

import msgspec

from openedai.contract.struct import Struct
from openedai.engines.process.child import Failure, pack
from openedai.engines.process.parent import exit_with_parent
from openedai.errors import EngineFailed


class Launch(Struct, frozen=True, tag="launch"):
    """The first frame. `context` is in tokens, for each slot.

    `batch` is the most prompt tokens computed in one go: a client that leaves in prefill is
    noticed between two of them. `gpu_layers` -1 leaves it to the library. `chat_template` None
    keeps that of the weights. `prompt_memory` is in MiB. `slots_folder` is where slots may be
    saved. `projector` is the path of what turns images into what the model reads. `binary` is
    the native server that is to run; None is the wheel. `adapters` are paths.
    """

    model: str
    path: str
    socket: str
    key: str
    slots: int
    context: int
    threads: int
    batch: int
    gpu_layers: int
    prompt_memory: int
    chat_template: str | None = None
    slots_folder: str | None = None
    projector: str | None = None
    binary: str | None = None
    adapters: tuple[str, ...] = ()


class Ready(Struct, frozen=True, tag="ready"):
    """The server listens."""


def read_launch(connection: socket.socket) -> Launch:
    with connection.dup().makefile("rb") as stream:
        length = int.from_bytes(stream.read(4), "big")
        return msgspec.msgpack.decode(stream.read(length), type=Launch)


def _serve(launch: Launch) -> Any:
    from xllamacpp import CommonAdapterLoraInfo, CommonParams, Server

    params = CommonParams()
    params.model.path = launch.path
    params.hostnames = [launch.socket]
    params.api_keys = [launch.key]
    params.n_parallel = launch.slots
    params.n_ctx = launch.context * launch.slots
    params.kv_unified = False
    params.n_batch = launch.batch
    params.n_ubatch = launch.batch
    params.cpuparams.n_threads = launch.threads
    params.cpuparams_batch.n_threads = launch.threads
    params.n_threads_http = launch.slots + 2
    params.n_gpu_layers = launch.gpu_layers
    params.mmproj.path = launch.projector or ""
    params.mmproj_use_gpu = launch.gpu_layers != 0
    params.chat_template = launch.chat_template or ""
    params.cache_ram_mib = launch.prompt_memory
    params.prefill_assistant = False
    params.ctx_shift = False
    params.ui = False
    params.endpoint_slots = True
    params.lora_adapters = [CommonAdapterLoraInfo(path, 1.0) for path in launch.adapters]
    params.slot_save_path = f"{launch.slots_folder}/" if launch.slots_folder else ""
    params.verbosity = -1
    return Server(params)


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    launch = read_launch(connection)
    folder = Path(launch.socket).parent
    exit_with_parent(connection, cleanup=lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        server = _serve(launch)
    except Exception as error:
        why = str(error) or type(error).__name__
        failed = EngineFailed(f"The model `{launch.model}` could not be loaded: {why}.")
        connection.sendall(pack(Failure.of(failed)))
        os._exit(1)
    connection.sendall(pack(Ready()))
    Event().wait()  # the server works in threads of its own, until the parent is gone
    del server


if __name__ == "__main__":
    main()
