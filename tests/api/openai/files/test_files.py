"""`/v1/files` by the official client."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI
from openai.types import FileObject

from openedai.store.contents import BLOB_BYTES
from openedai.store.files import Files
from openedai.store.quotas import FileLimits
from openedai.store.store import Store
from tests.databases import new_bucket, new_database
from tests.support import Running, ServerThread, echo_settings, fetch, raw_request, wait_until

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
NAMES = {
    "räksmörgås 🦐.jsonl": "räksmörgås 🦐.jsonl",
    "../../etc/passwd": "passwd",
    "C:\\temp\\a.txt": "a.txt",
    "a\x07\u202eb": "ab",
    'quote";x=.txt': 'quote";x=.txt',
    "x" * 400: "x" * 255,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path)) as running:
        yield running


@pytest.fixture
def files(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def create(
    client: OpenAI, data: bytes = b"{}", name: str = "a.jsonl", **options: Any
) -> FileObject:
    return client.files.create(file=(name, data), **{"purpose": "user_data", **options})


def test_a_file_from_its_making_to_its_end(files: OpenAI) -> None:
    before = int(time.time())
    made = create(files, b'{"a": 1}\n', "lines.jsonl", purpose="fine-tune")
    assert made.id.startswith("file-")
    assert made.object == "file"
    assert made.status == "processed"
    assert (made.bytes, made.filename, made.purpose) == (9, "lines.jsonl", "fine-tune")
    assert before <= made.created_at <= time.time()
    assert made.expires_at is None
    assert FileObject.model_validate(made.model_dump(), strict=True) == made
    assert files.files.retrieve(made.id) == made
    assert files.files.content(made.id).read() == b'{"a": 1}\n'
    assert files.files.list().data == [made]
    deleted = files.files.delete(made.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (made.id, "file", True)
    assert files.files.list().data == []
    for call in (files.files.retrieve, files.files.content, files.files.delete):
        with pytest.raises(NotFoundError) as raised:
            call(made.id)
        assert raised.value.body == {
            "message": f"No such File object: {made.id}",
            "type": "invalid_request_error",
            "param": "id",
            "code": None,
        }


@pytest.mark.parametrize("purpose", PURPOSES)
def test_purposes(client: OpenAI, purpose: str) -> None:
    made = create(client, purpose=purpose)
    assert made.purpose == purpose
    expires = made.expires_at and made.expires_at - made.created_at
    assert expires == (30 * 86400 if purpose == "batch" else None)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1, BLOB_BYTES, BLOB_BYTES + 1, 20_000_001])
def test_the_same_bytes(client: OpenAI, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    made = create(client, data[:size])
    assert made.bytes == size
    assert client.files.content(made.id).read() == data[:size]


def test_a_path_and_an_open_file(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "träning.jsonl"
    path.write_bytes(b"1\r\n2\r\n--\r\n")
    made = client.files.create(file=path, purpose="fine-tune")
    assert made.filename == path.name
    assert client.files.content(made.id).read() == path.read_bytes()
    made = client.files.create(file=io.BytesIO(b"x"), purpose="vision")
    assert client.files.content(made.id).read() == b"x"


@pytest.mark.parametrize("name", NAMES)
def test_names(echo_server: Running, name: str) -> None:
    """As they are, in UTF-8: the client's own library would escape them."""
    quoted = name.replace('"', '\\"')
    head = f'--B\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
    body = (
        head.encode() + b"x\r\n"
        b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--B--\r\n'
    )
    answer = fetch(
        f"{echo_server.url}/v1/files",
        "POST",
        data=body,
        headers={"content-type": "multipart/form-data; boundary=B"},
    )
    assert answer.status == 200, answer.body
    made = json.loads(answer.body)
    assert made["filename"] == NAMES[name]
    content = fetch(f"{echo_server.url}/v1/files/{made['id']}/content")
    assert content.body == b"x"
    assert content.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")


def test_pages(files: OpenAI) -> None:
    made = [create(files, name=f"{n}", purpose=PURPOSES[n % 2]) for n in range(7)]
    ids = [one.id for one in made]
    assert [one.id for one in files.files.list(order="asc")] == ids
    assert [one.id for one in files.files.list()] == ids[::-1]
    assert [one.id for one in files.files.list(limit=2)] == ids[::-1]
    assert [one.id for one in files.files.list(limit=3, order="asc")] == ids
    first = files.files.list(limit=3, order="asc")
    assert first.has_more
    assert [one.id for one in first.data] == ids[:3]
    last = files.files.list(limit=3, order="asc", after=ids[3])
    assert not last.has_more
    assert [one.id for one in last.data] == ids[4:]
    assert [one.id for one in files.files.list(purpose="batch", order="asc")] == ids[1::2]
    files.files.delete(ids[3])
    assert [one.id for one in files.files.list(after=ids[3], order="asc")] == ids[4:]
    answer = files.files.with_raw_response.list(limit=2).http_response.json()
    assert (answer["object"], answer["first_id"], answer["last_id"]) == ("list", ids[6], ids[5])


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=10001", "limit", "integer_above_max_value"),
        ("limit=x", "limit", "invalid_type"),
        ("order=up", "order", "invalid_value"),
        ("purpose=cats", "purpose", "invalid_value"),
        ("after=%00", "after", "invalid_value"),
        ("page=2", "page", "unknown_parameter"),
    ],
)
def test_bad_queries(echo_server: Running, query: str, param: str, code: str) -> None:
    answer = fetch(f"{echo_server.url}/v1/files?{query}")
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["param"], error["code"]) == (400, param, code)


