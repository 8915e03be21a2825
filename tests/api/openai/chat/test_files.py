"""Files in conversations, with the official client: kept ones, and bytes in the request."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, OpenAI

from tests.api.answers import chat, refusal
from tests.extract.samples import web
from tests.media.images import data_url, picture
from tests.support import ECHO_MODELS, ServerThread, echo_settings

NOTES = "# Notes\nTea at five: très bien.\n"
PNG = picture()


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """Files of a request may have 2048 bytes together."""
    data = tmp_path_factory.mktemp("data")
    settings = echo_settings(data=data, models=ECHO_MODELS, max_body_bytes=2048)
    with ServerThread(settings) as running, running.client() as client:
        yield client


def kept(client: OpenAI, raw: bytes, name: str = "notes.md") -> dict[str, Any]:
    """The part for a file that is kept."""
    file = client.files.create(file=(name, raw), purpose="user_data")
    return {"type": "file", "file": {"file_id": file.id}}


def data(raw: bytes, head: str = "data:text/markdown;base64,", **fields: str) -> dict[str, Any]:
    """The part with the bytes of a file."""
    encoded = base64.b64encode(raw).decode()
    return {"type": "file", "file": {"file_data": f"{head}{encoded}", **fields}}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def engine_message(
    client: OpenAI, *parts: dict[str, Any], model: str = "vision-reveal"
) -> dict[str, Any]:
    answer = chat(client, False, model=model, messages=[user(*parts)])
    (message,) = json.loads(answer.only.text)["prompt"]["messages"]
    assert message.pop("role") == "user"
    received: dict[str, Any] = message
    return received


def refused(client: OpenAI, *parts: dict[str, Any], **body: Any) -> tuple[str | None, str | None]:
    with pytest.raises(APIStatusError) as caught:
        chat(client, False, messages=[user(*parts)], **body)
    return caught.value.code, caught.value.param


SHOWN = f'\n<file name="notes.md">\n{NOTES}\n</file>\n'


def test_texts_are_where_their_parts_are(client: OpenAI) -> None:
    file = kept(client, NOTES.encode())
    received = engine_message(client, text("Sum up"), file, text("in a word."), model="reveal")
    assert received == {"content": f"Sum up{SHOWN}in a word."}


@pytest.mark.parametrize("head", ["data:text/markdown;base64,", "data:a/b;charset=x;base64,", ""])
def test_bytes_in_the_request(client: OpenAI, head: str) -> None:
    part = data(NOTES.encode(), head, filename="notes.md")
    assert engine_message(client, part) == {"content": SHOWN}


def test_names(client: OpenAI) -> None:
    for part, name in [
        (data(b"x"), '"file"'),
        (data(b"x", filename='a"b\n.txt'), r'"a\"b\n.txt"'),
        (kept(client, b"x", "naïve 文.py"), '"naïve 文.py"'),
        ({"type": "file", "file": {**kept(client, b"x")["file"], "filename": "b.csv"}}, '"b.csv"'),
    ]:
        assert engine_message(client, part) == {"content": f"\n<file name={name}>\nx\n</file>\n"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(client: OpenAI, encoding: str) -> None:
    assert engine_message(client, kept(client, NOTES.encode(encoding))) == {"content": SHOWN}


@pytest.mark.parametrize("name", ["photo.png", "photo.txt"])
def test_images(client: OpenAI, name: str) -> None:
    """They are known by what they are, and stand where their parts are."""
    image = {"raw": base64.b64encode(PNG).decode(), "media_type": "image/png", "at": 4}
    received = engine_message(client, text("This"), kept(client, PNG, name), text("?"))
    assert received == {"content": "This?", "images": [image]}
    assert engine_message(client, text("This"), data(PNG), text("?")) == received


def test_images_for_models_without_vision(client: OpenAI) -> None:
    part = kept(client, PNG, "photo.png")
    code, param = refused(client, text("x"), part, model="echo")
    assert (code, param) == ("unsupported_value", "messages[0].content[1].type")


def test_files_and_images_are_counted_together(client: OpenAI) -> None:
    url = {"type": "image_url", "image_url": {"url": data_url(PNG)}}
    parts = [*[data(PNG)] * 31, url, data(PNG)]
    code, param = refused(client, *parts, model="vision")
    assert (code, param) == ("invalid_value", "messages[0].content[32].file.file_data")


def test_documents_and_other_encodings(client: OpenAI) -> None:
    for raw, name, content in [
        (
            web.book(),
            "book.epub",
            "第一章\n\n駅に着いたのは夜だった。\n\n第二章\n\n雪が降り始めた。\n",
        ),
        ("Über Größe\n".encode("cp1252"), "a.txt", "Über Größe\n"),
    ]:
        expected = f'\n<file name="{name}">\n{content}\n</file>\n'
        for part in (kept(client, raw, name), data(raw, filename=name)):
            assert engine_message(client, part) == {"content": expected}


@pytest.mark.parametrize(
    "raw", [b"<!DOCTYPE html><p>a &amp; b</p>\r\n", b"<?xml version='1.0'?><a/>"]
)
def test_the_source_of_pages_is_shown(client: OpenAI, raw: bytes) -> None:
    content = f'\n<file name="a.html">\n{raw.decode()}\n</file>\n'
    assert engine_message(client, kept(client, raw, "a.html")) == {"content": content}


@pytest.mark.parametrize(
    ("raw", "code", "reason"),
    [
        (b"%PDF-1.7\nall of it is text", "invalid_value", "may be broken"),
        (b"PK\x03\x04rest", "invalid_value", "cannot be unpacked"),
        (b"{\\rtf1 text}", "unsupported_value", "rtf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "unsupported_value", "before 2007"),
        (b"\x1f\x8b\0\0", "unsupported_value", "neither text"),
        (b"\xff\xfe\x00", "unsupported_value", "neither text"),
        (b"a\0b", "unsupported_value", "neither text"),
    ],
)
def test_files_that_cannot_be_read_are_refused_by_name(
    client: OpenAI, raw: bytes, code: str, reason: str
) -> None:
    with pytest.raises(BadRequestError, match=rf"(?s)report\.xyz.*{reason}"):
        chat(client, False, messages=[user(kept(client, raw, "report.xyz"))])
    at = "messages[0].content[1].file"
    assert refused(client, text("x"), kept(client, raw)) == (code, f"{at}.file_id")
    assert refused(client, text("x"), data(raw)) == (code, f"{at}.file_data")


@pytest.mark.parametrize(
    ("file", "code", "field"),
    [
        ({"file_id": "file-none"}, None, ".file_id"),
        ({"file_id": ""}, None, ".file_id"),
        ({"file_id": "../secret"}, None, ".file_id"),
        ({"file_id": "a", "file_data": "eA=="}, "invalid_value", ".file_data"),
        ({"filename": "a.txt"}, "missing_required_parameter", ".file_id"),
        ({"file_id": 5}, "invalid_type", ".file_id"),
        ({"file_data": "data:text/plain,x"}, "invalid_value", ".file_data"),
        ({"file_data": "data:text/plain;base64,e"}, "invalid_value", ".file_data"),
        ({"file_data": "née"}, "invalid_value", ".file_data"),
        ({"file_url": "http://example.org/a"}, "unknown_parameter", ".file_url"),
        (None, "invalid_type", ""),
    ],
)
def test_what_is_no_file(client: OpenAI, file: object, code: str | None, field: str) -> None:
    part = {"type": "file", "file": file}
    assert refused(client, text("x"), part) == (code, f"messages[0].content[1].file{field}")


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_only_users_have_files(client: OpenAI, role: str) -> None:
    messages = [{"role": role, "content": [data(b"x")]}]
    assert refusal(client, messages=messages) == ("invalid_value", "messages[0]")


def test_files_that_are_too_large(small_server: OpenAI) -> None:
    half, most = (kept(small_server, b"x" * size) for size in (1100, 2048))
    for parts, at in (([half, half], 1), ([data(b"x"), most], 1)):
        code, param = refused(small_server, *parts)
        assert (code, param) == ("request_too_large", f"messages[0].content[{at}].file.file_id")
    assert engine_message(small_server, most)["content"].count("x") == 2048


def test_a_deleted_file(client: OpenAI) -> None:
    part = kept(client, b"x")
    client.files.delete(part["file"]["file_id"])
    assert refused(client, text("x"), part) == (None, "messages[0].content[1].file.file_id")
