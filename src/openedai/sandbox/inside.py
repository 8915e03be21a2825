"""The process that runs code. It is confined when it begins, and has the standard library only.

Its arguments are the descriptor of its connection and its limits as JSON. A frame is two lengths (4
bytes each, big endian), a JSON header, and bytes. The code that it runs can change all of this, so
the server trusts nothing that comes from here.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import fcntl
import io
import json
import linecache
import os
import queue
import resource
import select
import signal
import socket
import struct
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any

DATA = "/mnt/data"
KEPT = 100_000  # bytes of what code writes
VALUE = 20_000  # characters of the value of the last expression
FIGURES = 8
FIGURE_BYTES = 4 << 20
FILES = 1000
_PIPE = 1 << 20

Header = dict[str, Any]


class Connection:
    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def read(self) -> tuple[Header, bytes] | None:
        lengths = self._exactly(8)
        if lengths is None:
            return None
        first, second = struct.unpack(">II", lengths)
        header, body = self._exactly(first), self._exactly(second)
        if header is None or body is None:
            return None
        return json.loads(header), body

    def write(self, header: Header, body: bytes = b"") -> None:
        text = json.dumps(header).encode()
        self._end.sendall(struct.pack(">II", len(text), len(body)) + text + body)

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            chunk = self._end.recv(min(size - len(data), 1 << 16))
            if not chunk:
                return None
            data += chunk
        return bytes(data)


class Output:
    """What anything writes to the descriptors 1 and 2: its beginning, and how much more there
    was.
    """

    def __init__(self) -> None:
        self._read, write = os.pipe()
        fcntl.fcntl(write, 1031, _PIPE)  # F_SETPIPE_SZ
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(write)
        os.set_blocking(self._read, False)
        self._lock = threading.Lock()
        self._kept = bytearray()
        self._cut = 0
        threading.Thread(target=self._drain_always, daemon=True).start()

    def take(self) -> tuple[str, int]:
        """What was written since the last call, and how many further bytes were left out."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        with self._lock:
            self._drain()
            text, cut = self._kept.decode("utf-8", "replace"), self._cut
            self._kept, self._cut = bytearray(), 0
        return text, cut

    def _drain_always(self) -> None:
        while True:
            select.select([self._read], [], [])
            with self._lock:
                self._drain()

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self._read, _PIPE)
            except BlockingIOError:
                return
            kept = data[: max(0, KEPT - len(self._kept))]
            self._kept += kept
            self._cut += len(data) - len(kept)
            if not data:
                return


class Interpreter:
    """Runs pieces of code, one after the other, with the same variables."""

    def __init__(self) -> None:
        self._module = types.ModuleType("__main__")
        sys.modules["__main__"] = self._module
        self._count = 0
        self._running = self._over = False
        self._process = os.getpid()
        signal.signal(signal.SIGINT, self._interrupted)

    def expect(self) -> None:
        """From another thread: code was received, which `interrupt` is about from now on."""
        self._over = False

    def interrupt(self) -> None:
        """From another thread: end the code that was received last, even before it begins."""
        self._over = True
        if self._running:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def run(self, code: str) -> tuple[str | None, str | None]:
        """The value of the last expression, and the error that ended the code."""
        self._count += 1
        name = f"<code {self._count}>"
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        try:
            try:
                self._running = True
                if self._over:
                    self._interrupted()
                return self._value(code, name), None
            finally:
                self._running = False
                if os.getpid() != self._process:  # a fork made by the code has nobody to answer
                    os._exit(0)
        except BaseException as error:
            return None, self._shown(error)

    def _value(self, code: str, name: str) -> str | None:
        tree = ast.parse(code, name)
        variables = self._module.__dict__
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), variables)
        if not isinstance(last, ast.Expr):
            return None
        value = eval(compile(ast.Expression(last.value), name, "eval"), variables)
        if value is None:
            return None
        variables["_"] = value
        return repr(value)[:VALUE]

    def _shown(self, error: BaseException) -> str:
        try:
            shown = traceback.TracebackException.from_exception(error)
            frames = [one for one in shown.stack if one.filename != "<string>"]  # not our own
            shown.stack = traceback.StackSummary.from_list(frames)
            return "".join(shown.format())[-VALUE:]
        except BaseException:
            return type(error).__name__

    def _interrupted(self, *_: object) -> None:
        if self._running:
            raise KeyboardInterrupt("the time for this call is over")


