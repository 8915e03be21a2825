"""`openedai serve` with its flags: the settings, then the server."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from openedai.cli.messages import EXIT_USAGE, say
from openedai.config import ConfigError, Settings, load_settings

if TYPE_CHECKING:
    from openedai.engines.process.early import EarlyStart

# A worker that loads something else is ended, so this list need not be complete.
_DECIDE_THE_LOAD = (
    "preload",
    "chat_model",
    "embedding_model",
    "embedding_device",
    "models",
    "builtin_models",
    "default_aliases",
)


def start(
    *,
    config: Path | None = None,
    no_pull: bool = False,
    preload: list[str] | None = None,
    no_auth: bool = False,
    offline: bool = False,
    **flags: object,
) -> None:
    """Serve until SIGTERM or Ctrl-C. All other `flags` are settings, and None if not given."""
    settings = read_settings(
        config,
        preload=tuple(preload) if preload else None,
        no_auth=no_auth or None,
        offline=offline or None,
        **flags,
    )
    early = early_start(settings)
    try:
        from openedai.cli.serve import serve

        serve(settings, pull=not no_pull, early=early)
    finally:
        if early is not None:
            early.end()


def early_start(settings: Settings) -> EarlyStart | None:
    """The worker for the model that is loaded at the start, started early if it is known what to
    load.
    """
    if not settings.preload:
        return None
    from openedai.engines.process.early import EarlyStart

    values = [repr(getattr(settings, name)) for name in _DECIDE_THE_LOAD]
    key = hashlib.sha256("\n".join(values).encode()).hexdigest()
    early = EarlyStart(settings.cache_dir.expanduser() / "first-load.msgpack", key)
    early.begin()
    return early


def read_settings(config: Path | None, **flags: object) -> Settings:
    """The settings; `flags` that are None were not given. Exits with EXIT_USAGE if not valid."""
    try:
        return load_settings(config, **flags)
    except ConfigError as error:
        say(f"openedai: {error}")
        raise SystemExit(EXIT_USAGE) from error
