"""The builds of llama.cpp on disk, in the folder `engines` of `cache_dir`, one folder each."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from openedai.config import Settings
from openedai.engines.llama_cpp.native.trial import why_unusable
from openedai.engines.registry import engine_entry, engine_of_builds
from openedai.errors import Unavailable
from openedai.weights.builds.table import Build, builtin_builds, this_platform
from openedai.weights.builds.tarball import unpack
from openedai.weights.cache import Cache
from openedai.weights.disk import files_below, free_space, naming, require_space
from openedai.weights.download import Downloader
from openedai.weights.manifest import (
    Manifest,
    inventory,
    read_manifest,
    sizes_match,
    write_manifest,
)
from openedai.weights.progress import NoProgress, Progress

log = logging.getLogger("openedai.weights")

_PUBLIC_REGISTRY = "https://registry.npmjs.org"
_REGISTRY_VARIABLE = "npm_config_registry"  # npm's own variable; npm ignores the case of such names


class Builds:
    """The builds in the table, and which of them are on this machine."""

    def __init__(
        self,
        settings: Settings,
        *,
        table: Mapping[str, Build] | None = None,
        platform: str | None = None,
        registry: str | None = None,
        why_unusable: Callable[[Path, bool], str] = why_unusable,
    ) -> None:
        """`registry` is by default npm's; `why_unusable` tries the build in a folder."""
        self.table = builtin_builds() if table is None else table
        self.platform = platform or this_platform()
        self._cache = Cache(settings.cache_dir.expanduser())
        self._offline = settings.offline
        self._registry = registry or _npm_registry()
        self._why_unusable = why_unusable

    def best(self) -> str | None:
        """The name of the build that models use by default; None if none is on disk."""
        return next((name for name in self.table if self.find(name) is not None), None)

    def find(self, name: str) -> Path | None:
        """The folder of a build for this machine; None if it is not on disk.

        Raises Unavailable for a build that does not exist, here and below.
        """
        build, folder = self._build(name), self._folder(name)
        manifest = read_manifest(folder)
        if manifest is None or build.platform != self.platform:
            return None
        complete = manifest.source == build.source and sizes_match(folder, manifest)
        return folder if complete else None

    def complete(self, engine: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a model, with the folder of the build that they choose.

        Raises Unavailable for a build that is not on disk.
        """
        completed, entry = dict(options), engine_entry(engine)
        if not entry.takes_builds or options.get(entry.projector_option or "") is not None:
            return completed
        choice = options.get("library", "auto")
        if choice == "auto" and (best := self.best()):
            completed["pulled"] = str(self._folder(best))
            log.info("The build of llama.cpp that is used is %s", best)
        elif isinstance(choice, str) and choice in self.table:
            if self.find(choice) is None:
                raise Unavailable(
                    f"The build `{choice}` of llama.cpp is not on disk. "
                    f"`openedai engines pull {choice}` fetches it."
                )
            completed["library"] = str(self._folder(choice))
            log.info("The build of llama.cpp that is used is %s", choice)
        return completed

    def default(self) -> str:
        """The build to pull when none is named: the one for processors if there is one.

        Raises Unavailable.
        """
        here = [name for name, build in self.table.items() if build.platform == self.platform]
        if not here:
            raise Unavailable(f"There is no build of llama.cpp for {self.platform}.")
        return min(here, key=lambda name: self.table[name].gpu)

    def pull(self, name: str, progress: Progress | None = None) -> Path:
        """The folder of a build, after a download if necessary. Raises Unavailable."""
        build, folder = self._build(name), self._folder(name)
        progress = progress or NoProgress()
        if build.platform != self.platform:
            raise Unavailable(f"The build `{name}` is for {build.platform}, not {self.platform}.")
        with (
            naming(f"The build `{name}`", self._cache.root),
            self._cache.locked(folder, name, progress),
        ):
            found = self.find(name)
            return found or self._install(name, build, folder, progress)

    def remove(self, name: str) -> int:
        """Delete a build. Returns how many bytes this frees. Raises Unavailable."""
        self._build(name)
        folder = self._folder(name)
        staging, downloads = self._cache.staging(folder), self._cache.downloads(folder)
        with (
            naming(f"The build `{name}`", self._cache.root),
            self._cache.locked(folder, name, NoProgress()),
        ):
            paths = (folder, staging, downloads)
            freed = sum(file.stat().st_size for path in paths for _, file in files_below(path))
            if folder.exists():
                shutil.rmtree(staging, ignore_errors=True)
                folder.rename(staging)
            for path in paths:
                shutil.rmtree(path, ignore_errors=True)
            return freed

    def _install(self, name: str, build: Build, folder: Path, progress: Progress) -> Path:
        with self._cache.installing(folder) as (staging, downloads):
            tarball = self._download(name, build, downloads, progress)
            progress.start(f"Unpacking {name}", build.unpacked)
            unpack(tarball, staging, build.unpacked, progress)
            progress.start(f"Trying {name}", None)
            if why := self._why_unusable(staging, build.gpu):
                raise Unavailable(f"It does not work on this machine: {why}")
            manifest = Manifest(
                model=name,
                engine=engine_of_builds(),
                source=build.source,
                license=build.license,
                main=".",
                files=inventory(staging, ()),
            )
            write_manifest(staging, manifest)
        return folder

    def _download(self, name: str, build: Build, downloads: Path, progress: Progress) -> Path:
        tarball = downloads / f"{build.sha512[:32]}.tgz"
        if tarball.exists():
            return tarball
        if self._offline:
            raise Unavailable("Downloads are off (`offline`).")
        require_space(downloads, build.size + build.unpacked, free_space)
        progress.start(f"Downloading {name}", build.size)
        downloader = Downloader(algorithm="sha512")
        downloader.fetch(build.url(self._registry), tarball, build.size, build.sha512, progress)
        return tarball

    def _build(self, name: str) -> Build:
        build = self.table.get(name)
        if build is None:
            known = ", ".join(self.table)
            raise Unavailable(f"There is no build `{name}` of llama.cpp. Known builds: {known}.")
        return build

    def _folder(self, name: str) -> Path:
        return self._cache.root / "engines" / name


def _npm_registry() -> str:
    found = (value for name, value in os.environ.items() if name.lower() == _REGISTRY_VARIABLE)
    return next(found, _PUBLIC_REGISTRY)
