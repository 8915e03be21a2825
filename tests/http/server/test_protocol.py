"""What the socket sends, byte by byte: trailers, versions of HTTP, what is not the body."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.support import Running, ServerThread, echo_settings, fetch, raw_request, wait_until

BODY = b'{"model": "echo", "prompt": "hi", "max_tokens": 3}'
STREAMED = BODY[:-1] + b', "stream": true}'


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    settings = echo_settings(
        max_header_bytes=2000, receive_timeout=5, max_body_bytes=1 << 20, body_memory=4 << 20
    )
    with ServerThread(settings) as running:
        yield running


def post(*lines: str, version: str = "1.1", host: str = "host: localhost") -> bytes:
    head = [f"POST /v1/completions HTTP/{version}", host, "content-type: application/json", *lines]
    return "\r\n".join([*filter(None, head), "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED = "transfer-encoding: chunked"


def test_trailers_are_no_headers(server: Running) -> None:
    head = post(CHUNKED, "connection: close")
    good = raw_request(server.port, head + chunk(BODY) + b"0\r\nhost: evil.example\r\n\r\n")
    assert good.startswith(b"HTTP/1.1 200 ")
    head = post(CHUNKED, "connection: close", host="")
    bad = raw_request(server.port, head + chunk(BODY) + b"0\r\nhost: localhost\r\n\r\n")
    assert bad.startswith(b"HTTP/1.1 403 ")


ENDLESS = {
    "trailers": b"0\r\n" + b"x-y: z\r\n" * 500_000,
    "a trailer": b"0\r\nx: " + b"y" * 5_000_000,
    "a chunk extension": b"1;" + b"y" * 5_000_000,
    "zeros of a size": b"0" * 5_000_000,
}


def send_endlessly(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)
        data = b"y" * 1_000_000


@pytest.mark.parametrize("rest", ENDLESS.values(), ids=ENDLESS)
def test_endless_framing_ends_the_connection(server: Running, rest: bytes) -> None:
    with ExitStack() as stack:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        stack.enter_context(connection)
        connection.sendall(post(CHUNKED) + chunk(BODY))
        with pytest.raises(ConnectionError):
            send_endlessly(connection, rest)
    assert fetch(f"{server.url}/health").status == 200


def test_endless_trailers_are_named_in_the_error(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(post(CHUNKED) + b"1\r\n{\r\n0\r\n")
        while not select.select([connection], [], [], 0.01)[0]:
            connection.sendall(b"x: y\r\n" * 50)
        answer = connection.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "headers_too_large"


def test_an_answer_is_never_followed_by_another_one(server: Running) -> None:
    """The key is refused before the body has come, which then is too long in its framing."""
    head = post(CHUNKED, host="host: evil.example")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head + b"0\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 403 ")
        while not select.select([connection], [], [], 0.01)[0]:
            connection.sendall(b"x: y\r\n" * 50)
        with suppress(ConnectionResetError):
            assert connection.recv(1 << 16) == b""


TOO_LONG = "content-length: 2000000"
UNFINISHED = {
    "a large body": (413, post(TOO_LONG, "connection: close")),
    "a large body of HTTP/1.0": (413, post(TOO_LONG, version="1.0")),
    "another host": (403, post(TOO_LONG, "connection: close", host="host: evil.example")),
    "no HTTP": (400, b"x" * 100 + b"\r\n\r\n"),
    "no size of a chunk": (400, post(CHUNKED) + b"zz\r\n"),
    "large headers": (431, b"GET / HTTP/1.1\r\nx: " + b"y" * 5000),
}


@pytest.mark.parametrize(("status", "request_"), UNFINISHED.values(), ids=UNFINISHED)
def test_a_refused_client_may_go_on_sending(server: Running, status: int, request_: bytes) -> None:
    """A reset could take the answer away from it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request_)
        answer = b""
        while data := connection.recv(1 << 16):
            answer += data
        for _ in range(20):
            connection.sendall(b"x" * 10_000)
            assert connection.recv(1) == b""
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


def test_a_refused_client_may_not_go_on_for_ever(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(post(TOO_LONG, "connection: close"))

        def is_closed() -> bool:
            try:
                connection.sendall(b"x")
            except ConnectionError:
                return True
            return False

        wait_until(is_closed)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("body", [BODY, STREAMED])
def test_only_clients_of_http_1_1_get_chunks(server: Running, version: str, body: bytes) -> None:
    head = post(f"content-length: {len(body)}", "connection: close", version=version)
    answer = raw_request(server.port, head + body)
    headers, _, rest = answer.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 200 ")
    chunked = body == STREAMED and version == "1.1"
    assert (b"transfer-encoding: chunked" in headers) == chunked
    assert b"connection: close" in headers
    if body == BODY:
        assert json.loads(rest)["choices"]
    elif not chunked:
        events = [line for line in rest.split(b"\n\n") if line]
        assert all(event.startswith(b"data: ") for event in events)
        assert events[-1] == b"data: [DONE]"


def test_an_upgrade_to_another_protocol_is_not_taken(server: Running) -> None:
    """Java's client asks for HTTP/2 with its first request."""
    upgrade = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk")
    head = post(f"content-length: {len(BODY)}", *upgrade)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(head + BODY)
            answer = connection.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"text_completion" in answer


def test_this_server_is_no_proxy(server: Running) -> None:
    answer = raw_request(server.port, b"CONNECT example.org:443 HTTP/1.1\r\nhost: a\r\n\r\nx")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"no proxy" in answer


def test_unfinished_bodies_share_the_memory(server: Running) -> None:
    head = post("content-length: 1000000")
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            for _ in range(8)
        ]
        for connection in connections:
            connection.sendall(head + b" " * 900_000)
        refused, _, _ = select.select(connections, [], [], 10)
        answer = refused[0].recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer
        small = post(f"content-length: {len(BODY)}", "connection: close") + BODY
        assert raw_request(server.port, small).startswith(b"HTTP/1.1 200 ")

    def is_free() -> bool:
        whole = BODY + b" " * 900_000
        large = post(f"content-length: {len(whole)}", "connection: close") + whole
        return raw_request(server.port, large).startswith(b"HTTP/1.1 200 ")

    wait_until(is_free)
