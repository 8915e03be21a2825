"""`hf:owner/repo[:quant or file]`: a model hub, through `huggingface_hub`.

The hub's own cache is used, so that what other programs downloaded is not fetched again. What a
model needs is linked from it into the model's folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openedai.engines.registry import engine_entry
from openedai.errors import APIError, Unavailable
from openedai.weights.choose import choose_folder, choose_gguf, choose_projector
from openedai.weights.disk import digest, files_below, inner_name, link_or_copy, require_space
from openedai.weights.manifest import File
from openedai.weights.progress import Progress
from openedai.weights.sources.base import Access, Source, Staged
from openedai.weights.sources.hub_progress import FileProgress, progress_class

# Older versions of the library do not resume after a broken connection.
RETRIES = 2


@dataclass(frozen=True)
class _Remote:
    """A file of the repository. `sha256` is None where the hub does not know it."""

    size: int
    sha256: str | None


class HubSource(Source):
    """`selector` names a quantisation or a file; `projector` is a file of the repository that is
    needed too.
    """

    def __init__(
        self, repo: str, selector: str, engine: str, access: Access, projector: str = ""
    ) -> None:
        self._repo = repo
        self._selector = selector
        self._engine = engine
        self._access = access
        self._projector = projector

    @property
    def key(self) -> str:
        name = f"hf:{self._repo}:{self._selector} {self._engine}"
        return f"{name} {self._projector}" if self._projector else name

    def stage(self, folder: Path, downloads: Path, progress: Progress) -> Staged:
        with self._translate_errors():
            if self._offline():
                return self._stage_cached(folder)
            return self._stage_remote(folder, progress)

    def _stage_cached(self, folder: Path) -> Staged:
        snapshot = self._snapshot()
        chosen = self._choose([name for name, _ in files_below(snapshot)])
        files = [
            self._link(snapshot / name, folder, target, None) for name, target in chosen.items()
        ]
        return Staged(self._main(chosen), files=tuple(files))

    def _snapshot(self) -> Path:
        """The folder of the repository's main branch in the hub's cache."""
        repo = self._cache() / f"models--{self._repo.replace('/', '--')}"
        main = repo / "refs" / "main"
        if not main.is_file():
            raise Unavailable(
                f"`{self._repo}` is not in the hub's cache, and downloads are off (`offline`)."
            )
        return repo / "snapshots" / main.read_text().strip()

    def _stage_remote(self, folder: Path, progress: Progress) -> Staged:
        from huggingface_hub import HfApi

        progress.start(f"Looking up {self._repo}", None)
        info = HfApi(endpoint=self._endpoint()).model_info(self._repo, files_metadata=True)
        remote = {
            inner_name(file.rfilename): _Remote(
                file.size or 0, file.lfs.sha256 if file.lfs else None
            )
            for file in info.siblings or []
        }
        chosen = self._choose(list(remote))
        self._require_space({name: remote[name].size for name in chosen}, info.sha)
        progress.start(f"Downloading {self._repo}", sum(remote[name].size for name in chosen))
        files = []
        for name, target in chosen.items():
            path = self._download(name, str(info.sha), remote[name].size, progress)
            files.append(self._link(path, folder, target, remote[name].sha256))
        license = getattr(info.card_data, "license", None) or ""
        return Staged(self._main(chosen), str(license), tuple(files))

    def _download(self, name: str, commit: str, size: int, progress: Progress) -> Path:
        file_progress = FileProgress(size, progress)
        path = self._fetch(name, file_progress, RETRIES)
        if commit not in path.parts:
            raise Unavailable(f"`{self._repo}` changed on the hub meanwhile. Try again.")
        file_progress.reached(size)
        return path

    def _fetch(self, name: str, progress: FileProgress, retries: int) -> Path:
        from huggingface_hub import hf_hub_download

        try:
            # By branch, not by commit, so that the cache notes the branch for offline use.
            return Path(
                hf_hub_download(
                    self._repo,
                    name,
                    endpoint=self._endpoint(),
                    cache_dir=self._access.hub_cache,
                    tqdm_class=progress_class(progress),
                )
            )
        except Exception as error:
            # The hub's answers and the disk's failures are OSErrors; broken connections are not.
            if isinstance(error, OSError) or not retries:
                raise
            return self._fetch(name, progress, retries - 1)

    def _link(self, path: Path, folder: Path, target: str, sha256: str | None) -> File:
        """Link a file of the hub's cache into `folder`, after a check of its hash."""
        actual = digest(path)
        if sha256 and actual != sha256:
            path.resolve().unlink()
            raise Unavailable(
                f"{path.name} of {self._repo} is not the file it should be: its SHA-256 is "
                f"{actual} instead of {sha256}. It was deleted."
            )
        link_or_copy(path, folder / target)
        return File(target, path.stat().st_size, actual)

    def _choose(self, names: list[str]) -> dict[str, str]:
        if self._takes_gguf():
            # Shards find each other by name in one folder.
            chosen = {name: Path(name).name for name in choose_gguf(names, self._selector)}
            if self._projector:
                chosen[choose_projector(names, self._projector)] = self._projector
            return chosen
        return choose_folder(names, self._engine, self._selector)

    def _main(self, chosen: dict[str, str]) -> str:
        return next(iter(chosen.values())) if self._takes_gguf() else "."

    def _takes_gguf(self) -> bool:
        return engine_entry(self._engine).weight_files == "gguf"

    def _require_space(self, sizes: dict[str, int], revision: str | None) -> None:
        from huggingface_hub import try_to_load_from_cache

        cache = self._cache()
        missing = [
            size
            for name, size in sizes.items()
            if not isinstance(
                try_to_load_from_cache(self._repo, name, cache_dir=cache, revision=revision), str
            )
        ]
        require_space(cache, sum(missing), self._access.free_space)

    def _cache(self) -> Path:
        from huggingface_hub import constants

        return self._access.hub_cache or Path(constants.HF_HUB_CACHE)

    def _endpoint(self) -> str | None:
        return self._access.hub_endpoint or os.environ.get("HF_ENDPOINT") or None

    def _offline(self) -> bool:
        from huggingface_hub import constants

        return self._access.offline or constants.HF_HUB_OFFLINE

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Turn the exceptions of the hub's library and of its HTTP client into Unavailable."""
        from huggingface_hub import errors

        name = f"`{self._repo}`"
        try:
            yield
        except (APIError, MemoryError):
            raise
        except errors.GatedRepoError:
            raise Unavailable(
                f"{name} is gated: accept its terms on the hub, then set HF_TOKEN."
            ) from None
        except errors.RepositoryNotFoundError:
            raise Unavailable(
                f"{name} is not on the hub, or it is private and HF_TOKEN is not set for it."
            ) from None
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise Unavailable(
                f"{name} could not be downloaded from the hub: {_first_line(error)}"
            ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
