from __future__ import annotations

import asyncio
import errno
import gc
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from openedai.errors import APIError, InvalidRequest, PayloadTooLarge, Unavailable
from openedai.http.body_memory import BodyMemory
from openedai.http.form import MAX_FIELD_BYTES, MAX_PARTS, MAX_PREAMBLE, read_form
from openedai.http.upload import Upload

BOUNDARY = b"xyz"
LIMIT = 1 << 24


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files. It must be empty at the end."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def part(name: str, content: bytes, file_name: str | None = None, extra: str = "") -> bytes:
    file = "" if file_name is None else f'; filename="{file_name}"'
    head = f'--xyz\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{extra}\r\n'
    return head.encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


def parse(
    data: bytes,
    *,
    limit: int = LIMIT,
    content_type: str = "multipart/form-data; boundary=xyz",
    chunk: int = 1 << 16,
    complete: bool = True,
) -> dict[str, Any]:
    """The fields; each file as its name, media type and contents."""
    pieces = [data[start : start + chunk] for start in range(0, len(data), chunk)] or [b""]

    async def receive() -> Message:
        if not pieces:
            return {"type": "http.disconnect"}
        more = len(pieces) > 1 or not complete
        return {"type": "http.request", "body": pieces.pop(0), "more_body": more}

    scope = {"type": "http", "headers": [(b"content-type", content_type.encode())]}
    with ExitStack() as cleanup:
        share = BodyMemory(1 << 22).share("")
        values = asyncio.run(read_form(Request(scope, receive), limit, cleanup, share))
        return {name: shown(value) for name, value in values.items()}


def shown(value: Any) -> Any:
    match value:
        case Upload():
            assert value.size == value.path.stat().st_size
            assert value.path.stat().st_mode & 0o077 == 0
            return (value.name, value.media_type, asyncio.run(value.read()))
        case list():
            return [shown(one) for one in value]
        case dict():
            return {name: shown(one) for name, one in value.items()}
        case _:
            return value


def refusal(data: bytes, **options: Any) -> APIError:
    with pytest.raises(APIError) as failed:
        parse(data, **options)
    return failed.value


def test_fields_and_files() -> None:
    data = body(
        part("model", b"whisper-1"),
        part("file", b"RIFF\r\n--xy\r\n", "a.wav", "Content-Type: audio/wav\r\n"),
        part("prompt", "Größe ☃".encode()),
    )
    assert parse(data) == {
        "model": "whisper-1",
        "file": ("a.wav", "audio/wav", b"RIFF\r\n--xy\r\n"),
        "prompt": "Größe ☃",
    }


def test_arrays_and_objects() -> None:
    data = body(
        part("include[]", b"logprobs"),
        part("image[]", b"1", "1.png"),
        part("image[]", b"2", "2.png"),
        part("word", b"a"),
        part("word", b"b"),
        part("chunking_strategy[type]", b"server_vad"),
        part("chunking_strategy[threshold]", b"0.4"),
    )
    assert parse(data) == {
        "include": ["logprobs"],
        "image": [("1.png", "", b"1"), ("2.png", "", b"2")],
        "word": ["a", "b"],
        "chunking_strategy": {"type": "server_vad", "threshold": "0.4"},
    }


@pytest.mark.parametrize(
    "parts",
    [
        (part("a", b"1"), part("a[b]", b"2")),
        (part("a[b]", b"1"), part("a", b"2")),
        (part("a[b]", b"1"), part("a[b]", b"2")),
        (part("a[b]", b"1"), part("a[]", b"2")),
    ],
)
def test_parts_that_contradict_each_other(parts: tuple[bytes, ...]) -> None:
    assert refusal(body(*parts)).code == "invalid_form_data"


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\temp\\\\x.wav", "x.wav"),
        ("a\tb.wav", "ab.wav"),
        ("", ""),
        ("x" * 300 + ".wav", "x" * 251 + ".wav"),
    ],
)
def test_file_names_have_no_folders(given_name: str, name: str) -> None:
    assert parse(body(part("file", b"1", given_name)))["file"][0] == name


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no form at all",
        b"--xyz",
        part("a", b"1"),
        body(part("a", b"1"))[:-4],
        b"--xyz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xyz--",
        b"--xyz\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--xyz--",
        b'--xyz\r\nContent-Disposition: form-data; name=""\r\n\r\n1\r\n--xyz--',
        b"--xyz\r\n\r\n1\r\n--xyz--",
        b"--xyz\r\nno colon\r\n\r\n1\r\n--xyz--",
        body(part("a", b"\xff\xfe")),
        body(part("n" * 300, b"1")),
        body(*(part("a", b"1", extra=f"X-{n}: 1\r\n" * 9) for n in range(2))),
        body(part("a", b"1", extra=f"X: {'x' * 5000}\r\n")),
        body(*[part("a", b"1")] * (MAX_PARTS + 1)),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1 << 16])
def test_malformed_forms(data: bytes, chunk: int) -> None:
    error = refusal(data, chunk=chunk)
    assert isinstance(error, InvalidRequest)
    assert error.code == "invalid_form_data"


def test_an_endless_preamble_is_not_read_to_its_end() -> None:
    error = refusal(b"\r\n" * MAX_PREAMBLE * 8, limit=1 << 40, complete=False)
    assert error.code == "invalid_form_data"
    assert "boundary" in error.message


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 71}",
    ],
)
def test_a_boundary_is_needed(content_type: str) -> None:
    assert refusal(body(part("a", b"1")), content_type=content_type).code == "invalid_form_data"


def test_a_client_that_leaves() -> None:
    data = part("file", b"x" * 3_000_000, "a.wav")
    assert refusal(data, complete=False).code == "invalid_form_data"


def test_limits() -> None:
    large = part("file", b"x" * 3_000_000, "a.wav")
    assert isinstance(refusal(body(large), limit=2_000_000), PayloadTooLarge)
    assert isinstance(refusal(body(part("a", b"x" * (MAX_FIELD_BYTES + 1)))), PayloadTooLarge)
    assert len(parse(body(large))["file"][2]) == 3_000_000


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, descriptor: int) -> None:
            os.close(descriptor)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", lambda descriptor, mode: Full(descriptor))
    error = refusal(body(part("file", b"1", "a.wav")))
    assert isinstance(error, Unavailable)
    assert "/" not in error.message


@given(
    content=st.binary(max_size=200),
    chunk=st.integers(min_value=1, max_value=60),
    text=st.text(max_size=30),
)
def test_contents_survive_any_split(content: bytes, chunk: int, text: str) -> None:
    content = content.replace(b"\r\n--xyz", b"")
    data = body(part("file", content, "f"), part("text", text.encode()))
    assert parse(data, chunk=chunk) == {"file": ("f", "", content), "text": text}


def test_an_error_that_nobody_waits_for_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client left while the form was parsed, and the form is not valid."""
    content_type = b"multipart/form-data; boundary=xyz"
    data = b"x" * MAX_PREAMBLE + body(part("a", b"\xff"))

    async def go() -> None:
        parsing = asyncio.Event()

        async def receive() -> Message:
            parsing.set()
            return {"type": "http.request", "body": data, "more_body": False}

        scope = {"type": "http", "headers": [(b"content-type", content_type)]}
        with ExitStack() as cleanup:
            share = BodyMemory(1 << 22).share("")
            reading = asyncio.ensure_future(
                read_form(Request(scope, receive), LIMIT, cleanup, share)
            )
            await parsing.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        gc.collect()

    asyncio.run(go())
    assert [one for one in caplog.records if one.name == "asyncio"] == []
