"""Settings: defaults < openedai.toml < .env < environment < flags. Frozen once made.

Every field is one documented line: the same text is the help, `docs/settings.md` and the schema.
In the environment a field is OPENEDAI_ and its name in capitals; lists are written as JSON.
"""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from openedai.config.groups.caller_limits import CallerLimits
from openedai.config.groups.code import Code
from openedai.config.groups.default_models import DefaultModels
from openedai.config.groups.network import Network
from openedai.config.groups.requests import Requests
from openedai.config.groups.scheduling import Scheduling
from openedai.config.groups.storage import Storage
from openedai.config.groups.usage import Price, Usage
from openedai.config.sources import (
    ConfigError,
    Secret,
    converted,
    from_environment,
    from_file,
    readable,
)
from openedai.config.specs import AdapterSpec, ModelSpec, Table, WeightFormat
from openedai.config.values import CHECKS, memory_bytes

__all__ = (
    "LOOPBACK",
    "AdapterSpec",
    "ConfigError",
    "ModelSpec",
    "Origin",
    "Price",
    "Secret",
    "Settings",
    "WeightFormat",
    "load_settings",
    "memory_bytes",
)

Origin = Literal["default", "file", "environment", "flag"]

CONFIG_FILE = "openedai.toml"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MORE_NAMES = {"sd_webui_url": "SD_WEBUI_URL"}
_YES = frozenset({"1", "on", "t", "true", "y", "yes"})
_NO = frozenset({"0", "off", "f", "false", "n", "no"})


@dataclass(frozen=True, init=False)
class Settings(Network, Requests, DefaultModels, Scheduling, CallerLimits, Storage, Usage, Code):
    """All settings of a server."""

    def __init__(self, *, _env_file: str | None = ".env", **values: Any) -> None:
        """The given values override those of the environment, of `_env_file` and of the defaults,
        in this order.

        Raises ConfigError.
        """
        self._read({}, _env_file, values)

    @classmethod
    def from_file(cls, file: Path, **values: Any) -> Settings:
        """The same, with the values of a TOML file overriding the defaults."""
        settings = cls.__new__(cls)
        settings._read(from_file(file, _names()), ".env", values)
        return settings

    def _read(self, file: dict[str, Any], env_file: str | None, given: dict[str, Any]) -> None:
        names = _names()
        if unknown := given.keys() - set(names):
            raise TypeError(f"there is no setting {min(unknown)!r}")
        environment = from_environment(names, _lists(), _MORE_NAMES, env_file)
        values = file | environment | given
        origins: dict[str, Origin] = {
            **dict.fromkeys(file, "file"),
            **dict.fromkeys(environment, "environment"),
            **dict.fromkeys(given, "flag"),
        }
        for name in _switches():
            if isinstance(text := values.get(name), str):
                values[name] = _switch(name, text)
        try:
            made = msgspec.convert(values, type(self), strict=False, dec_hook=converted)
        except msgspec.ValidationError as error:
            raise readable(error, _choices()) from None
        vars(self).update(vars(made), _origins=origins)
        self._check()

    def _check(self) -> None:
        for name, value in vars(self).items():
            if value == math.inf:
                raise ConfigError(f"{name}: a finite number is expected")
        for name, check in CHECKS.items():
            try:
                check(getattr(self, name))
            except ValueError as error:
                raise ConfigError(f"{name}: {error}") from None
        if self.web_search == "searxng" and not self.web_search_url:
            raise ConfigError("web_search: SearXNG needs its address, in 'web_search_url'")
        if self.key_path and not self.cert_path:
            raise ConfigError("key_path: the certificate is missing, in 'cert_path'")
        if self.unix_socket and (self.cert_path or self.tunnel):
            raise ConfigError("unix_socket: it has neither TLS nor a tunnel")
        if self.tunnel and self.cert_path:
            raise ConfigError("tunnel: it has TLS of its own, so 'cert_path' must not be set")
        for name in ("public_url", "root_path"):
            vars(self)[name] = getattr(self, name).rstrip("/")

    @property
    def given(self) -> frozenset[str]:
        """The names of the settings that have a value from anywhere but the defaults."""
        return frozenset(vars(self)["_origins"])

    def origin(self, name: str) -> Origin:
        """Where the value of a setting comes from; a `.env` file counts as the environment."""
        origin: Origin = vars(self)["_origins"].get(name, "default")
        return origin

    @property
    def keys(self) -> tuple[str, ...]:
        """All accepted keys, in plain text."""
        single = (self.api_key,) if self.api_key and self.api_key.reveal() else ()
        return tuple(key.reveal() for key in (*single, *self.api_keys))

    @property
    def on_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        return bool(self.unix_socket) or self.host in LOOPBACK or _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, or something that only looks like an address
        return False


def load_settings(file: Path | None = None, **flags: Any) -> Settings:
    """Settings from every source; `flags` that are None were not given.

    `file` replaces `openedai.toml` of the working directory. Raises ConfigError.
    """
    path = file or Path(os.environ.get("OPENEDAI_CONFIG", CONFIG_FILE))
    if not path.is_file() and (file or "OPENEDAI_CONFIG" in os.environ):
        raise ConfigError(f"There is no configuration file {path}.")
    given = {name: value for name, value in flags.items() if value is not None}
    return Settings.from_file(path, **given) if path.is_file() else Settings(**given)


def _names() -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(Settings))


def _choices() -> dict[str, str]:
    """The values of settings that have few, as text, by their names."""
    hints = get_type_hints(Settings)
    return {
        name: ", ".join(map(str, filter(None, get_args(hint))))
        for name, hint in hints.items()
        if get_origin(hint) is Literal
    }


def _switches() -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(Settings) if isinstance(f.default, bool))


def _lists() -> frozenset[str]:
    """The settings that are written as JSON in the environment: lists, and tables of values."""
    fields = dataclasses.fields(Settings)
    return frozenset(
        f.name for f in fields if isinstance(f.default, tuple | Table) or f.default_factory is dict
    )


def _switch(name: str, text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ConfigError(f"{name}: expected true or false")
    return text.lower() in _YES
