"""The first frames between the `llama_cpp` engine and its child process."""

from __future__ import annotations

import socket

import msgspec

from openedai.contract.adapter import Adapter
from openedai.contract.struct import Struct


class Launch(Struct, frozen=True, tag="launch"):
    """The first frame to the child: the model, and how to serve it.

    `socket` is the path to listen on, `key` the bearer key to ask for. `context` is in tokens,
    for each of the `slots`. `batch` is the most prompt tokens computed in one step: between two
    steps, the server notices a client that left. `gpu_layers` -1 leaves it to the library.
    `prompt_memory` is in MiB. `chat_template` None keeps that of the weights. Slots may be saved
    in `slots_folder`. `projector` is the path of the projector for images. `binary` is the native
    server to run; None is the wheel.
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
    adapters: tuple[Adapter, ...] = ()


class Ready(Struct, frozen=True, tag="ready"):
    """The answer when the server listens and the model is loaded."""


def read_launch(connection: socket.socket) -> Launch:
    """Wait for the first frame. Blocking."""
    with connection.dup().makefile("rb") as stream:
        length = int.from_bytes(stream.read(4), "big")
        return msgspec.msgpack.decode(stream.read(length), type=Launch)
