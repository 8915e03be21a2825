"""What tries to escape. It runs inside, and has the standard library only."""

from __future__ import annotations

import json
import os
import resource
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any


def probe(given: str) -> list[str]:
    """Everything that is possible but must not be."""
    return list(_escapes(json.loads(given)))


def _escapes(given: dict[str, Any]) -> Iterator[str]:
    for path in given["hidden"]:
        if os.path.lexists(path):
            yield f"the path {path} is seen"
    for name in os.environ:
        if name not in given["environment"]:
            yield f"the variable {name} is seen"
    for path in given["folders"]:
        if os.access(path, os.W_OK):
            yield f"the folder {path} can be written"
    processes = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    if any(id > 64 for id in processes):
        yield "other processes are seen"
    yield from _network()
    yield from _rights()
    yield from _limits(given)


def _network() -> Iterator[str]:
    with Path("/proc/net/dev").open(encoding="utf-8") as file:
        names = [line.split(":")[0].strip() for line in file if ":" in line]
    if names != ["lo"]:
        yield f"there is a network: {names}"
    for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        if _works(partial(_connect, family, address)):
            yield f"{address} can be reached"
    if _works(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)):
        yield "system calls are not filtered"


def _connect(family: int, address: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as end:
        end.connect((address, 9))


def _rights() -> Iterator[str]:
    with Path("/proc/self/status").open(encoding="utf-8") as file:
        lines = [line.partition(":") for line in file]
    status = {name: value.strip() for name, _, value in lines}
    for name, value in (("CapEff", "0" * 16), ("CapBnd", "0" * 16), ("NoNewPrivs", "1")):
        if status.get(name) != value:
            yield f"{name} is {status.get(name)}"
    if status.get("Seccomp") != "2":
        yield "there is no filter of system calls"


def _limits(given: dict[str, Any]) -> Iterator[str]:
    for name, value in given["limits"].items():
        if resource.getrlimit(getattr(resource, name)) != (value, value):
            yield f"the limit {name} does not hold"
    if _works(lambda: bytearray(given["limits"]["RLIMIT_DATA"])):
        yield "memory is not limited"
    if _works(lambda: _fill(given["disk"])):
        yield "the disk is not limited"
    if _forks(given["limits"]["RLIMIT_NPROC"]):
        yield "processes are not limited"


def _fill(size: int) -> None:
    """Try to write two files that are too large together."""
    files = [Path("a"), Path("b")]
    try:
        for file in files:
            file.write_bytes(bytes(size - 4096))
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _forks(count: int) -> bool:
    """Whether this many processes can be started."""
    children: list[int] = []
    read, write = os.pipe()
    try:
        for _ in range(count):
            child = os.fork()
            if not child:
                os.close(write)
                os.read(read, 1)
                os._exit(0)
            children.append(child)
        return True
    except OSError:
        return False
    finally:
        os.close(write)
        for child in children:
            os.waitpid(child, 0)
        os.close(read)


def _works(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except (OSError, MemoryError):
        return False
    return True
