"""`SD_WEBUI_URL`, the setting that makes a model of a web UI."""

from __future__ import annotations

from pathlib import Path

import pytest

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import IMAGE
from openedai.config import ConfigError, ModelSpec, Settings, load_settings


def catalog(url: str | None, *models: ModelSpec) -> Catalog:
    return Catalog(Settings(_env_file=None, sd_webui_url=url, models=models, builtin_models=False))


def test_it_is_the_default_model_for_images() -> None:
    found = catalog("http://127.0.0.1:7860", ModelSpec(id="echo", engine="echo"))
    model = found.resolve("dall-e-3")
    assert (model.id, model.spec.engine) == ("sd-webui", "a1111")
    assert model.spec.options == {"urls": ["http://127.0.0.1:7860"]}
    assert found.resolve("sd-webui") == model == found.default(IMAGE)


def test_without_it_there_is_no_such_model() -> None:
    assert catalog(None).default(IMAGE) is None
    assert catalog("").default(IMAGE) is None


def test_several_addresses_with_a_user() -> None:
    model = catalog("http://me:secret@one:7860, http://two").resolve("sd-webui")
    assert model.spec.options == {"urls": ["http://one:7860", "http://two"], "auth": "me:secret"}


def test_a_model_of_the_same_id_replaces_it() -> None:
    own = ModelSpec(id="sd-webui", engine="a1111", options={"url": "http://other"})
    model = catalog("http://127.0.0.1:7860", own).resolve("sd-webui")
    assert model.spec.options == {"url": "http://other"}


@pytest.mark.parametrize("url", ["webui:7860", "ftp://webui", "http://", "http://a@x,http://b@y"])
def test_wrong_addresses(url: str) -> None:
    with pytest.raises(ConfigError, match="sd_webui_url"):
        catalog(url)


@pytest.mark.parametrize("name", ["SD_WEBUI_URL", "OPENEDAI_SD_WEBUI_URL"])
def test_the_environment(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SD_WEBUI_URL", raising=False)
    assert load_settings().sd_webui_url is None
    (tmp_path / "openedai.toml").write_text('sd_webui_url = "http://file"')
    assert load_settings().sd_webui_url is not None
    monkeypatch.setenv(name, "http://environment")
    url = load_settings().sd_webui_url
    assert url is not None
    assert url.reveal() == "http://environment"
    assert "environment" not in repr(load_settings())
