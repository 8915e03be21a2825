"""The pinned builds of llama.cpp."""

from __future__ import annotations

import re

import pytest

from openedai.weights.builds.table import builtin_builds

BUILDS = builtin_builds()


def test_all_are_of_one_version() -> None:
    """Their functions and structs are those that are declared."""
    assert len({build.version for build in BUILDS.values()}) == 1


@pytest.mark.parametrize("name", BUILDS)
def test_a_build_is_pinned(name: str) -> None:
    build = BUILDS[name]
    assert re.fullmatch(r"[0-9a-f]{128}", build.sha512)
    assert build.package == f"@node-llama-cpp/{name}"
    assert build.size < build.unpacked
    assert build.license == "MIT"
    assert build.url("https://npm.example/") == (
        f"https://npm.example/@node-llama-cpp/{name}/-/{name}-{build.version}.tgz"
    )


def test_builds_for_a_gpu_come_first() -> None:
    for platform in {build.platform for build in BUILDS.values()}:
        needs_gpu = [build.gpu for build in BUILDS.values() if build.platform == platform]
        assert needs_gpu == sorted(needs_gpu, reverse=True)
