"""The command line of bubblewrap: what the confined process sees of this machine."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DATA = "/mnt/data"
_SMALL = 64 << 20  # bytes of /tmp, and of /dev/shm
_LIBRARIES = 1 << 30  # bytes of address space that programs and libraries may use beside data
_OPEN_FILES = 256
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
)
_FACTS = "import json, sys; print(json.dumps([sys.executable, sys.prefix, sys.base_prefix]))"
ENVIRONMENT = {
    "HOME": DATA,
    "LANG": "C.UTF-8",
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "USER": "sandbox",
}


@dataclass(frozen=True)
class Limits:
    """`memory` and `disk` are in bytes; `processes` includes threads. `files_seconds` is how long
    it may take to list, read and write files for the server, before and after a call together.
    """

    memory: int = 1 << 30
    disk: int = 256 << 20
    processes: int = 64
    files_seconds: float = 60.0

    def of_process(self) -> dict[str, int]:
        """The kernel's limits for each process, by their names in `resource`."""
        return {
            "RLIMIT_AS": self.memory + _LIBRARIES,
            "RLIMIT_CORE": 0,
            "RLIMIT_DATA": self.memory,
            "RLIMIT_FSIZE": self.disk,
            "RLIMIT_MEMLOCK": 0,
            "RLIMIT_NOFILE": min(_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
            "RLIMIT_NPROC": self.processes,
        }


@dataclass(frozen=True)
class Python:
    """An interpreter, and the folders that it needs."""

    program: str
    folders: tuple[str, ...]

    @classmethod
    def at(cls, program: str) -> Python:
        """The interpreter behind a program, which is run to find out. Blocking. Raises OSError and
        ValueError.
        """
        result = subprocess.run(
            [program, "-I", "-c", _FACTS], capture_output=True, timeout=30, check=False
        )
        try:
            executable, *folders = json.loads(result.stdout)
        except ValueError:
            raise ValueError(f"{program} is not a Python that works") from None
        return cls(executable, tuple(one for one in dict.fromkeys(folders) if not _in_usr(one)))


def command(bwrap: str, python: Python, limits: Limits, source: str, end: int) -> list[str]:
    """The program and its arguments: `source` runs in `python`, and `end` is the descriptor of its
    connection.
    """
    line = [bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    line += ["--new-session", "--hostname", "sandbox", "--uid", "1000", "--gid", "1000"]
    line += ["--cap-drop", "ALL", "--clearenv"]
    for name, value in ENVIRONMENT.items():
        line += ["--setenv", name, value]
    line += ["--ro-bind", "/usr", "/usr", *_system_folders()]
    for path in _SETTINGS:
        line += ["--ro-bind-try", path, path]
    line += ["--proc", "/proc", "--dev", "/dev"]
    for path, size in (("/dev/shm", _SMALL), ("/tmp", _SMALL), (DATA, limits.disk)):
        line += ["--perms", "1777", "--size", str(size), "--tmpfs", path]
    for path in python.folders:
        line += ["--ro-bind", path, path]
    line += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", DATA, "--"]
    given = json.dumps(limits.of_process())
    return [*line, python.program, "-I", "-c", source, str(end), given]


def _system_folders() -> Iterable[str]:
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))


def _in_usr(folder: str) -> bool:
    return Path(folder).is_relative_to("/usr")
