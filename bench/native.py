"""The engine's own HTTP listener, with the parameters that our engine gives it.

Run as `python -m bench.native`; reads a Launch as JSON from stdin, prints its URL when it listens,
and ends when stdin does.
"""

from __future__ import annotations

import os
import sys

import msgspec

from openedai.engines.llama_cpp.server.launch import Launch
from openedai.engines.llama_cpp.server.wheel import create_server


def main() -> None:
    launch = msgspec.json.decode(sys.stdin.readline(), type=Launch)
    server = create_server(launch)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
