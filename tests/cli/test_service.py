"""`openedai service`: the unit file, and what is asked of systemd."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from openedai.cli.commands import app
from openedai.cli.service.unit import Service

DOUBLE = """#!/bin/sh
echo "$@" >> '{folder}/calls'
exit {status}
"""


def run(*arguments: str, folder: Path, status: int = 0, **environment: str) -> Result:
    """With a double of systemctl that writes its calls and exits with `status`."""
    program = folder / "bin" / "systemctl"
    program.parent.mkdir(exist_ok=True)
    program.write_text(DOUBLE.format(folder=folder, status=status))
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    values = {"HOME": str(folder), "PATH": path, **environment}
    return CliRunner().invoke(app, ["service", *arguments], env=values)


def test_installed_and_removed(tmp_path: Path) -> None:
    unit = tmp_path / ".config/systemd/user/openedai.service"
    config = tmp_path / "openedai.toml"
    config.write_text("port = 5002\n")
    done = run("install", "-c", str(config), folder=tmp_path, OPENEDAI_API_KEY="sk-of-the-service")
    assert done.exit_code == 0, done.output
    text = unit.read_text()
    assert f"openedai serve --config {config}" in text
    assert "Environment=OPENEDAI_API_KEY=sk-of-the-service" in text
    assert "WantedBy=default.target" in text
    assert stat.S_IMODE(unit.stat().st_mode) == 0o600
    assert run("uninstall", folder=tmp_path).exit_code == 0
    assert not unit.exists()
    assert (tmp_path / "calls").read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable --now openedai.service",
        "--user disable --now openedai.service",
        "--user daemon-reload",
    ]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    assert run("uninstall", folder=tmp_path).exit_code == 1
    done = run("install", folder=tmp_path, status=1)
    assert done.exit_code == 1
    assert "daemon-reload failed" in done.output
    assert not (tmp_path / ".config/systemd/user/openedai.service").exists()
    done = run("install", folder=tmp_path, PATH=str(tmp_path))
    assert "--print" in done.output
    (tmp_path / ".config").rename(tmp_path / "other")
    (tmp_path / ".config").write_text("a file")
    assert "cannot write" in run("install", folder=tmp_path).output


@pytest.mark.parametrize("user", [None, "root"])
def test_systemd_takes_the_unit(user: str | None, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    odd = {"OPENEDAI_API_KEY": 'a b%h"\\x$y', "OPENEDAI_PRELOAD": '["default"]'}
    config = tmp_path / "with space.toml"
    config.write_text("")
    text = Service(user, config, odd, 30.5).unit()
    assert "TimeoutStopSec=45\n" in text
    assert ("StateDirectory" in text) == (user is not None)
    (file := tmp_path / "openedai.service").write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
