"""A program that behaves as llama.cpp's `llama-server` does when it is started and ended.

It writes its arguments and environment to the file `seen.json` in its own folder.
"""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer

BEHAVIOUR = "serve"


def argument(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else ""


class Handler(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        Handler.asked += 1
        allowed = self.headers["Authorization"] == f"Bearer {os.environ['LLAMA_API_KEY']}"
        if self.path == "/health":
            self.answer(200 if Handler.asked > 2 else 503)
        else:
            self.answer(200 if allowed else 401)

    def answer(self, status: int) -> None:
        body = json.dumps({"asked": Handler.asked}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a Unix socket"


def main() -> None:
    template = argument("--chat-template-file")
    seen = {
        "pid": os.getpid(),
        "arguments": sys.argv[1:],
        "variables": {n: v for n, v in os.environ.items() if n.startswith("LLAMA_")},
        "template": Path(template).read_text("utf-8") if template else "",
    }
    unfinished = Path(__file__).with_name("seen.part")
    unfinished.write_text(json.dumps(seen), "utf-8")
    unfinished.rename(unfinished.with_suffix(".json"))
    if BEHAVIOUR == "serve":
        with UnixStreamServer(argument("--host"), Handler) as server:
            server.serve_forever()
    elif BEHAVIOUR == "load for ever":
        time.sleep(600)
    else:
        sys.exit(f"error: {BEHAVIOUR}")


if __name__ == "__main__":
    main()
