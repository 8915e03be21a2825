"""Downloads one file over HTTP, with resumption and a check of its hash."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Self

from openedai.errors import Unavailable
from openedai.weights.disk import CHUNK_BYTES
from openedai.weights.progress import Progress

# Statuses of temporary failures.
TEMPORARY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
# An attempt that received this many bytes resets the count of failures: long downloads may break
# off often.
PROGRESS_BYTES = 1 << 20
LONGEST_PAUSE = 10.0
_NAMES = {"sha256": "SHA-256", "sha512": "SHA-512"}


class NotServed(Unavailable):
    """The server sent nothing of the file: it refused, was unreachable or answered wrongly."""


class _TemporaryFailure(Exception):
    """An attempt failed, and another one may succeed; what was received is kept."""


@dataclass(frozen=True)
class Downloader:
    """`timeout` (seconds) is for connecting and for each read; `attempts` may fail in a row.

    `algorithm` is that of the hashes.
    """

    attempts: int = 5
    timeout: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    algorithm: str = "sha256"

    def fetch(self, url: str, target: Path, size: int, expected: str, progress: Progress) -> None:
        """Download `url` (http, https or file), which must have `size` bytes and the expected hash,
        in hexadecimal.

        Received data goes to `target`.part first, and stays there for a later resumption if this
        fails. Raises NotServed, and Unavailable for all other failures.
        """
        path = target.with_name(target.name + ".part")
        with _Part(path, size, progress, self.algorithm) as part:
            self._fill(url, part)
            if part.hash.hexdigest() != expected:
                part.discard()
                raise Unavailable(
                    f"{_redacted(url)} is not the file it should be: its {_NAMES[self.algorithm]} "
                    f"is {part.hash.hexdigest()} instead of {expected}. It was deleted."
                )
        part.path.replace(target)

    def _fill(self, url: str, part: _Part) -> None:
        failures = 0
        while part.length < part.size:
            before = part.length
            reason = "the connection was closed too early"
            try:
                self._attempt(url, part)
            except _TemporaryFailure as error:
                reason = str(error)
            if part.length >= part.size:
                return
            failures = 1 if part.length - before >= PROGRESS_BYTES else failures + 1
            if failures >= self.attempts:
                failure = Unavailable if part.length else NotServed
                raise failure(f"The download of {_redacted(url)} failed: {reason}.")
            self.sleep(min(0.5 * 2**failures, LONGEST_PAUSE))

    def _attempt(self, url: str, part: _Part) -> None:
        """Read the missing bytes until the end or the next failure."""
        headers = {"User-Agent": "openedai", "Accept-Encoding": "identity"}
        if part.length:
            headers["Range"] = f"bytes={part.length}-"
        try:
            response = urllib.request.urlopen(
                urllib.request.Request(url, headers=headers), timeout=self.timeout
            )
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in TEMPORARY_STATUSES:
                raise _TemporaryFailure(f"the server answered {error.code}") from None
            if error.code == 416:
                part.discard()
                raise _wrong_size(url, part.size) from None
            raise NotServed(f"{_redacted(url)} was refused with status {error.code}.") from None
        except (OSError, HTTPException) as error:
            if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                raise NotServed(f"{_redacted(url)}: {_reason(error)}") from None
            raise _TemporaryFailure(_reason(error)) from None
        with response:
            _check_response(url, response.status, response.headers, part)
            _receive(response, part)


class _Part:
    """A file that grows to `size` bytes, hashed as it grows."""

    def __init__(self, path: Path, size: int, progress: Progress, algorithm: str) -> None:
        self.path = path
        self.size = size
        self.length = 0
        self.hash = hashlib.new(algorithm)
        self._algorithm = algorithm
        self._progress = progress

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        self._file.seek(0)
        while chunk := self._file.read(CHUNK_BYTES):
            self._count(chunk)
        if self.length > self.size:
            self.restart()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            os.fsync(self._file.fileno())
        self._file.close()
        if not self.length:
            self.discard()

    def append(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._file.flush()
        self._count(chunk)

    def restart(self) -> None:
        self._file.truncate(0)
        self._progress.advance(-self.length)
        self.length = 0
        self.hash = hashlib.new(self._algorithm)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)

    def _count(self, chunk: bytes) -> None:
        self.hash.update(chunk)
        self.length += len(chunk)
        self._progress.advance(len(chunk))


def _check_response(url: str, status: int | None, headers: HTTPMessage, part: _Part) -> None:
    """Check that the response continues the file. Starts again if it has the whole file."""
    if status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        if not found or int(found[1]) != part.length:
            raise NotServed(f"{_redacted(url)} was answered with a wrong range.")
        total = found[2]
    else:
        if part.length:
            part.restart()
        total = headers.get("Content-Length", "*")
    if total.isdigit() and int(total) != part.size:
        part.discard()
        raise _wrong_size(url, part.size)


def _receive(response: HTTPResponse, part: _Part) -> None:
    while part.length < part.size:
        try:
            chunk = response.read1(min(CHUNK_BYTES, part.size - part.length))
        except (OSError, HTTPException) as error:
            raise _TemporaryFailure(_reason(error)) from None
        if not chunk:
            return
        part.append(chunk)


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(cause) or type(cause).__name__


def _wrong_size(url: str, size: int) -> Unavailable:
    return Unavailable(f"{_redacted(url)} is not the file it should be: it has not {size} bytes.")


def _redacted(url: str) -> str:
    """The address without credentials, query and fragment."""
    return re.sub(r"//[^/@]*@", "//", url.partition("?")[0].partition("#")[0])
