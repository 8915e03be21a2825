"""The child process of the `llama_cpp` engine: llama.cpp's own server, from the xllamacpp wheel.

Run as `python -m openedai.engines.llama_cpp.server.wheel FD`. It listens only on the Unix socket
that the launch names, in a private folder, and answers only requests with the launch's key.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from threading import Event
from typing import Any

from openedai.engines.llama_cpp.server.launch import Launch, Ready, read_launch
from openedai.engines.process.connection import pack
from openedai.engines.process.messages import Failure
from openedai.engines.process.parent import exit_with_parent
from openedai.errors import EngineFailed


def create_server(launch: Launch) -> Any:
    """Load the model and listen; the server runs in threads of its own. Raises RuntimeError."""
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
    params.lora_adapters = [CommonAdapterLoraInfo(one.path, 1.0) for one in launch.adapters]
    params.slot_save_path = f"{launch.slots_folder}/" if launch.slots_folder else ""
    params.verbosity = -1
    return Server(params)


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    launch = read_launch(connection)
    folder = Path(launch.socket).parent
    exit_with_parent(connection, cleanup=lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        server = create_server(launch)
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
