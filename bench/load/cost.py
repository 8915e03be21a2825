"""What a request costs the server."""

from __future__ import annotations

from dataclasses import dataclass

from bench.load.client import Reply, Target, post_many
from bench.processes import cpu_seconds


@dataclass(frozen=True)
class Server:
    """A server, and its process on this machine."""

    target: Target
    pid: int


async def cost(
    server: Server, path: str, body: bytes, requests: int, streams: int
) -> tuple[float, list[Reply]]:
    """The processor time of the server's process per request, in ms, and the replies. The clock of
    processes counts in hundredths of a second, so make many requests.
    """
    before = cpu_seconds(server.pid)
    replies, _ = await post_many(server.target, path, body, requests, streams)
    return 1000 * (cpu_seconds(server.pid) - before) / len(replies), replies
