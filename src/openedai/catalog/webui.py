"""The model of the setting `sd_webui_url`: the images of a Stable Diffusion web UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from openedai.catalog.builtin import WEBUI_MODEL
from openedai.config import ConfigError, ModelSpec, Settings

if TYPE_CHECKING:
    from yarl import URL


def webui_models(settings: Settings) -> tuple[ModelSpec, ...]:
    """The model, if the setting is not empty. A user name and password in the address become the
    option `auth`. Raises ConfigError.
    """
    if settings.sd_webui_url is None:
        return ()
    given = [part.strip() for part in settings.sd_webui_url.reveal().split(",")]
    urls = [_url(part) for part in given if part]
    if not urls:
        return ()
    options: dict[str, Any] = {"urls": [str(url.with_user(None)) for url in urls]}
    users = {(url.user, url.password) for url in urls if url.user}
    if len(users) > 1:
        raise ConfigError("sd_webui_url: the addresses have different users.")
    for user, password in users:
        options["auth"] = f"{user}:{password or ''}"
    return (replace(WEBUI_MODEL, options=options),)


def _url(text: str) -> URL:
    from yarl import URL

    try:
        url = URL(text)
    except ValueError:
        raise ConfigError("sd_webui_url: that is no address.") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError("sd_webui_url: an address begins with http:// or https://.")
    return url