def figures() -> list[bytes]:
    """The open figures of matplotlib as PNG; they are closed afterwards."""
    plots = sys.modules.get("matplotlib.pyplot")
    found: list[bytes] = []
    if plots is None:
        return found
    try:
        for number in plots.get_fignums()[:FIGURES]:
            data = io.BytesIO()
            plots.figure(number).savefig(data, format="png", bbox_inches="tight")
            if data.tell() <= FIGURE_BYTES:
                found.append(data.getvalue())
        plots.close("all")
    except Exception:
        traceback.print_exc()
    return found


def listed() -> list[tuple[str, int, int]]:
    """The files of the container: path, size in bytes, and time of the last change in nanoseconds.
    Links are not followed.
    """
    found: list[tuple[str, int, int]] = []
    folders = [DATA]
    while folders and len(found) < FILES:
        for entry in entries(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                state = entry.stat(follow_symlinks=False)
                found.append((entry.path, state.st_size, state.st_mtime_ns))
    return sorted(found)[:FILES]


def entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder of the container. One that the code has closed is opened; one whose path
    is longer than paths may be is left out.
    """
    try:
        return list(os.scandir(folder))
    except PermissionError:
        Path(folder).chmod(0o700)
        return list(os.scandir(folder))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return []


def write(path: str, data: bytes, first: bool) -> int:
    """Append to a file; with `first` begin it anew. Returns the time of its change."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    kind = os.O_TRUNC if first else os.O_APPEND
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | kind, 0o644)
    with os.fdopen(number, "ab") as file:
        file.write(data)
        file.flush()
        return os.fstat(file.fileno()).st_mtime_ns


def read(path: str, start: int, size: int) -> bytes:
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(number, "rb") as file:
        file.seek(start)
        return file.read(size)


def answer(
    header: Header, body: bytes, interpreter: Interpreter, output: Output
) -> tuple[Header, bytes]:
    what = header["op"]
    if what == "run":
        value, error = interpreter.run(header["code"])
        images = figures()
        text, cut = output.take()
        result = {"text": text, "cut": cut, "value": value, "error": error}
        return {**result, "images": [len(one) for one in images]}, b"".join(images)
    try:
        if what == "list":
            return {"files": listed()}, b""
        if what == "read":
            return {}, read(header["path"], header["start"], header["size"])
        if what == "write":
            return {"changed": write(header["path"], body, header["first"])}, b""
        Path(header["path"]).unlink()
        return {}, b""
    except OSError as error:
        return {"failed": os.strerror(error.errno or 0)}, b""


def limit(limits: dict[str, int]) -> None:
    """Set limits for this process and all that it starts, permanently."""
    for name, value in limits.items():
        number = getattr(resource, name)
        resource.setrlimit(number, (value, value))
    os.nice(10)
    # The first to go where memory runs out.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def main() -> None:
    end = socket.socket(fileno=int(sys.argv[1]))
    connection = Connection(end)
    limit(json.loads(sys.argv[2]))
    sys.argv[:] = [""]
    sys.path.insert(0, DATA)
    output, interpreter = Output(), Interpreter()
    waiting: queue.Queue[tuple[Header, bytes] | None] = queue.Queue()

    def receive() -> None:
        while (frame := connection.read()) is not None:
            if frame[0]["op"] == "interrupt":
                interpreter.interrupt()
            else:
                interpreter.expect()
                waiting.put(frame)
        os._exit(0)

    connection.write({"ready": True})
    threading.Thread(target=receive, daemon=True).start()
    while (frame := waiting.get()) is not None:
        connection.write(*answer(*frame, interpreter, output))


if __name__ == "__main__":
    main()
