"""The sources of weights: a path, a model hub, or packages."""

from __future__ import annotations

import re

from openedai.config import ModelSpec
from openedai.engines.registry import engine_entry
from openedai.weights.disk import inner_name
from openedai.weights.sources.base import Access, Source, projector_path
from openedai.weights.sources.hub import HubSource
from openedai.weights.sources.package import PackageSource
from openedai.weights.sources.path import PathSource

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)
HUB_NAME = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<selector>.+))?")


def source_of(spec: ModelSpec, access: Access) -> Source | None:
    """The source of a model's weights; None for an engine without weights.

    Nothing is looked up. Raises ValueError for a source that the engine cannot have.
    """
    if engine_entry(spec.engine).weight_files is None:
        if spec.source:
            raise ValueError(f"the engine {spec.engine} takes no source")
        return None
    if not spec.source:
        raise ValueError(f"the engine {spec.engine} needs a source")
    projector = projector_path(spec)
    if projector and (spec.source.startswith("hf:") or spec.requantise != "none"):
        inner_name(projector)  # it is put into the cache
    if spec.source.startswith("hf:"):
        found = HUB_NAME.fullmatch(spec.source)
        if not found:
            raise ValueError(f"{spec.source!r} is not of the form hf:owner/repo[:quant or file]")
        return HubSource(found["repo"], found["selector"] or "", spec.engine, access, projector)
    if spec.source.startswith("pypi:"):
        return _package_source(spec, access)
    if _URL.fullmatch(spec.source):
        raise ValueError(f"{spec.source!r} is neither a path nor begins with `hf:` or `pypi:`")
    return PathSource(spec.source, spec.engine, projector)


def _package_source(spec: ModelSpec, access: Access) -> PackageSource:
    name = spec.source.removeprefix("pypi:")
    package = access.packages.get(name)
    if package is None:
        known = ", ".join(sorted(access.packages))
        raise ValueError(f"{spec.source!r} is not in the table of packages, which has: {known}")
    return PackageSource(name, spec.engine, package, access)
