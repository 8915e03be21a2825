"""The commands of `openedai service`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from openedai.cli.service.unit import NAME, Service
from openedai.cli.start import read_settings
from openedai.cli.terminal import Config, fail

service_app = typer.Typer(
    help="Run the server as a service of systemd, which starts by itself.", no_args_is_help=True
)

System = Annotated[
    bool, typer.Option("--system", help="For the whole machine, not for this user (needs root).")
]


@service_app.command(
    epilog="Examples: [bold]openedai service install[/] | "
    "[bold]openedai service install --print[/] | "
    "[bold]sudo openedai service install --system --user ai -c /etc/openedai.toml[/]"
)
def install(
    config: Config = None,
    system: System = False,
    user: Annotated[
        str | None, typer.Option(help="Who runs a service of the machine ($SUDO_USER).")
    ] = None,
    as_text: Annotated[
        bool, typer.Option("--print", help="Print the unit file, and install nothing.")
    ] = False,
) -> None:
    """Write the unit file, and start the service now and at each start.

    What the environment says of the server (OPENEDAI_…) becomes part of the unit file.
    """
    settings = read_settings(config)
    names = sorted(name for name in os.environ if name.startswith("OPENEDAI_"))
    service = Service(
        user=(user or os.environ.get("SUDO_USER") or "root") if system else None,
        config=_file(config),
        environment={name: os.environ[name] for name in names if name != "OPENEDAI_CONFIG"},
        grace_timeout=settings.grace_timeout,
    )
    if as_text:
        print(service.unit(), end="")
        return
    _require_systemctl()
    try:
        service.path.parent.mkdir(parents=True, exist_ok=True)
        service.path.touch(mode=0o600)  # the environment may have a key
        service.path.write_text(service.unit(), "utf-8")
    except OSError as error:
        fail(f"cannot write {service.path}: {error.strerror}")
    try:
        _systemctl(system, "daemon-reload")
        _systemctl(system, "enable", "--now", NAME)
    except typer.Exit:
        service.path.unlink(missing_ok=True)
        raise
    journal = "journalctl -f -u openedai" if system else "journalctl --user -f -u openedai"
    print(f"Installed {service.path}, and started. Its log: {journal}")
    if not system:
        print("It runs while you are logged in; always with: loginctl enable-linger")


@service_app.command()
def uninstall(system: System = False) -> None:
    """Stop the service and remove its unit file. Models and data are kept."""
    service = Service("root" if system else None, None, {}, 0)
    if not service.path.exists():
        fail(f"there is no {service.path}")
    _require_systemctl()
    _systemctl(system, "disable", "--now", NAME)
    try:
        service.path.unlink()
    except OSError as error:
        fail(f"cannot remove {service.path}: {error.strerror}")
    _systemctl(system, "daemon-reload")
    print(f"Removed {service.path}")


def _file(config: Path | None) -> Path | None:
    """The configuration file that `serve` would read here, as its service runs elsewhere."""
    path = config or Path(os.environ.get("OPENEDAI_CONFIG", "openedai.toml"))
    return path if path.is_file() else None


def _require_systemctl() -> None:
    if shutil.which("systemctl") is None:
        fail("systemd is not there (systemctl); --print prints the unit file")


def _systemctl(system: bool, *arguments: str) -> None:
    command = ["systemctl", *([] if system else ["--user"]), *arguments]
    if subprocess.run(command, check=False).returncode:
        fail(f"{' '.join(command)} failed")
