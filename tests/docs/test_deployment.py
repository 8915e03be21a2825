"""The files of deploy/ name settings that exist, and folders and ports that belong together."""

from __future__ import annotations

import re
from typing import Any

import yaml

from openedai.config import Settings
from tests.docs.pages import ROOT

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))


def settings_of(names: set[str]) -> dict[str, str]:
    return {
        name: name.removeprefix("OPENEDAI_").lower()
        for name in names
        if name.startswith("OPENEDAI_")
    }


def test_the_variables_are_settings() -> None:
    variables = set(re.findall(r"OPENEDAI_\w+(?==)", DOCKERFILE))
    variables |= set(COMPOSE["services"]["openedai"]["environment"])
    values = Settings(_env_file=None)
    for name, setting in settings_of(variables).items():
        assert hasattr(values, setting), name


def test_the_compose_file_is_consistent() -> None:
    services = COMPOSE["services"]
    server = services["openedai"]
    assert server["build"]["dockerfile"] == "deploy/Dockerfile"
    assert (ROOT / "deploy" / server["build"]["context"]).resolve() == ROOT
    environment = server["environment"]
    settings = Settings(
        _env_file=None,
        database=environment["OPENEDAI_DATABASE"],
        blobs=environment["OPENEDAI_BLOBS"],
        trusted_proxies=tuple(yaml.safe_load(environment["OPENEDAI_TRUSTED_PROXIES"])),
    )
    assert settings.database is not None
    assert "@database/" in settings.database.reveal()
    for service in services.values():
        for name in service.get("depends_on", ()):
            assert name in services
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in COMPOSE["volumes"]
        assert ":latest" not in service.get("image", "")
    assert f"EXPOSE {settings.port}" in DOCKERFILE


def test_what_the_image_needs_is_in_its_context() -> None:
    ignored = (ROOT / "deploy/Dockerfile.dockerignore").read_text("utf-8").splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            assert f"!{name}" in ignored
            assert (ROOT / name).exists()
