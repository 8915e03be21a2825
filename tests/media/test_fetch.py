"""Fetching from a host on this machine, which is refused unless it is allowed."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from openedai.images.bad_image import BadImage
from openedai.media.addresses import HostPolicy
from openedai.media.budget import Budget
from openedai.media.fetch import Fetcher
from openedai.media.hosts import Lookup, resolve_host
from tests.media.host import Behaviour, Endless, Host, Silent, answer, host, redirect
from tests.media.images import picture

IMAGE = picture()
LOCALHOST = ("127.0.0.1/32",)
OPEN_END = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"


@asynccontextmanager
async def fetching(
    allowed: Iterable[str] = LOCALHOST, timeout: float = 30, lookup: Lookup = resolve_host
) -> AsyncIterator[Callable[[str], Coroutine[Any, Any, bytes]]]:
    fetcher = Fetcher(HostPolicy.parse(allowed), timeout, lookup)
    try:
        yield lambda url: fetcher.fetch(url, Budget(100_000, 1))
    finally:
        fetcher.close()


def fetched(
    path: str, behaviours: Mapping[str, Behaviour], **options: Any
) -> tuple[bytes | BadImage, list[str]]:
    """The result for this path, and the heads of the requests to the host."""

    async def go() -> tuple[bytes | BadImage, list[str]]:
        async with host(behaviours) as server, fetching(**options) as fetch:
            try:
                return await fetch(path.format(url=server.url, port=server.port)), server.requests
            except BadImage as error:
                return error, server.requests

    return asyncio.run(go())


def refused(path: str, behaviours: Mapping[str, Behaviour], **options: Any) -> BadImage:
    error, _ = fetched(path, behaviours, **options)
    assert isinstance(error, BadImage), error
    return error


def test_fetch() -> None:
    raw, requests = fetched("{url}/a.png?x=1#part", {"/a.png?x=1": answer(IMAGE)})
    assert raw == IMAGE
    (head,) = requests
    assert "Accept-Encoding: identity" in head
    assert "Cookie" not in head


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects(status: int) -> None:
    behaviours = {
        "/a": redirect("/b", status),
        "/b": redirect("http://127.0.0.1:{port}/c", status),
        "/c": answer(IMAGE),
    }
    raw, requests = fetched("{url}/a", behaviours)
    assert raw == IMAGE
    assert len(requests) == 3


@pytest.mark.parametrize(
    "target",
    [
        *("http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest/meta-data/"),
        *("http://localhost:{port}/b", "http://127.1:{port}/b", "//2130706433:{port}/b"),
        *("ftp://127.0.0.1/b", "file:///etc/passwd", "data:image/png;base64,AA=="),
        *("http://user@127.0.0.1:{port}/b", "http://127.0.0.1:22/", "http://[/"),
    ],
)
def test_redirects_to_forbidden_urls(target: str) -> None:
    behaviours = {"/a": redirect(target), "/b": answer(IMAGE)}
    error, requests = fetched(
        "{url}/a", behaviours, allowed=["127.0.0.1/32"], lookup=other_loopback_address
    )
    assert isinstance(error, BadImage)
    assert error.code == "invalid_image_url"
    assert len(requests) == 1


def other_loopback_address(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.2"]


def test_redirects_without_end() -> None:
    error, requests = fetched("{url}/a", {"/a": redirect("/a")})
    assert "redirected" in str(error)
    assert len(requests) == 6


def test_a_private_host_names_the_setting() -> None:
    error, _ = fetched("http://127.0.0.1:{port}/a", {"/a": answer(IMAGE)}, allowed=())
    assert "`image_private_hosts` can allow it" in str(error)


@pytest.mark.parametrize(
    "name",
    [
        *("127.0.0.1", "localhost", "LOCALHOST.", "127.1", "2130706433", "0177.0.0.1"),
        *("0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]"),
        *("127.0.0.1.", "①②⑦.0.0.1", "%31%32%37.0.0.1", "[64:ff9b::7f00:1]", "[fe80::1%25lo]"),
    ],
)
def test_this_machine_is_private(name: str) -> None:
    """In every notation: no request is sent."""
    error, requests = fetched(f"http://{name}:{{port}}/a", {"/a": answer(IMAGE)}, allowed=())
    assert isinstance(error, BadImage)
    assert error.code == "invalid_image_url"
    assert requests == []


@pytest.mark.parametrize(
    "url",
    [
        *("", "a.png", "/a.png", "ftp://example.com/a", "file:///etc/passwd", "javascript:1"),
        *("http://", "http:///a", "http://a:b@example.com/", "http://a@example.com/"),
        *("http://example.com:99999/", "http://example.com:x/", "http://example.com:25/"),
        *(
            "http://[::1/",
            "http://exa mple.com/",
            "http://" + "a" * 9000,
            "\x00http://a/",
            "http://a\r\nb/",
        ),
    ],
)
def test_invalid_urls(url: str) -> None:
    error = refused(url, {}, lookup=other_loopback_address)
    assert error.code == "invalid_image_url"


def test_a_host_is_resolved_once_and_connected_by_address() -> None:
    """DNS rebinding: a later lookup with another answer has no effect."""
    asked: list[str] = []

    def turning(name: str, port: int) -> Sequence[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    behaviours = {"/a": answer(IMAGE), "/again": redirect("http://images.test:{port}/a")}
    raw, requests = fetched("http://images.test:{port}/a", behaviours, lookup=turning)
    assert raw == IMAGE
    assert asked == ["images.test"]
    assert "Host: images.test:" in requests[0]

    asked.clear()
    error, requests = fetched("http://images.test:{port}/again", behaviours, lookup=turning)
    assert isinstance(error, BadImage)
    assert (len(asked), len(requests)) == (2, 1)


@pytest.mark.parametrize("private", ["10.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1"])
def test_a_private_address_among_others(private: str) -> None:
    for found in ([private, "127.0.0.1"], ["127.0.0.1", private]):
        behaviours = {"/a": answer(IMAGE)}
        error, requests = fetched("http://x:{port}/a", behaviours, lookup=lambda *_, f=found: f)
        assert isinstance(error, BadImage)
        assert requests == []


def test_addresses_are_tried_one_after_the_other() -> None:
    raw, _ = fetched(
        "http://x:{port}/a",
        {"/a": answer(IMAGE)},
        allowed=["127.0.0.0/8"],
        lookup=lambda *_: ["127.0.0.9", "127.0.0.1"],
    )
    assert raw == IMAGE


def test_names_that_lead_nowhere() -> None:
    def unknown(name: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    assert "not known" in str(refused("http://x/", {}, lookup=unknown))
    assert "reached" in str(refused("http://x/", {}, lookup=lambda *_: []))


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    raw, _ = fetched("{url}/a", {"/a": answer(IMAGE)})
    assert raw == IMAGE


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (answer(b"", status="404 Not Found"), "invalid_image_url"),
        (answer(IMAGE, status="206 Partial"), "invalid_image_url"),
        (answer(b"", status="302 Found"), "invalid_image_url"),
        (answer(b"<html>" + b" " * 90), "invalid_image_format"),
        (answer(gzip.compress(IMAGE), "Content-Encoding: gzip"), "invalid_image_url"),
        (answer(IMAGE, length=len(IMAGE) + 9), "invalid_image_url"),
        (answer(IMAGE, length=10**12), "image_file_too_large"),
        (answer(IMAGE + bytes(100_000)), "image_file_too_large"),
        (Endless(OPEN_END, IMAGE), "image_file_too_large"),
        (Endless(OPEN_END, b"no image at all "), "invalid_image_format"),
        (Endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 9000), "invalid_image_url"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "invalid_image_url"),
        (b"", "invalid_image_url"),
    ],
)
def test_faulty_answers(behaviour: Behaviour, code: str) -> None:
    assert refused("{url}/a", {"/a": behaviour}).code == code


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200", OPEN_END, OPEN_END + IMAGE[:40]])
def test_hosts_that_stop_answering(head: bytes) -> None:
    error = refused("{url}/a", {"/a": Silent(head)}, timeout=0.2)
    assert error.code == "invalid_image_url"
    assert "longer than 0.2 seconds" in str(error)


def test_cancelling_closes_the_connection() -> None:
    async def go() -> None:
        silent = Silent(OPEN_END)
        async with host({"/a": silent}) as server, fetching() as fetch:
            task = asyncio.ensure_future(fetch(f"{server.url}/a"))
            await silent.requested.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await silent.disconnected.wait()

    asyncio.run(go())


def test_concurrent_fetches() -> None:
    async def go() -> None:
        behaviours = {f"/{number}": answer(picture(number + 1, 9)) for number in range(20)}
        async with host(behaviours) as server, fetching() as fetch:
            found = await asyncio.gather(*(fetch(server.url + path) for path in behaviours))
            assert found == [picture(number + 1, 9) for number in range(20)]

    asyncio.run(go())


def test_the_host_header() -> None:
    async def called(server: Host, name: str) -> str:
        async with fetching(lookup=lambda *_: ["127.0.0.1"]) as fetch:
            await fetch(f"http://{name}:{server.port}/a")
        return server.requests[-1].partition("Host: ")[2].partition(":")[0]

    async def go() -> None:
        async with host({"/a": answer(IMAGE)}) as server:
            assert await called(server, "bücher.test") == "xn--bcher-kva.test"
            assert await called(server, "IMAGES.test") == "images.test"

    asyncio.run(go())


def test_ipv6() -> None:
    async def go() -> None:
        async with host({"/a": answer(IMAGE)}, "::1") as server, fetching(["::1"]) as fetch:
            assert await fetch(f"http://[::1]:{server.port}/a") == IMAGE
            assert f"Host: [::1]:{server.port}\r\n" in server.requests[0]

    try:
        asyncio.run(go())
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


def test_certificates_are_checked_for_the_name(tmp_path: Path) -> None:
    """Though the connection is to an address. This certificate is self-signed."""
    tls = own_certificate(tmp_path, "images.test")
    named: list[str | None] = []
    tls.sni_callback = lambda _, name, __: named.append(name)

    async def go() -> None:
        allowed = fetching(lookup=lambda *_: ["127.0.0.1"])
        async with host({"/a": answer(IMAGE)}, tls=tls) as server, allowed as fetch:
            with pytest.raises(BadImage, match="cannot be reached"):
                await fetch(f"https://images.test:{server.port}/a")
            assert (named, server.requests) == (["images.test"], [])

    asyncio.run(go())


def own_certificate(folder: Path, name: str) -> ssl.SSLContext:
    program = shutil.which("openssl") or pytest.skip("there is no openssl on this machine")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name}".split()
    subprocess.run(
        [program, *words, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
