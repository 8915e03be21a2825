"""The console's files, which anyone may read because they contain no data.

What they show comes from the API, with the key that is typed into the console.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route as Page

from openedai.errors import NotFound

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing from other origins, no inline code, no page in a frame, and no text that becomes markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
    "cache-control": "no-cache",  # asked for again each time, but sent only if it has changed
}


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    tag: str


def console_pages() -> tuple[Page, ...]:
    """The console's page and its files."""
    return (
        Page("/console", _to_folder),
        page("/console/", "index.html"),
        Page("/console/static/{name:path}", _static),
    )


def page(path: str, name: str) -> Page:
    """A URL that serves one of the files."""
    return Page(path, partial(_serve, name=name), name=name)


async def _to_folder(request: Request) -> Response:
    """The addresses in the page are relative, so that it works below any path of a proxy."""
    return RedirectResponse("console/", headers=_HEADERS)


async def _static(request: Request) -> Response:
    return await _serve(request, request.path_params["name"])


async def _serve(request: Request, name: str) -> Response:
    file = await asyncio.to_thread(_read, name)
    if file is None:
        raise NotFound(f"Invalid URL (GET {request.scope['path']})")
    headers = {**_HEADERS, "etag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


def _read(name: str) -> _File | None:
    """One of the files below the folder; None if there is no file with this name."""
    files = {file.relative_to(_FOLDER).as_posix(): file for file in _FOLDER.rglob("*.*")}
    path = files.get(name)
    media_type = None if path is None else _TYPES.get(path.suffix)
    if path is None or media_type is None:
        return None
    content = path.read_bytes()
    return _File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
