"""Checks of the settings, the models, the port and the database."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import CHAT, EMBEDDING
from openedai.cli.doctor.finding import Finding
from openedai.cli.model_info import read_health
from openedai.config import CONFIG_FILE, Settings
from openedai.errors import APIError
from openedai.store.store import Store
from openedai.weights.disk import readable
from openedai.weights.library import Library


def settings_source(file: Path | None) -> Finding:
    path = file or Path(os.environ.get("OPENEDAI_CONFIG", CONFIG_FILE))
    names = [name for name in os.environ if name.startswith("OPENEDAI_") and len(name) > 9]
    parts = [str(path)] if path.is_file() else ["no configuration file"]
    if names:
        parts.append(f"set in the environment: {', '.join(sorted(names))}")
    return Finding("settings", "good", "; ".join(parts))


def access(settings: Settings) -> Finding:
    """Who can reach the server, and whether they need a key."""
    if settings.on_loopback and not settings.tunnel:
        return Finding("access", "good", f"this machine only ({settings.host})")
    if settings.keys:
        return Finding("access", "good", "other machines, with a key")
    if settings.no_auth and not settings.tunnel:
        return Finding("access", "note", "other machines, without a key", "Set OPENEDAI_API_KEY.")
    return Finding(
        "access",
        "note",
        "other machines; no key is set in the settings",
        "The server needs one: set OPENEDAI_API_KEY, or run openedai keys create.",
    )


def port(settings: Settings) -> Finding:
    """Whether a server of ours, another program or nothing runs on the port."""
    if settings.unix_socket is not None:
        return Finding("address", "good", f"the Unix socket {settings.unix_socket}")
    where = f"{settings.host}:{settings.port}"
    health = read_health(settings.host, settings.port)
    if health is not None:
        loaded = ", ".join(sorted(health.loaded_models)) or "no models"
        return Finding("address", "good", f"a server is running at {where}; loaded: {loaded}")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            advice = "Choose another port: --port, or OPENEDAI_PORT."
            return Finding("address", "bad", f"{where}: {error.strerror or error}", advice)
    return Finding("address", "good", f"{where} is free")


def models(settings: Settings) -> Iterator[Finding]:
    """Whether the default models are on disk, or what they would cost to download."""
    catalog, library = Catalog(settings), Library(settings)
    for kind in (CHAT, EMBEDDING):
        about, model = f"{kind.name} model", catalog.default(kind)
        if model is None:
            yield Finding(about, "note", "none", "openedai models list shows the models.")
            continue
        spec = model.spec
        if not spec.source or library.ready(spec):
            size = library.size(spec)
            on_disk = f", {readable(size)} on disk" if size else ""
            yield Finding(about, "good", f"{model.id}{on_disk}")
            continue
        size = library.download_size(spec)
        found = f"{model.id}, not on disk" + (f" ({readable(size)} to download)" if size else "")
        if settings.offline:
            yield Finding(about, "bad", found, "Run openedai models pull without `offline`.")
        else:
            yield Finding(
                about, "note", found, f"openedai models pull {model.id} downloads it now."
            )


def database(settings: Settings) -> Finding:
    """Whether what is stored can be read by this version. A missing SQLite file is not made."""
    url = settings.database.reveal() if settings.database else ""
    store = Store(settings.data.expanduser(), url, settings.blobs)
    where = "PostgreSQL" if url else str(store.file)
    if not store.exists:
        return Finding("database", "good", f"{where}, which is created when something is stored")
    try:
        asyncio.run(_open(store))
    except APIError as error:
        return Finding("database", "bad", f"{where}: {error.message}")
    return Finding("database", "good", f"{where} can be read")


async def _open(store: Store) -> None:
    try:
        await store.database()
    finally:
        await store.close()
