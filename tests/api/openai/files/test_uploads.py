"""`/v1/uploads` by the official client."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI
from openai.types import Upload
from openai.types.uploads import UploadPart

from openedai.store.contents import BLOB_BYTES
from openedai.store.files import Files
from openedai.store.quotas import FileLimits
from openedai.store.store import Store
from openedai.store.uploads import PART_BYTES, Uploads
from tests.databases import new_bucket, new_database
from tests.support import Running, ServerThread, echo_settings


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path)) as running:
        yield running


@pytest.fixture
def files(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def begin(client: OpenAI, size: int, **options: Any) -> Upload:
    values = {"filename": "a.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune", **options}
    return client.uploads.create(bytes=size, **values)


def blobs(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_ino for one in folder.glob("blobs/*/*") if one.is_file()}


def test_an_upload_from_its_beginning_to_its_file(files: OpenAI) -> None:
    upload = begin(files, 6, filename="../é.jsonl")
    assert upload.id.startswith("upload_")
    assert (upload.object, upload.status, upload.file) == ("upload", "pending", None)
    assert (upload.bytes, upload.filename, upload.purpose) == (6, "é.jsonl", "fine-tune")
    assert upload.expires_at == upload.created_at + 3600
    assert abs(upload.created_at - time.time()) < 60
    assert Upload.model_validate(upload.model_dump(), strict=True) == upload
    parts = [files.uploads.parts.create(upload.id, data=data) for data in (b"ab", b"", b"cdef")]
    for part in parts:
        assert UploadPart.model_validate(part.model_dump(), strict=True) == part
        assert (part.object, part.upload_id) == ("upload.part", upload.id)
    done = files.uploads.complete(upload.id, part_ids=[part.id for part in parts])
    assert (done.id, done.status, done.bytes) == (upload.id, "completed", 6)
    assert done.file is not None
    assert files.files.retrieve(done.file.id) == done.file
    assert (done.file.filename, done.file.bytes) == ("é.jsonl", 6)
    assert files.files.content(done.file.id).read() == b"abcdef"


def test_the_order_is_that_of_completing_and_other_parts_are_deleted(
    files: OpenAI, tmp_path: Path
) -> None:
    upload = begin(files, BLOB_BYTES + 3)
    first = files.uploads.parts.create(upload.id, data=b"x" * (BLOB_BYTES + 1))
    files.uploads.parts.create(upload.id, data=b"not needed")
    second = files.uploads.parts.create(upload.id, data=b"yz")
    before = blobs(tmp_path)
    assert len(before) == 4
    done = files.uploads.complete(upload.id, part_ids=[second.id, first.id])
    assert done.file is not None
    assert files.files.content(done.file.id).read() == b"yz" + b"x" * (BLOB_BYTES + 1)
    after = blobs(tmp_path)
    assert len(after) == 3
    assert after.items() <= before.items()  # the same files: nothing was copied
    files.files.delete(done.file.id)
    assert blobs(tmp_path) == {}


def test_upload_file_chunked(files: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    data = bytes(range(256)) * 100_000
    path.write_bytes(data)
    md5 = hashlib.md5(data).hexdigest()
    done = files.uploads.upload_file_chunked(
        file=path, mime_type="text/plain", purpose="user_data", part_size=9_000_000, md5=md5
    )
    assert done.file is not None
    assert (done.file.filename, done.file.bytes) == ("large.bin", len(data))
    assert files.files.content(done.file.id).read() == data


def test_md5(files: OpenAI) -> None:
    upload = begin(files, 3)
    part = files.uploads.parts.create(upload.id, data=b"abc")
    with pytest.raises(BadRequestError) as raised:
        files.uploads.complete(upload.id, part_ids=[part.id], md5="0" * 32)
    assert raised.value.param == "md5"
    with pytest.raises(BadRequestError) as raised:
        files.uploads.complete(upload.id, part_ids=[part.id], md5="abc")
    assert (raised.value.param, raised.value.code) == ("md5", "invalid_value")
    md5 = hashlib.md5(b"abc").hexdigest().upper()
    assert files.uploads.complete(upload.id, part_ids=[part.id], md5=md5).status == "completed"


def test_parts_that_are_not_those_of_the_file(files: OpenAI) -> None:
    upload, other = begin(files, 4), begin(files, 4)
    parts = [files.uploads.parts.create(upload.id, data=b"ab").id for _ in range(3)]
    foreign = files.uploads.parts.create(other.id, data=b"ab").id
    for part_ids, param in (
        ([parts[0]], "part_ids"),
        (parts, "part_ids"),
        ([parts[0], parts[0]], "part_ids"),
        ([parts[0], foreign], "part_ids[1]"),
        (["part_none", parts[0]], "part_ids[0]"),
        ([], "part_ids"),
    ):
        with pytest.raises(BadRequestError) as raised:
            files.uploads.complete(upload.id, part_ids=part_ids)
        assert (raised.value.param, raised.value.code) == (param, "invalid_value")
    assert files.uploads.complete(upload.id, part_ids=parts[:2]).status == "completed"


def test_what_has_ended_takes_nothing_more(files: OpenAI, tmp_path: Path) -> None:
    completed, cancelled = begin(files, 0), begin(files, 2)
    part = files.uploads.parts.create(cancelled.id, data=b"ab").id
    assert files.uploads.complete(completed.id, part_ids=[]).status == "completed"
    assert files.uploads.cancel(cancelled.id).status == "cancelled"
    assert blobs(tmp_path) == {}
    for upload, status in ((completed, "completed"), (cancelled, "cancelled")):
        for call in (
            lambda id: files.uploads.parts.create(id, data=b"ab"),
            lambda id: files.uploads.complete(id, part_ids=[part]),
            files.uploads.cancel,
        ):
            with pytest.raises(BadRequestError) as raised:
                call(upload.id)
            assert (raised.value.code, raised.value.param) == ("upload_not_pending", "upload_id")
            assert f" is {status}:" in str(raised.value)
    assert blobs(tmp_path) == {}


def test_unknown_uploads(files: OpenAI) -> None:
    for call in (
        lambda id: files.uploads.parts.create(id, data=b"ab"),
        lambda id: files.uploads.complete(id, part_ids=[]),
        files.uploads.cancel,
    ):
        for id in ("upload_none", "\x00", "x" * 100):
            with pytest.raises(NotFoundError) as raised:
                call(id)
            assert raised.value.param == "upload_id"


@pytest.mark.parametrize(
    ("options", "param", "code"),
    [
        ({"bytes": -1}, "bytes", "integer_below_min_value"),
        ({"bytes": (8 << 30) + 1}, "bytes", "integer_above_max_value"),
        ({"bytes": "1"}, "bytes", "invalid_type"),
        ({"purpose": "cats"}, "purpose", "invalid_value"),
        ({"filename": ""}, "filename", "string_below_min_length"),
        ({"mime_type": None}, "mime_type", "invalid_type"),
        ({"expires_after": {"anchor": "created_at"}}, "expires_after.seconds", None),
        ({"colour": "red"}, "colour", "unknown_parameter"),
    ],
)
def test_bad_bodies(files: OpenAI, options: dict[str, Any], param: str, code: str | None) -> None:
    with pytest.raises(BadRequestError) as raised:
        begin(files, 1, extra_body=options)
    assert raised.value.param == param
    assert code in (None, raised.value.code)


def test_a_part_that_is_too_large(files: OpenAI, tmp_path: Path) -> None:
    upload = begin(files, PART_BYTES)
    part = files.uploads.parts.create(upload.id, data=bytes(PART_BYTES))
    with pytest.raises(APIStatusError) as raised:
        files.uploads.parts.create(upload.id, data=bytes(PART_BYTES + 1))
    assert (raised.value.status_code, raised.value.code) == (413, "file_too_large")
    assert len(blobs(tmp_path)) == PART_BYTES // BLOB_BYTES
    assert files.uploads.complete(upload.id, part_ids=[part.id]).status == "completed"


def test_expiry(files: OpenAI, tmp_path: Path) -> None:
    upload = begin(files, 2, expires_after={"anchor": "created_at", "seconds": 7200})
    part = files.uploads.parts.create(upload.id, data=b"ab")
    done = files.uploads.complete(upload.id, part_ids=[part.id])
    assert done.file is not None
    assert done.file.expires_at == done.file.created_at + 7200
    late = begin(files, 2)
    files.uploads.parts.create(late.id, data=b"ab")

    async def later(*, sweeps: bool) -> None:
        store = Store(tmp_path)
        async with (await store.database()).write() as query:
            await query("update uploads set expires_at=expires_at-3600")
        if sweeps:
            await Uploads(store, Files(store, FileLimits())).sweep()
            database = await store.database()
            assert await database.read("select count(*) from upload_parts") == [(0,)]
            used = "select bytes from file_usage where owner='all'"
            assert await database.read(used) == [(2,)]
        await store.close()

    for sweeps in (False, True):
        asyncio.run(later(sweeps=sweeps))
        with pytest.raises(BadRequestError) as raised:
            files.uploads.parts.create(late.id, data=b"cd")
        assert " is expired:" in str(raised.value)
        assert len(blobs(tmp_path)) == (1 if sweeps else 2)


def test_two_completions_at_once_make_one_file(server: Running, files: OpenAI) -> None:
    for _ in range(3):
        upload = begin(files, 2)
        part = files.uploads.parts.create(upload.id, data=b"ab")

        def complete(_: int, upload: Upload = upload, part: UploadPart = part) -> int:
            raw = files.uploads.with_raw_response
            try:
                return raw.complete(upload.id, part_ids=[part.id]).status_code
            except BadRequestError as error:
                return error.status_code

        with ThreadPoolExecutor(4) as threads:
            assert sorted(threads.map(complete, range(4))) == [200, 400, 400, 400]
    assert len(files.files.list().data) == 3


def test_quotas(tmp_path: Path) -> None:
    settings = echo_settings(data=tmp_path, files_max_bytes=5000)
    with ServerThread(settings) as server, server.client() as client:
        with pytest.raises(BadRequestError, match="no room"):
            begin(client, 5001)
        upload = begin(client, 3000)
        client.uploads.parts.create(upload.id, data=bytes(3000))
        with pytest.raises(BadRequestError, match="no room"):
            client.uploads.parts.create(upload.id, data=bytes(3000))
        client.uploads.cancel(upload.id)
        again = begin(client, 5000)
        part = client.uploads.parts.create(again.id, data=bytes(5000))
        client.uploads.complete(again.id, part_ids=[part.id])
        with pytest.raises(BadRequestError, match="no room"):
            begin(client, 1)


def test_parts_by_two_servers(tmp_path: Path, postgres: str, s3: str) -> None:
    shared = {"database": new_database(postgres), "blobs": new_bucket(s3)}
    one = ServerThread(echo_settings(data=tmp_path / "1", **shared))
    two = ServerThread(echo_settings(data=tmp_path / "2", **shared))
    with one as first, two as second, first.client() as here, second.client() as there:
        upload = begin(here, 4)
        parts = [
            client.uploads.parts.create(upload.id, data=data).id
            for client, data in ((here, b"ab"), (there, b"cd"))
        ]
        done = there.uploads.complete(upload.id, part_ids=parts[::-1])
        assert done.file is not None
        assert here.files.content(done.file.id).read() == b"cdab"
