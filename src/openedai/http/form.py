"""Bodies in multipart/form-data: fields become the values of a JSON body, files go to the disk.

`name[]` and a repeated name are arrays, and `name[key]` is an object, as the official clients send
them. All values are strings or `Upload`s.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from starlette.requests import ClientDisconnect, Request

from openedai.errors import DISK_FULL, APIError, InvalidRequest, PayloadTooLarge, Unavailable
from openedai.http.body_memory import BodyShare
from openedai.http.upload import FormFile, StreamedFile, Upload, file_name

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartParser

FORM_DATA = "multipart/form-data"
MAX_PARTS = 256
MAX_FIELD_BYTES = 1 << 20  # of all fields together, without the files
MAX_PREAMBLE = 64 << 10
MAX_NAME = 256
_BUFFER = 1 << 20
_IN_MEMORY = MAX_FIELD_BYTES + _BUFFER
_NAME = re.compile(r"(?P<name>[^\[\]]+)(?:\[(?P<key>[^\[\]]*)\])?")


@dataclass(frozen=True)
class FileReceiver:
    """Where the bytes of the file in one field go as they arrive, instead of to the disk.

    `limit` is for the whole body, `memory` is how much of it the receiver holds at once; both are
    in bytes.
    """

    field: str
    receive: Callable[[bytes], Awaitable[None]]
    limit: int
    memory: int


async def read_form(
    request: Request,
    limit: int,
    cleanup: ExitStack,
    share: BodyShare,
    receiver: FileReceiver | None = None,
) -> dict[str, Any]:
    """The fields of the body. `cleanup` deletes the files; `share` is for what is in memory.

    The file of `receiver` is a StreamedFile, all others are Uploads.

    Raises InvalidRequest for a malformed body, PayloadTooLarge for one with more than `limit`
    bytes, and Unavailable if the disk or the memory is full.
    """
    form = _Form(_boundary(request), cleanup, receiver.field if receiver else None)
    size = 0
    if receiver is not None:
        limit = receiver.limit
        share.take(receiver.memory)
    pending = bytearray()
    try:
        async for chunk in request.stream():
            share.take(max(0, min(len(chunk), _IN_MEMORY - size)))
            size += len(chunk)
            if size > limit:
                raise PayloadTooLarge(
                    f"The request body is larger than the limit of {limit} bytes.",
                    code="request_too_large",
                )
            pending += chunk
            if len(pending) >= _BUFFER:
                await _feed(form, bytes(pending), receiver)
                pending.clear()
    except ClientDisconnect as error:
        raise _malformed("it ended too early") from error
    await _feed(form, bytes(pending), receiver)
    return form.values()


async def _feed(form: _Form, data: bytes, receiver: FileReceiver | None) -> None:
    """Parse in a thread. If cancelled, wait for it: it must not add files after the cleanup."""
    feeding = asyncio.ensure_future(asyncio.to_thread(form.feed, data))
    try:
        await asyncio.shield(feeding)
    except asyncio.CancelledError:
        await asyncio.wait({feeding})
        feeding.exception()  # nobody is left to report it to
        raise
    if receiver is not None and form.streamed:
        await receiver.receive(bytes(form.streamed))
        form.streamed.clear()


def _boundary(request: Request) -> bytes:
    from python_multipart.multipart import parse_options_header

    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:
        raise _malformed("its content type has no valid boundary")
    return boundary


class _Form:
    """Parses the parts of one body. `streamed` is what has arrived of the file in
    `stream_field`.
    """

    def __init__(
        self, boundary: bytes, cleanup: ExitStack, stream_field: str | None = None
    ) -> None:
        self.streamed = bytearray()
        self._parser = _parser(boundary, self)
        self._cleanup = cleanup
        self._stream_field = stream_field
        self._streaming = False
        self._streamed_bytes = 0
        self._parts: list[tuple[str, str | FormFile]] = []
        self._fed = 0
        self._field_bytes = 0
        self._done = False
        self._headers: dict[bytes, bytes] = {}
        self._header = (bytearray(), bytearray())
        self._name = ""
        self._text = bytearray()
        self._file: BinaryIO | None = None
        self._file_name = ""
        self._path = Path()

    def feed(self, data: bytes) -> None:
        """Parse the next bytes. Blocking."""
        from python_multipart.exceptions import FormParserError

        with _translate_errors(FormParserError):
            self._parser.write(data)
        self._fed += len(data)
        if not self._done and not self._parts and not self._name and self._fed > MAX_PREAMBLE:
            raise _malformed("it does not begin with its boundary")

    def values(self) -> dict[str, Any]:
        """The fields, once everything is parsed."""
        if not self._done:
            raise _malformed("it ended too early")
        values: dict[str, Any] = {}
        for name, value in self._parts:
            add_field(values, name, value)
        return values

    def on_header_begin(self) -> None:
        self._header = (bytearray(), bytearray())

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def on_header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)

    def on_headers_finished(self) -> None:
        from python_multipart.multipart import parse_options_header

        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = _decoded(options.get(b"name", b""))
        if kind != b"form-data" or not 0 < len(name) <= MAX_NAME:
            raise _malformed("a part has no valid name")
        if len(self._parts) >= MAX_PARTS:
            raise _malformed(f"it has more than {MAX_PARTS} parts")
        self._name = name
        self._text = bytearray()
        if b"filename" in options:
            self._file_name = file_name(_decoded(options[b"filename"]))
            self._open()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._streaming:
            self.streamed += data[start:end]
            self._streamed_bytes += end - start
            return
        if self._file is not None:
            self._file.write(data[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > MAX_FIELD_BYTES:
            raise PayloadTooLarge(
                f"The fields of the form are larger than the limit of {MAX_FIELD_BYTES} bytes.",
                code="request_too_large",
            )
        self._text += data[start:end]

    def on_part_end(self) -> None:
        media_type = self._headers.get(b"content-type", b"").decode("latin-1")
        value: str | FormFile
        if self._streaming:
            value = StreamedFile(self._file_name, media_type, self._streamed_bytes)
        elif self._file is None:
            value = _decoded(bytes(self._text))
        else:
            self._file.close()
            value = Upload(self._file_name, media_type, self._path.stat().st_size, self._path)
        self._parts.append((self._name, value))
        self._headers = {}
        self._file = None
        self._streaming = False

    def on_end(self) -> None:
        self._done = True

    def _open(self) -> None:
        """Where the bytes of the file go."""
        if self._name == self._stream_field:
            if any(name == self._name for name, _ in self._parts):
                raise _malformed(f"it has more than one '{self._name}'")
            self._streaming = True
            return
        descriptor, path = tempfile.mkstemp(prefix="openedai-upload-")
        self._path = Path(path)
        self._cleanup.callback(self._path.unlink, missing_ok=True)
        self._file = self._cleanup.enter_context(os.fdopen(descriptor, "wb"))


def _parser(boundary: bytes, form: _Form) -> MultipartParser:
    from python_multipart.multipart import MultipartParser

    return MultipartParser(
        boundary,
        {
            "on_header_begin": form.on_header_begin,
            "on_header_field": form.on_header_field,
            "on_header_value": form.on_header_value,
            "on_header_end": form.on_header_end,
            "on_headers_finished": form.on_headers_finished,
            "on_part_data": form.on_part_data,
            "on_part_end": form.on_part_end,
            "on_end": form.on_end,
        },
        max_header_count=8,
        max_header_size=4 << 10,
    )


@contextmanager
def _translate_errors(parser_error: type[Exception]) -> Iterator[None]:
    try:
        yield
    except parser_error as error:
        raise _malformed("it does not follow the format") from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise Unavailable("The server has no space for the files of the request.") from error
        raise


def add_field(values: dict[str, Any], name: str, value: str | FormFile) -> None:
    """Add a field to the values of a body or a query, according to the shape of its name. Raises
    InvalidRequest.
    """
    match = _NAME.fullmatch(name)
    base, key = (match["name"], match["key"]) if match else (name, None)
    if key:
        holder = values.setdefault(base, {})
        if not isinstance(holder, dict) or key in holder:
            raise _malformed("two of its parts contradict each other")
        holder[key] = value
    elif key == "" or base in values:
        holder = values.get(base, [])
        if isinstance(holder, dict):
            raise _malformed("two of its parts contradict each other")
        values[base] = [*(holder if isinstance(holder, list) else [holder]), value]
    else:
        values[base] = value


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("a part is not valid UTF-8") from None


def _malformed(reason: str) -> APIError:
    return InvalidRequest(
        f"We could not parse the form data of your request: {reason}.", code="invalid_form_data"
    )
