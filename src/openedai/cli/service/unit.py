"""The unit file of systemd that runs the server."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NAME = "openedai.service"
_KILL_SECONDS = 15  # that the server may need in addition to `grace_timeout`

_UNIT = """\
[Unit]
Description=OpenedAI, the OpenAI API on your own models
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={command}
{lines}
Restart=on-failure
RestartSec=2
KillMode=mixed
TimeoutStopSec={stop}
NoNewPrivileges=yes

[Install]
WantedBy={target}
"""
_SYSTEM = """\
User={user}
StateDirectory=openedai
CacheDirectory=openedai
ProtectSystem=full
PrivateTmp=yes"""


@dataclass(frozen=True)
class Service:
    """`user` runs a service of the whole machine, which starts with it; None for a service of the
    user who installs it, which starts when they log in. `config` is the configuration file.
    """

    user: str | None
    config: Path | None
    environment: Mapping[str, str]
    grace_timeout: float

    def unit(self) -> str:
        words = [sys.executable, "-m", "openedai", "serve"]
        if self.config is not None:
            words += ["--config", str(self.config.resolve())]
        variables = dict(self.environment)
        if self.user is not None:
            variables.setdefault("OPENEDAI_DATA", "/var/lib/openedai")
            variables.setdefault("OPENEDAI_CACHE_DIR", "/var/cache/openedai")
        lines = [f"Environment={_quoted(f'{name}={text}')}" for name, text in variables.items()]
        if self.user is not None:
            lines.insert(0, _SYSTEM.format(user=self.user))
        return _UNIT.format(
            command=" ".join(map(_quoted, words)),
            lines="\n".join(lines),
            stop=int(self.grace_timeout) + _KILL_SECONDS,
            target="default.target" if self.user is None else "multi-user.target",
        ).replace("\n\nRestart", "\nRestart")

    @property
    def path(self) -> Path:
        if self.user is None:
            return Path("~/.config/systemd/user").expanduser() / NAME
        return Path("/etc/systemd/system") / NAME


def _quoted(word: str) -> str:
    """A word for a unit file: systemd interprets `%` and backslashes in it, and `$` in commands."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(escaped) & set(" \t\"'\\;$") else escaped
