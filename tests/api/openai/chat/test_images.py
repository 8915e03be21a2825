"""Images in conversations, with the official client: their positions, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import pytest
from openai import OpenAI

from openedai.config import ModelSpec
from tests.api.answers import chat, refusal
from tests.media.images import BLUE, data_url, picture
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings

RED_PNG, BLUE_JPEG = picture(), picture(9, 5, BLUE, kind="JPEG")


class Album(BaseHTTPRequestHandler):
    """`/slow` keeps its client waiting until it leaves."""

    server: ThreadingHTTPServer
    requested = threading.Event()
    left = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            Album.requested.set()
            self.rfile.read(1)
            Album.left.set()
            return
        self.send_response(200 if self.path == "/blue.jpg" else 404)
        self.end_headers()
        self.wfile.write(BLUE_JPEG)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def album() -> Iterator[str]:
    Album.requested.clear()
    Album.left.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Album) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def fetching_server() -> Iterator[Running]:
    """A server that may fetch from this machine."""
    hosted = ModelSpec(
        id="vision-hosted", engine="echo", options={"vision": True, "reveal": True, "worker": True}
    )
    settings = echo_settings(
        models=(*ECHO_MODELS, hosted), image_private_hosts=["127.0.0.0/8"], image_max_count=3
    )
    with ServerThread(settings) as running:
        yield running


def image(url: str, **fields: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def text(result: str) -> dict[str, Any]:
    return {"type": "text", "text": result}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def engine_messages(client: OpenAI, *messages: dict[str, Any], model: str) -> list[dict[str, Any]]:
    answer = chat(client, False, model=model, messages=list(messages))
    received: list[dict[str, Any]] = json.loads(answer.only.text)["prompt"]["messages"]
    return received


def engine_image(raw: bytes, media_type: str, at: int, **fields: str) -> dict[str, Any]:
    encoded = base64.b64encode(raw).decode()
    return {"raw": encoded, "media_type": media_type, "at": at, **fields}


@pytest.mark.parametrize("model", ["vision-reveal", "vision-hosted"])
def test_images_and_their_positions(fetching_server: Running, album: str, model: str) -> None:
    with fetching_server.client() as client:
        received = engine_messages(
            client,
            user(image(data_url(RED_PNG), detail="high")),
            {"role": "assistant", "content": "Red."},
            user(
                text("And thís "),
                image(f"{album}/blue.jpg", detail="auto"),
                image(data_url(RED_PNG, "image/gif")),
                text("?"),
            ),
            model=model,
        )
    assert received == [
        {"role": "user", "images": [engine_image(RED_PNG, "image/png", 0, detail="high")]},
        {"role": "assistant", "content": "Red."},
        {
            "role": "user",
            "content": "And thís ?",
            "images": [
                engine_image(BLUE_JPEG, "image/jpeg", 9),
                engine_image(RED_PNG, "image/png", 9),
            ],
        },
    ]


def test_the_url_itself_is_an_image_too(client: OpenAI) -> None:
    """As clients of Ollama and vLLM send it."""
    short = {"type": "image_url", "image_url": data_url(RED_PNG)}
    received = engine_messages(client, user(short), model="vision-reveal")
    assert received == [{"role": "user", "images": [engine_image(RED_PNG, "image/png", 0)]}]


@pytest.mark.parametrize("stream", [False, True])
def test_images_are_counted(client: OpenAI, stream: bool) -> None:
    parts = [text("one two"), *[image(data_url(RED_PNG))] * 2]
    answer = chat(client, stream, model="vision", messages=[user(*parts)])
    assert answer.only.text == "one two"
    assert answer.usage.prompt_tokens == 1 + 2 + 2 * 7


def test_every_choice_gets_the_images(client: OpenAI) -> None:
    body: Any = {"messages": [user(image(data_url(RED_PNG)))], "n": 2}
    answer = chat(client, False, model="vision-reveal", **body)
    for choice in answer.choices:
        (message,) = json.loads(choice.text)["prompt"]["messages"]
        assert len(message["images"]) == 1


def test_images_that_do_not_fit_the_context(client: OpenAI) -> None:
    parts = [text("word " * 4085), image(data_url(RED_PNG)), image(data_url(RED_PNG))]
    code = refusal(client, model="vision", messages=[user(*parts)])
    assert code == ("context_length_exceeded", "messages")


@pytest.mark.parametrize("model", ["echo", "hosted"])
def test_a_model_that_does_not_support_images(
    fetching_server: Running, album: str, model: str
) -> None:
    """It is refused before anything is fetched."""
    with fetching_server.client() as client:
        body: Any = {"messages": [user(text("?"), image(f"{album}/slow"))], "model": model}
        code = refusal(client, **body)
    assert code == ("unsupported_value", "messages[0].content[1].type")
    assert not Album.requested.is_set()


@pytest.mark.parametrize("role", ["system", "developer", "assistant", "tool", "function"])
def test_only_user_messages_may_have_images(client: OpenAI, role: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {
        "role": role,
        "content": [image(data_url(RED_PNG))],
        "tool_call_id": "c",
        "name": "f",
    }
    if role != "tool":
        del message["tool_call_id"]
    before = {"role": "assistant", "tool_calls": [call]}
    code = refusal(client, model="vision", messages=[before, message])
    assert code == ("invalid_value", "messages[1]")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("data:image/png;base64,iVBORw0KGgo", "invalid_base64_image"),
        (data_url(b"hello"), "invalid_image_format"),
        (data_url(b""), "empty_image_file"),
        (data_url(RED_PNG[:50]), "image_parse_error"),
        (data_url(picture(300, 1)), "invalid_image"),
        (base64.b64encode(RED_PNG).decode(), "invalid_image_url"),
        ("http://127.0.0.1:{port}/a.png", "invalid_image_url"),
        ("http://localhost:{port}/a.png", "invalid_image_url"),
        ("http://169.254.169.254/latest/meta-data/", "invalid_image_url"),
        ("file:///etc/passwd", "invalid_image_url"),
        ("", "invalid_image_url"),
    ],
)
def test_bad_images(client: OpenAI, album: str, url: str, code: str) -> None:
    """Also from this machine, which is not an allowed host."""
    port = album.rpartition(":")[2]
    parts = [text("?"), image(data_url(RED_PNG)), image(url.replace("{port}", port))]
    received = refusal(client, model="vision", messages=[user(*parts)])
    assert received == (code, "messages[0].content[2].image_url.url")


def test_an_image_that_its_host_does_not_have(fetching_server: Running, album: str) -> None:
    with fetching_server.client() as client:
        code = refusal(client, model="vision", messages=[user(image(f"{album}/gone"))])
        assert code == ("invalid_image_url", "messages[0].content[0].image_url.url")


def test_too_many_images(fetching_server: Running) -> None:
    with fetching_server.client() as client:
        code = refusal(client, model="vision", messages=[user(*[image(data_url(RED_PNG))] * 4)])
        assert code == ("invalid_value", "messages[0].content[3].image_url.url")


@pytest.mark.parametrize("settings", [{"offline": True}, {"image_urls": False}])
def test_a_server_that_may_not_fetch(album: str, settings: dict[str, Any]) -> None:
    allowed: Any = {"image_private_hosts": ["127.0.0.1"], **settings}
    with ServerThread(echo_settings(**allowed)) as running, running.client() as client:
        code = refusal(client, model="vision", messages=[user(image(f"{album}/blue.jpg"))])
        assert code == ("invalid_image_url", "messages[0].content[0].image_url.url")
        assert chat(client, False, model="vision", messages=[user(image(data_url(RED_PNG)))])


def test_a_client_that_leaves_ends_the_fetch(fetching_server: Running, album: str) -> None:
    async def go() -> None:
        body = {"model": "vision", "messages": [user(image(f"{album}/slow"))]}
        async with aiohttp.ClientSession() as session:
            request = asyncio.ensure_future(
                session.post(f"{fetching_server.url}/v1/chat/completions", json=body)
            )
            assert await asyncio.to_thread(Album.requested.wait, 30)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
        assert await asyncio.to_thread(Album.left.wait, 30)

    asyncio.run(go())


def test_predictions_have_no_images(client: OpenAI) -> None:
    prediction = {"type": "content", "content": [image(data_url(RED_PNG))]}
    code = refusal(client, prediction=prediction)
    assert code == ("invalid_value", "prediction.content[0].type")
