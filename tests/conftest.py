"""Servers that the tests share: one on the echo engine, one on the real default models."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from anthropic import Anthropic
from openai import OpenAI

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.weights.library import Library
from openedai.weights.progress import NoProgress
from tests.databases import blobs_url, database_url, postgres, restartable_postgres, s3, store
from tests.extras.trained import tiny_diffusion_folder
from tests.sandboxes import code_client, code_server, confined
from tests.support import Running, ServerThread, echo_settings

__all__ = (
    "blobs_url",
    "code_client",
    "code_server",
    "confined",
    "database_url",
    "postgres",
    "restartable_postgres",
    "s3",
    "store",
)

# A busy machine is no reason to fail.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """If the tests run in several processes, each file runs in a single process, and all real
    models in the same one, because they are loaded once and each expects all cores for itself.
    """
    for item in items:
        real = item.get_closest_marker("real") is not None
        group = "real models" if real else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="module", autouse=True)
def garbage_collected() -> Iterator[None]:
    """A socket, pipe or file that is left open fails the last test of its own file, not a later
    one. Objects made by imports are not searched each time.
    """
    gc.freeze()
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Programs that are started without a data folder use one that belongs to the tests, not the
    user's.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def echo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.fixture
def client(echo_server: Running) -> Iterator[OpenAI]:
    with echo_server.client() as client:
        yield client


@pytest.fixture
def anthropic_client(echo_server: Running) -> Iterator[Anthropic]:
    with echo_server.anthropic_client() as client:
        yield client


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The built-in default models, downloaded at their very first use and then kept."""
    settings = Settings(
        _env_file=None,
        data=tmp_path_factory.mktemp("data"),
        chat_model="smollm2-135m-instruct",  # whichever others are on the developer's disk
    )
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def real_client(real_server: Running) -> Iterator[OpenAI]:
    with real_server.client(timeout=300) as client:
        yield client


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    """The weights of the default chat model."""
    settings = Settings(_env_file=None)
    path = Library(settings).pull(
        Catalog(settings).resolve("smollm2-135m-instruct").spec, NoProgress()
    )
    assert path is not None
    return path


@pytest.fixture(scope="session")
def native_server() -> str:
    """llama.cpp's own server, which some upstream tests need."""
    found = shutil.which("llama-server")
    return found or pytest.skip("there is no llama-server on this machine")


@pytest.fixture(scope="session")
def tiny_diffusion() -> Path:
    """The folder of a tiny text-to-image model of coloured shapes."""
    return tiny_diffusion_folder()
