"""Where `openedai serve` listens: a port or a Unix socket."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from openedai.cli.messages import red, say
from openedai.config import Settings


class Listener:
    """The bound socket. A Unix socket's file is removed by `close`.

    If it cannot be bound, says why and exits.
    """

    def __init__(self, settings: Settings) -> None:
        self._path = settings.unix_socket and settings.unix_socket.expanduser()
        self._file = (0, 0)
        if self._path is None:
            self.socket = _bind_port(settings.host, settings.port)
        else:
            self.socket = _bind_unix(self._path, int(settings.unix_socket_mode, 8))
            self._file = _identity(self._path)
        self.socket.listen(2048)
        self._settings = settings

    @property
    def port(self) -> int:
        """The port; 0 for a Unix socket."""
        return 0 if self._path else self.socket.getsockname()[1]

    @property
    def url(self) -> str:
        """The server's URL for programs on this machine."""
        host, scheme = self._settings.host, "https" if self._settings.cert_path else "http"
        if self._path:
            return "http://localhost"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def address(self) -> str:
        """The host and port to which programs on this machine can connect."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._settings.host, self._settings.host)
        return f"{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def where(self) -> str:
        """The Unix socket in words; empty for a port."""
        return f" of the Unix socket {self._path}" if self._path else ""

    @property
    def curl_options(self) -> str:
        return f" --unix-socket {self._path}" if self._path else ""

    def close(self) -> None:
        self.socket.close()
        if self._path and self._path.exists() and _identity(self._path) == self._file:
            self._path.unlink()


def _bind_port(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, ValueError) as error:  # ValueError: not a possible host name
        listener.close()
        why = (error.strerror if isinstance(error, OSError) else None) or error
        say(
            f"{red(f'Cannot listen on {host}:{port}:')} {why}.\n"
            "Another port can be chosen with --port or OPENEDAI_PORT."
        )
        raise SystemExit(1) from error
    return listener


def _bind_unix(path: Path, mode: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        before = os.umask(0o777)  # nobody connects before the permissions are right
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        path.chmod(mode)
    except OSError as error:
        listener.close()
        say(f"{red(f'Cannot listen on {path}:')} {error.strerror or error}.")
        raise SystemExit(1) from error
    return listener


def _identity(path: Path) -> tuple[int, int]:
    """Distinguishes a file from one that replaced it and may have the same inode number."""
    status = path.stat()
    return status.st_ino, status.st_ctime_ns


def _remove_stale(path: Path) -> None:
    """Remove the socket of a killed server. Raises OSError if it is in use, or is not a socket."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise OSError("there is a file that is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        try:
            other.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError("another program listens there")
