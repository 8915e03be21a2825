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
    help="Run the server as a systemd service that starts automatically.", no_args_is_help=True
)

System = Annotated[
    bool,
    typer.Option("--system", help="A service of the machine instead of your user (needs root)."),
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
        str | None, typer.Option(help="The user that a --system service runs as ($SUDO_USER).")
    ] = None,
    as_text: Annotated[
        bool, typer.Option("--print", help="Print the unit file instead of installing it.")
    ] = False,
) -> None:
    """Write the unit file, start the service, and have it start automatically.

    The variables OPENEDAI_… of the environment are copied into the unit file.
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
    print(f"Installed and started {service.path}. To follow its log: {journal}")
    if not system:
        print("It runs while you are logged in. To keep it running: loginctl enable-linger")


@service_app.command()
def uninstall(system: System = False) -> None:
    """Stop the service and remove its unit file. Models and data are kept."""
    service = Service("root" if system else None, None, {}, 0)
    if not service.path.exists():
        fail(f"no service is installed: {service.path} does not exist")
    _require_systemctl()
    _systemctl(system, "disable", "--now", NAME)
    try:
        service.path.unlink()
    except OSError as error:
        fail(f"cannot remove {service.path}: {error.strerror}")
    _systemctl(system, "daemon-reload")
    print(f"Removed {service.path}")


def _file(config: Path | None) -> Path | None:
    """The configuration file that `serve` would read here; the service runs in another folder."""
    path = config or Path(os.environ.get("OPENEDAI_CONFIG", "openedai.toml"))
    return path if path.is_file() else None


def _require_systemctl() -> None:
    if shutil.which("systemctl") is None:
        fail("systemctl was not found, so there is no systemd; --print shows the unit file")


def _systemctl(system: bool, *arguments: str) -> None:
    command = ["systemctl", *([] if system else ["--user"]), *arguments]
    if subprocess.run(command, check=False).returncode:
        fail(f"{' '.join(command)} failed")
