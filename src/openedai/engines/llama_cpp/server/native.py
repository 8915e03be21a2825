"""The child process of the `llama_cpp` engine where a native `llama-server` is used.

Run as `python -m openedai.engines.llama_cpp.server.native FD`. It starts the binary with the same
settings as the wheel, stays its parent, and ends it when the OpenedAI server is
gone. It ends itself when the binary does, so that a crash is seen as the child's.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from openedai.engines.llama_cpp.server.launch import Launch, Ready, read_launch
from openedai.engines.process.connection import pack
from openedai.engines.process.messages import Failure
from openedai.engines.process.parent import exit_with_parent
from openedai.errors import EngineFailed

_POLL_INTERVAL = 0.02  # seconds
_PR_SET_PDEATHSIG = 1


def command(launch: Launch, binary: str) -> list[str]:
    """The command line. It has no key, as other users of the machine can read it."""
    arguments = [
        *(binary, "--host", launch.socket, "--model", launch.path),
        *("--parallel", str(launch.slots), "--ctx-size", str(launch.context * launch.slots)),
        *("--batch-size", str(launch.batch), "--ubatch-size", str(launch.batch)),
        *("--threads", str(launch.threads), "--threads-batch", str(launch.threads)),
        *("--threads-http", str(launch.slots + 2), "--log-verbosity", "1"),
        *("--cache-ram", str(launch.prompt_memory)),
        *("--no-kv-unified", "--no-context-shift", "--no-prefill-assistant"),
        *("--jinja", "--slots", "--no-webui", "--offline"),
    ]
    if launch.gpu_layers >= 0:
        arguments += ["--n-gpu-layers", str(launch.gpu_layers)]
    if launch.projector is not None:
        arguments += ["--mmproj", launch.projector]
        arguments += ["--no-mmproj-offload"] if launch.gpu_layers == 0 else []
    if launch.slots_folder is not None:
        arguments += ["--slot-save-path", launch.slots_folder]
    if launch.adapters:
        links = (str(_adapter_link(launch, number)) for number in range(len(launch.adapters)))
        arguments += ["--lora", ",".join(links)]
    if launch.chat_template is not None:
        arguments += ["--chat-template-file", str(_template_file(launch))]
    return arguments


def environment(launch: Launch) -> dict[str, str]:
    """The binary's environment, without variables that would override the model's options."""
    inherited = {name: value for name, value in os.environ.items() if name[:10] != "LLAMA_ARG_"}
    return inherited | {"LLAMA_API_KEY": launch.key}


def _template_file(launch: Launch) -> Path:
    return Path(launch.socket).with_name("chat-template.jinja")


def _adapter_link(launch: Launch, number: int) -> Path:
    """A link to an adapter: its name has no comma, which separates adapters."""
    return Path(launch.socket).with_name(f"adapter-{number}.gguf")


def _start(launch: Launch, binary: str) -> subprocess.Popen[bytes]:
    """Raises OSError if the binary cannot be run."""
    if launch.chat_template is not None:
        _template_file(launch).write_text(launch.chat_template, "utf-8")
    for number, adapter in enumerate(launch.adapters):
        _adapter_link(launch, number).symlink_to(Path(adapter.path).absolute())
    return subprocess.Popen(
        command(launch, binary),
        env=environment(launch),
        preexec_fn=_die_with_parent(),  # noqa: PLW1509 - there is only one thread yet
    )


def _die_with_parent() -> Callable[[], None] | None:
    """Has the binary killed if this process is killed, which then cannot end it. Linux only."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _becomes_ready(process: subprocess.Popen[bytes], path: str) -> bool:
    """Wait until the model is loaded; False if the process has ended instead."""
    while not _healthy(path):
        try:
            process.wait(_POLL_INTERVAL)
        except subprocess.TimeoutExpired:
            continue
        return False
    return True


def _healthy(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(path)
            connection.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    launch = read_launch(connection)
    assert launch.binary is not None
    try:
        process = _start(launch, launch.binary)
    except OSError as error:
        failed = EngineFailed(f"{launch.binary} could not be run: {error.strerror}.")
        connection.sendall(pack(Failure.of(failed)))
        os._exit(1)

    def cleanup() -> None:
        shutil.rmtree(Path(launch.socket).parent, ignore_errors=True)
        process.kill()  # last, as this process ends with it
        process.wait()

    exit_with_parent(connection, cleanup)
    if _becomes_ready(process, launch.socket):
        connection.sendall(pack(Ready()))
        process.wait()
    os._exit(1)


if __name__ == "__main__":
    main()