@pytest.mark.parametrize(
    ("options", "param", "code"),
    [
        ({"purpose": "cats"}, "purpose", "invalid_value"),
        ({"purpose": "batch_output"}, "purpose", "invalid_value"),
        ({"extra_body": {"colour": "red"}}, "colour", "unknown_parameter"),
        (
            {"expires_after": {"anchor": "created_at", "seconds": 10}},
            "expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            {"expires_after": {"anchor": "created_at", "seconds": 2592001}},
            "expires_after.seconds",
            "integer_above_max_value",
        ),
        (
            {"expires_after": {"anchor": "now", "seconds": 3600}},
            "expires_after.anchor",
            "invalid_value",
        ),
    ],
)
def test_bad_bodies_keep_nothing(
    files: OpenAI, tmp_path: Path, options: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(BadRequestError) as raised:
        create(files, bytes(BLOB_BYTES + 1), **options)
    assert (raised.value.param, raised.value.code) == (param, code)
    assert files.files.list().data == []
    assert blobs(tmp_path) == []


def blobs(folder: Path) -> list[Path]:
    return [path for path in folder.glob("blobs/*/*") if path.is_file()]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"", None, "invalid_form_data"),
        (
            b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--B--',
            "file",
            None,
        ),
        (
            b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--B--',
            "file",
            "invalid_type",
        ),
        (
            2 * b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
            + b"--B--",
            None,
            "invalid_form_data",
        ),
        (
            b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--B--',
            "purpose",
            "missing_required_parameter",
        ),
    ],
)
def test_bad_forms(echo_server: Running, body: bytes, param: str | None, code: str | None) -> None:
    headers = {"content-type": "multipart/form-data; boundary=B"}
    answer = fetch(f"{echo_server.url}/v1/files", "POST", data=body, headers=headers)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["param"]) == (400, param)
    assert code in (None, error["code"])


def test_a_body_that_is_not_a_form(echo_server: Running) -> None:
    assert fetch(f"{echo_server.url}/v1/files", "POST", json={"purpose": "batch"}).status == 415


