"""The URLs of made images: who can open them, for how long, and what they look like."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from openedai.config import ConfigError, ModelSpec, Settings
from tests.api.openai.images.answers import post, refusal
from tests.images.files import pixels_of
from tests.support import Running, ServerThread, echo_settings, fetch, occupancy, wait_until

NAME = re.compile(r"(?P<base>.*)/v1/images/files/(?P<secret>[\w-]{32})-\d{10}\.(?P<format>\w+)")
BODY = {"model": "dall-e-3", "prompt": "a red circle", "size": "32x16"}


def url_of(server: Running, **body: Any) -> str:
    status, answer = post(server, "generations", {**BODY, **body})
    assert status == 200, answer
    url: str = answer["data"][0]["url"]
    assert NAME.fullmatch(url)
    return url


def stored(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "images").glob("*"))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_url_is_an_image(echo_server: Running, format: str) -> None:
    url = url_of(echo_server, output_format=format)
    assert url.startswith(echo_server.url)
    answer = fetch(url)
    image = pixels_of(answer.body)
    assert (answer.status, image.size, image.format) == (200, (32, 16), format.upper())
    assert answer.headers["content-type"] == f"image/{format}"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(len(answer.body))
    age = re.fullmatch(r"private, max-age=(\d+), immutable", answer.headers["cache-control"])
    assert age
    assert 3500 < int(age[1]) <= 3601
    head = fetch(url, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("range", ["bytes=0-1", "bytes=x", "bytes=5-1", "bytes=99999-", "x=1-2"])
def test_an_image_is_always_whole(echo_server: Running, range: str) -> None:
    url = url_of(echo_server)
    answer = fetch(url, headers={"range": range})
    assert (answer.status, answer.body) == (200, fetch(url).body)


def test_each_image_has_its_own_url(echo_server: Running) -> None:
    status, answer = post(echo_server, "generations", {**BODY, "n": 10})
    assert status == 200
    urls = {one["url"] for one in answer["data"]}
    assert len(urls) == 10
    assert len({fetch(url).body for url in urls}) == 10


def test_the_host_of_the_request(echo_server: Running) -> None:
    answer = fetch(
        f"{echo_server.url}/v1/images/generations",
        "POST",
        json=BODY,
        headers={"Host": "localhost:1234", "X-Forwarded-Proto": "https"},
    )
    (image,) = json.loads(answer.body)["data"]
    assert image["url"].startswith("https://localhost:1234/v1/images/files/")


@pytest.mark.parametrize(
    "public_url", ["https://ai.example.org/llm", "https://ai.example.org/llm/"]
)
def test_behind_a_proxy(tmp_path: Path, public_url: str) -> None:
    with ServerThread(echo_settings(data=tmp_path, public_url=public_url)) as running:
        url = url_of(running)
        assert url.startswith("https://ai.example.org/llm/v1/images/files/")
        local = url.replace("https://ai.example.org/llm", running.url)
        assert fetch(local, headers={"Host": "ai.example.org"}).status == 200
        assert fetch(local, headers={"Host": "other.example.org"}).status == 403


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "http://", "http://a/?b"])
def test_public_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError):
        Settings(_env_file=None, public_url=url)


def test_no_key_is_needed_for_the_url(tmp_path: Path) -> None:
    settings = echo_settings(data=tmp_path, api_key="secret")
    with ServerThread(settings) as running:
        answer = fetch(
            f"{running.url}/v1/images/generations",
            "POST",
            json=BODY,
            headers={"Authorization": "Bearer secret"},
        )
        (image,) = json.loads(answer.body)["data"]
        assert fetch(image["url"]).status == 200
        assert fetch(f"{running.url}/v1/images/files/x").status == 404
        assert fetch(f"{running.url}/v1/images/generations", "POST", json=BODY).status == 401
        for path in ("/v1/images/files/../../models", "/v1/images/files/..%2f..%2fmodels"):
            assert fetch(f"{running.url}{path}").status in (401, 404)


def test_a_restart_keeps_them(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path)) as running:
        path = url_of(running).removeprefix(running.url)
        before = fetch(f"{running.url}{path}").body
    with ServerThread(echo_settings(data=tmp_path)) as running:
        assert fetch(f"{running.url}{path}").body == before


def expired(data: Path, letter: str) -> str:
    """The name of a new file that has expired."""
    name = f"{letter * 32}-{int(time.time())}.png"
    (data / "images").mkdir(exist_ok=True)
    (data / "images" / name).write_bytes(b"x")
    return name


def test_expired_ones_are_gone(tmp_path: Path) -> None:
    expired(tmp_path, "a")
    with ServerThread(echo_settings(data=tmp_path)) as running:
        assert stored(tmp_path) == []
        name = expired(tmp_path, "b")
        answer = fetch(f"{running.url}/v1/images/files/{name}")
        assert refusal(answer.status, json.loads(answer.body)) == (404, None, None)
        assert b"expired" in answer.body
        url = url_of(running)
        assert stored(tmp_path) == [url.rpartition("/")[2]]


@pytest.mark.parametrize("name", ["x", "a.png", "%2e%2e", "a" * 32 + "-9999999999.png", "a" * 3000])
def test_names_that_are_no_images(echo_server: Running, name: str) -> None:
    answer = fetch(f"{echo_server.url}/v1/images/files/{name}")
    assert refusal(answer.status, json.loads(answer.body)) == (404, None, None)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with ServerThread(echo_settings(data=tmp_path)) as running:
        url_of(running)
        before = stored(tmp_path)
        monkeypatch.setattr(Path, "write_bytes", write)
        status, answer = post(running, "generations", {**BODY, "n": 3})
        assert refusal(status, answer) == (503, None, None)
        assert "space" in answer["error"]["message"]
        assert stored(tmp_path) == before
        monkeypatch.undo()
        assert url_of(running)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with ServerThread(echo_settings(data=file)) as running:
        status, answer = post(running, "generations", BODY)
        assert refusal(status, answer) == (500, None, None)
        assert "could not store" in answer["error"]["message"]
        assert post(running, "generations", {**BODY, "response_format": "b64_json"})[0] == 200


def test_a_failure_leaves_no_files(tmp_path: Path) -> None:
    models = (ModelSpec(id="echo", engine="echo", options={"fail_after": 2}),)
    with ServerThread(echo_settings(data=tmp_path, models=models)) as running:
        assert post(running, "generations", {**BODY, "n": 4})[0] == 500
        assert stored(tmp_path) == []


def test_a_client_that_leaves(tmp_path: Path) -> None:
    """It ends the work, and leaves no files and no slots in use."""
    options = {"delay": 0.05, "slots": 1}
    models = (ModelSpec(id="echo", engine="echo", options=options),)

    async def leave(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            request = asyncio.ensure_future(session.post(url, json={**BODY, "n": 10}))
            await asyncio.to_thread(wait_until, lambda: len(stored(tmp_path)) >= 2)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request

    with ServerThread(echo_settings(data=tmp_path, models=models)) as running:
        asyncio.run(leave(f"{running.url}/v1/images/generations"))
        wait_until(lambda: occupancy(running, "echo") == (0, 0))
        wait_until(lambda: stored(tmp_path) == [])
        assert url_of(running)
