"""Images of requests: data URLs, base64, and several at once."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.errors import InvalidRequest
from openedai.media.addresses import HostPolicy
from openedai.media.images import ImageLimits, ImageRef, Images, LoadedImage
from tests.media.host import Silent, answer, host
from tests.media.images import FORMATS, data_url, picture, png

LIMITS = ImageLimits(max_count=4, max_bytes=50_000, max_pixels=10_000, timeout=30)
LOCALHOST = HostPolicy.parse(("127.0.0.1",))


def load_all(*urls: str, **limits: Any) -> list[LoadedImage] | InvalidRequest:
    images = Images(ImageLimits(**{**vars(LIMITS), **limits}), None)
    refs = [ImageRef(url, f"place {number}") for number, url in enumerate(urls)]
    try:
        return asyncio.run(images.load_all(refs))
    except InvalidRequest as error:
        return error


def refused(*urls: str, **limits: Any) -> tuple[str | None, str | None]:
    error = load_all(*urls, **limits)
    assert isinstance(error, InvalidRequest), error
    assert error.status == 400
    return error.code, error.param


@pytest.mark.parametrize(("kind", "media_type"), FORMATS.items())
def test_data_urls(kind: str, media_type: str) -> None:
    """The type is what the file is, not what the URL states."""
    raw = picture(kind=kind)
    for stated in (media_type, "image/png", "image/svg+xml", "IMAGE/x;charset=utf-8"):
        assert load_all(data_url(raw, stated)) == [LoadedImage(raw, media_type)]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("data:image/png,%89PNG", "invalid_image_url"),
        ("data:text/plain;base64,AAAA", "invalid_image_url"),
        ("data:;base64,AAAA", "invalid_image_url"),
        ("data:image/png;base64", "invalid_image_url"),
        ("data:", "invalid_image_url"),
        ("data:image/png;base64,", "empty_image_file"),
        ("data:image/png;base64,AAA", "invalid_base64_image"),
        ("data:image/png;base64,AAAA=", "invalid_base64_image"),
        ("data:image/png;base64,AAAA====", "invalid_base64_image"),
        ("data:image/png;base64,A===", "invalid_base64_image"),
        ("data:image/png;base64,AA==AA==", "invalid_base64_image"),
        ("data:image/png;base64,AA AA", "invalid_base64_image"),
        ("data:image/png;base64,AA\nAA", "invalid_base64_image"),
        ("data:image/png;base64,AA-_", "invalid_base64_image"),
        ("data:image/png;base64,ÄÄÄÄ", "invalid_base64_image"),
        ("data:image/png;base64,AAAA", "invalid_image_format"),
        (data_url(picture())[:-40], "image_parse_error"),
        ("https://example.com/a.png", "invalid_image_url"),
        ("", "invalid_image_url"),
    ],
)
def test_invalid_images(url: str, code: str) -> None:
    assert refused(data_url(picture()), url) == (code, "place 1")


@given(st.text(max_size=40), st.sampled_from(["", "data:", "data:image/png;base64,", "http://"]))
def test_any_text_is_an_image_or_refused(text: str, start: str) -> None:
    code, param = refused(start + text)
    assert code
    assert param == "place 0"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_image_or_refused(raw: bytes) -> None:
    code, _ = refused(data_url(raw))
    assert code in ("empty_image_file", "invalid_image_format", "image_parse_error")


def test_limits_are_for_all_together() -> None:
    url = data_url(picture(70, 70))
    assert refused(url, url, url) == ("image_too_large", "place 2")
    assert isinstance(load_all(url, url), list)
    size = len(picture())
    small = data_url(picture())
    assert isinstance(load_all(small, small, max_bytes=2 * size), list)
    code, _ = refused(small, small, max_bytes=2 * size - 1)
    assert code == "image_file_too_large"
    assert refused(*[small] * 5) == ("invalid_value", "place 4")


def test_too_many_pixels_in_the_header() -> None:
    huge = png(40_000, 25_000, zlib.compress(bytes(1000)))
    assert refused(data_url(huge)) == ("image_too_large", "place 0")


def test_one_failure_cancels_the_others() -> None:
    async def go() -> None:
        silent = Silent()

        async with host({"/slow": silent, "/a": answer(picture())}) as server:
            images = Images(LIMITS, LOCALHOST)
            refs = [ImageRef(f"{server.url}{path}", path) for path in ("/slow", "/a", "/gone")]
            with pytest.raises(InvalidRequest) as caught:
                await images.load_all(refs)
            assert (caught.value.code, caught.value.param) == ("invalid_image_url", "/gone")
            await silent.disconnected.wait()
            images.close()

    asyncio.run(go())


def test_cancelling_ends_all_fetches() -> None:
    async def go() -> None:
        ends = {f"/{number}": Silent() for number in range(4)}
        async with host(ends) as server:
            images = Images(LIMITS, LOCALHOST)
            refs = [ImageRef(f"{server.url}{path}", path) for path in ends]
            task = asyncio.ensure_future(images.load_all(refs))
            for end in ends.values():
                await end.requested.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for end in ends.values():
                await end.disconnected.wait()
            images.close()

    asyncio.run(go())


def test_the_order_is_kept() -> None:
    async def go() -> None:
        files = [picture(number + 1, 9) for number in range(4)]
        behaviours = {f"/{number}": answer(file) for number, file in enumerate(files)}
        async with host(behaviours) as server:
            images = Images(LIMITS, LOCALHOST)
            urls = [f"{server.url}/0", data_url(files[1]), f"{server.url}/2", f"{server.url}/3"]
            found = await images.load_all([ImageRef(url, url) for url in urls])
            assert [one.raw for one in found] == files
            (alone,) = await images.load_all([ImageRef(f"{server.url}/3", "x")])
            assert alone == found[3]
            images.close()

    asyncio.run(go())
