"""The URLs of generated images, and the files behind them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from openedai.http.public_address import PublicAddress
from openedai.images.decode import ImageFile
from openedai.serving.images.store import ImageStore

_PATH = "/v1/images/files"


class ImageFiles:
    def __init__(self, store: ImageStore, public: PublicAddress) -> None:
        self._store = store
        self._public = public

    def links(self, request: Request) -> ImageLinks:
        return ImageLinks(self._store, f"{self._public.base(request)}{_PATH}")

    async def read(self, request: Request) -> Response:
        path, media_type, remaining = self._store.find(request.path_params["name"])
        headers = {
            "cache-control": f"private, max-age={remaining}, immutable",
            "content-disposition": "inline",
            "accept-ranges": "none",
            "x-content-type-options": "nosniff",
        }
        return _WholeFile(path, headers=headers, media_type=media_type)


class _WholeFile(FileResponse):
    """Ignores the header Range, whose errors would not be the API's."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in scope["headers"] if pair[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


class ImageLinks:
    """The URLs of the images of one answer."""

    def __init__(self, store: ImageStore, base: str) -> None:
        self._store = store
        self._base = base
        self._names: list[str] = []

    async def add(self, image: ImageFile) -> str:
        """Store an image and return its URL. Raises as `ImageStore.save` does."""
        name = await self._store.save(image)
        self._names.append(name)
        return f"{self._base}/{name}"

    def discard(self) -> None:
        """Delete the images: there will be no answer. Never awaits."""
        for name in self._names:
            self._store.discard(name)
