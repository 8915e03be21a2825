"""Local servers that stand for a file server and for a model hub, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Request:
    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Fault:
    """What one GET gets instead of a whole file: a status, or only `cut` bytes of the answer."""

    status: int | None = None
    cut: int | None = None


@dataclass
class FileServer:
    """Serves `files` by path, with ranges. Each GET of a path uses up one of its `faults`."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    ranges: bool = True

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, path: str, content: bytes) -> str:
        """Serve `content` at `path`; its address."""
        self.files[path] = content
        return self.url + path

    def gets(self, path: str) -> list[Request]:
        return [r for r in self.requests if (r.method, r.path) == ("GET", path)]

    def answer(self, handler: _Handler, path: str) -> None:
        content = self.files.get(path)
        if content is None:
            handler.reply(404, {}, b"")
        else:
            handler.send_file(content, {}, self.next_fault(handler, path), self.ranges)

    def next_fault(self, handler: _Handler, path: str) -> Fault:
        faults = self.faults.get(path, [])
        return faults.pop(0) if faults and handler.command == "GET" else Fault()


@dataclass
class HubServer(FileServer):
    """Speaks the part of the hub's protocol that downloads need.

    `files` are those of the repositories, as `/owner/repo/name`. Files of a size of 1 KiB and
    more are kept like large ones: their ETag is their SHA-256.
    """

    token: str | None = None
    listed_commit: str = COMMIT
    gated: frozenset[str] = frozenset()
    wrong_hashes: frozenset[str] = frozenset()

    def answer(self, handler: _Handler, path: str) -> None:
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", path)
        resolve = re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
        found = info or resolve
        repo = found[1] if found else ""
        if self.token and handler.headers.get("Authorization") != f"Bearer {self.token}":
            handler.reply(401, {"X-Error-Code": "RepoNotFound"}, b"")
        elif repo in self.gated:
            handler.reply(403, {"X-Error-Code": "GatedRepo"}, b"")
        elif not any(name.startswith(f"/{repo}/") for name in self.files):
            handler.reply(404, {"X-Error-Code": "RepoNotFound"}, b"")
        elif info:
            body = json.dumps(self._info(repo)).encode()
            handler.reply(200, {"Content-Type": "application/json"}, body)
        elif resolve:
            self._resolve(handler, f"/{repo}/{unquote(resolve[2])}")

    def _info(self, repo: str) -> dict[str, Any]:
        siblings = []
        for path, content in self.files.items():
            if path.startswith(f"/{repo}/"):
                file: dict[str, Any] = {
                    "rfilename": path.removeprefix(f"/{repo}/"),
                    "size": len(content),
                    "blobId": "0" * 40,
                }
                if len(content) >= 1024:
                    sha256 = self._etag(path, content)
                    file["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
                siblings.append(file)
        return {
            "id": repo,
            "modelId": repo,
            "sha": self.listed_commit,
            "siblings": siblings,
            "cardData": {"license": "mit"},
            "tags": [],
        }

    def _resolve(self, handler: _Handler, path: str) -> None:
        content = self.files.get(path)
        if content is None:
            handler.reply(404, {"X-Error-Code": "EntryNotFound"}, b"")
            return
        headers = {"ETag": f'"{self._etag(path, content)}"', "X-Repo-Commit": COMMIT}
        handler.send_file(content, headers, self.next_fault(handler, path), self.ranges)

    def _etag(self, path: str, content: bytes) -> str:
        if path in self.wrong_hashes:
            return hashlib.sha256(content + b"other").hexdigest()
        if len(content) >= 1024:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    owner: FileServer

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        range, authorization = self.headers.get("Range"), self.headers.get("Authorization")
        self.owner.requests.append(Request(self.command, path, range, authorization))
        self.owner.answer(self, path)

    do_HEAD = do_GET

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def send_file(
        self, content: bytes, headers: dict[str, str], fault: Fault, ranges: bool
    ) -> None:
        if fault.status:
            self.reply(fault.status, {}, b"")
            return
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(found[1]) if found and ranges else 0
        if start >= len(content) > 0:
            self.reply(416, {}, b"")
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for name, value in {**headers, "Content-Length": str(len(content) - start)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            body = content[start:]
            self.close_connection = True
            # A client may leave in the middle.
            with suppress(ConnectionError):
                self.wfile.write(body if fault.cut is None else body[: fault.cut])

    def log_message(self, format: str, *args: object) -> None:
        pass