@pytest.mark.parametrize("id", ["file-none", "%00", "a%ff", "x" * 300, "..", "a%2Fb"])
def test_unknown_ids(echo_server: Running, id: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        request = f"{method} /v1/files/{id}{path} HTTP/1.1\r\nhost: localhost\r\n"
        answer = raw_request(echo_server.port, f"{request}connection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 40"), answer
        assert b'"type":"invalid_request_error"' in answer


RANGES = {
    "bytes=0-0": (206, 0, 1),
    "bytes=2-5": (206, 2, 6),
    "bytes=95-": (206, 95, 100),
    "bytes=-7": (206, 93, 100),
    "bytes=-700": (206, 0, 100),
    "bytes=90-700": (206, 90, 100),
    "Bytes=1-1": (206, 1, 2),
    "bytes=5-2": (200, 0, 100),
    "bytes=0-1,4-5": (200, 0, 100),
    "lines=1-2": (200, 0, 100),
    "bytes=-": (200, 0, 100),
    "bytes=100-": (416, 0, 0),
    "bytes=-0": (416, 0, 0),
}


@pytest.mark.parametrize("header", RANGES)
def test_ranges(client: OpenAI, echo_server: Running, header: str) -> None:
    status, start, end = RANGES[header]
    data = bytes(range(100))
    url = f"{echo_server.url}/v1/files/{create(client, data).id}/content"
    answer = fetch(url, headers={"range": header})
    assert answer.status == status
    if status == 416:
        assert json.loads(answer.body)["error"]["code"] == "range_not_satisfiable"
        return
    assert answer.body == data[start:end]
    assert answer.headers["content-length"] == str(end - start)
    assert answer.headers["accept-ranges"] == "bytes"
    expected = f"bytes {start}-{end - 1}/100" if status == 206 else None
    assert answer.headers.get("content-range") == expected
    other = fetch(url, headers={"range": header, "if-range": '"another"'})
    assert (other.status, other.body) == (200, data)


def test_a_range_over_blobs(client: OpenAI, echo_server: Running) -> None:
    data = bytes(BLOB_BYTES) + b"0123456789"
    url = f"{echo_server.url}/v1/files/{create(client, data).id}/content"
    answer = fetch(url, headers={"range": f"bytes={BLOB_BYTES - 3}-{BLOB_BYTES + 2}"})
    assert answer.body == b"\0\0\x00012"


def test_expiry(files: OpenAI, tmp_path: Path) -> None:
    made = create(files, expires_after={"anchor": "created_at", "seconds": 3600})
    assert made.expires_at == made.created_at + 3600
    kept = create(files)

    async def later(*, sweeps: bool) -> None:
        store = Store(tmp_path)
        async with (await store.database()).write() as query:
            await query("update files set expires_at=expires_at-3600 where id=$1", made.id)
        if sweeps:
            await Files(store, FileLimits()).sweep()
        await store.close()

    assert len(blobs(tmp_path)) == 2
    asyncio.run(later(sweeps=False))
    with pytest.raises(NotFoundError):
        files.files.retrieve(made.id)
    assert [one.id for one in files.files.list()] == [kept.id]
    asyncio.run(later(sweeps=True))
    assert len(blobs(tmp_path)) == 1


def test_quotas_hold_for_files_that_come_at_once(tmp_path: Path) -> None:
    """No more than fit, and nothing is left of the others."""
    settings = echo_settings(data=tmp_path, files_max_bytes=2500)
    with ServerThread(settings) as server, server.client() as client:

        def outcome(number: int) -> str | None:
            try:
                create(client, bytes(1000), f"{number}")
            except BadRequestError as error:
                return error.code
            return None

        with ThreadPoolExecutor(6) as threads:
            outcomes = list(threads.map(outcome, range(12)))
        assert outcomes.count("storage_quota_exceeded") == 10
        assert outcomes.count(None) == 2
        assert len(client.files.list().data) == len(blobs(tmp_path)) == 2
        with pytest.raises(BadRequestError, match="no room"):
            create(client, bytes(501))
        create(client, bytes(500))


def test_quotas(tmp_path: Path) -> None:
    settings = echo_settings(
        data=tmp_path,
        file_max_bytes=2000,
        files_max_bytes=5000,
        files_max_bytes_per_key=3000,
        api_keys=("one", "two"),
    )
    with ServerThread(settings) as server:
        one, two = (server.client(api_key=key) for key in ("one", "two"))
        with pytest.raises(APIStatusError) as raised:
            create(one, bytes(2001))
        assert (raised.value.status_code, raised.value.code) == (413, "file_too_large")
        first = create(one, bytes(2000))
        for size in (1001, 2000):
            with pytest.raises(BadRequestError, match="no room") as full:
                create(one, bytes(size))
            assert full.value.code == "storage_quota_exceeded"
        create(one, bytes(1000))
        create(two, bytes(2000))
        with pytest.raises(BadRequestError, match="no room"):
            create(two, bytes(1))
        assert len(blobs(tmp_path)) == 3
        with pytest.raises(NotFoundError):
            two.files.delete(first.id)
        assert one.files.delete(first.id).deleted
        create(two, bytes(1000))
        with pytest.raises(BadRequestError, match="no room"):
            create(two, bytes(1))
        create(one, bytes(1000))
        one.close()
        two.close()


def test_a_client_that_leaves_in_the_middle(server: Running, tmp_path: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.putrequest("POST", "/v1/files")
    connection.putheader("content-type", "multipart/form-data; boundary=B")
    connection.putheader("content-length", str(10 * BLOB_BYTES))
    connection.endheaders()
    connection.send(b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
    connection.send(bytes(BLOB_BYTES + (2 << 20)))
    wait_until(lambda: bool(blobs(tmp_path)))
    connection.close()
    wait_until(lambda: not blobs(tmp_path))


def test_two_deletes_at_once(files: OpenAI, server: Running) -> None:
    for _ in range(5):
        url = f"{server.url}/v1/files/{create(files).id}"
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda url: fetch(url, "DELETE").status, [url] * 4))
        assert sorted(answers) == [200, 404, 404, 404]


def test_files_outlast_the_server(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path)) as server, server.client() as client:
        made = create(client, b"kept")
    with ServerThread(echo_settings(data=tmp_path)) as server, server.client() as client:
        assert client.files.retrieve(made.id) == made
        assert client.files.content(made.id).read() == b"kept"


def test_two_servers_share_postgres_and_a_bucket(tmp_path: Path, postgres: str, s3: str) -> None:
    shared = {"database": new_database(postgres), "blobs": new_bucket(s3)}
    one = ServerThread(echo_settings(data=tmp_path / "1", **shared))
    two = ServerThread(echo_settings(data=tmp_path / "2", **shared))
    with one as first, two as second, first.client() as here, second.client() as there:
        data = bytes(BLOB_BYTES) + b"x"
        made = create(here, data, "é.txt")
        assert there.files.retrieve(made.id) == made
        assert there.files.content(made.id).read() == data
        assert [file.id for file in there.files.list()] == [made.id]
        there.files.delete(made.id)
        assert here.files.list().data == []
        assert not (tmp_path / "1").exists()
