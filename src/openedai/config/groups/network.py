"""Settings: network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from openedai.config.sources import Secret


@dataclass(frozen=True, init=False)
class Network:
    """Where the server listens, and what it reads of a request."""

    host: Annotated[str, "Address to listen on."] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535), "Port to listen on; 0 takes a free one."] = 5001
    unix_socket: Annotated[
        Path | None, "Path of a Unix socket to listen on, in place of an address and a port."
    ] = None
    unix_socket_mode: Annotated[
        str, "Who may connect to the Unix socket: its permissions, in octal digits."
    ] = "600"
    cert_path: Annotated[
        Path | None,
        "File in PEM format with the certificate for TLS, and those up to its root. The server "
        "then speaks https only.",
    ] = None
    key_path: Annotated[
        Path | None,
        "File in PEM format with the key of the certificate; none if it is in the same file.",
    ] = None
    api_key: Annotated[Secret | None, "The key that clients must send."] = None
    api_keys: Annotated[tuple[Secret, ...], "More keys that are accepted."] = ()
    no_auth: Annotated[bool, "Serve an address other than loopback without asking for a key."] = (
        False
    )
    allowed_hosts: Annotated[
        tuple[str, ...],
        "Host names, besides the loopback ones, that requests may name.",
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        "Origins of web pages that may call the server; `*` for any.",
    ] = ()
    max_body_bytes: Annotated[
        int, Meta(ge=1024), "Largest request body, in bytes, that is read."
    ] = 32 << 20
    max_upload_bytes: Annotated[
        int, Meta(ge=1024), "Largest request body with files, in bytes, that is read."
    ] = 512 << 20
    body_memory: Annotated[
        int,
        Meta(ge=1024),
        "Most bytes of the bodies of all requests in progress together; at least twice "
        "`max_body_bytes`.",
    ] = 256 << 20
    max_header_bytes: Annotated[
        int, Meta(ge=1024), "Largest request line and headers together, in bytes."
    ] = 32 << 10
    receive_timeout: Annotated[
        float, Meta(gt=0), "Seconds a client may take between two parts of its request."
    ] = 30.0
    send_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds a client may leave its answer unread before it is cut.",
    ] = 60.0
    public_url: Annotated[
        str,
        "The URL of this server for its clients, without `/v1`, if a proxy is in front "
        "of it; empty for the one that each request was sent to.",
    ] = ""
    root_path: Annotated[
        str,
        "The path below which a proxy serves this server, such as `/llm`. Requests may have it or "
        "not.",
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        "Addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are "
        "believed; `unix` for those that connect to the Unix socket.",
    ] = ("127.0.0.1", "::1")
    tunnel: Annotated[
        Literal["", "cloudflared", "ngrok", "tailscale", "ssh"],
        "The program that gives the server a public address.",
    ] = ""
    tunnel_ssh: Annotated[
        str,
        "Where the tunnel `ssh` leads to: a service, or your own server, if `public_url` is set.",
    ] = "nokey@localhost.run"
    grace_timeout: Annotated[
        float, Meta(ge=0), "Seconds that running requests get to finish on SIGTERM."
    ] = 30.0
