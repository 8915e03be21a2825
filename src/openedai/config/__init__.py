"""Settings: defaults < openedai.toml < .env < environment < flags. Frozen once made.

Every field is one documented line: the same text is the help, `docs/settings.md` and the schema.
In the environment a field is OPENEDAI_ and its name in capitals; lists are written as JSON.
"""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import platformdirs
from msgspec import Meta

from openedai.config.sources import (
    ConfigError,
    Secret,
    converted,
    from_environment,
    from_file,
    readable,
)
from openedai.config.specs import AdapterSpec, ModelSpec, WeightFormat
from openedai.config.values import CHECKS, memory_bytes

__all__ = (
    "LOOPBACK",
    "AdapterSpec",
    "ConfigError",
    "ModelSpec",
    "Secret",
    "Settings",
    "WeightFormat",
    "load_settings",
    "memory_bytes",
)

CONFIG_FILE = "openedai.toml"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# Written as JSON in the environment.
_LISTS = frozenset(
    {
        "allowed_hosts",
        "api_keys",
        "cors_origins",
        "image_private_hosts",
        "listed_aliases",
        "mcp_private_hosts",
        "models",
        "moderation_thresholds",
        "preload",
    }
)
_MORE_NAMES = {"sd_webui_url": "SD_WEBUI_URL"}
_YES = frozenset({"1", "on", "t", "true", "y", "yes"})
_NO = frozenset({"0", "off", "f", "false", "n", "no"})


@dataclass(frozen=True, init=False)
class Settings:
    """All settings of a server."""

    host: Annotated[str, "Address to listen on."] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535), "Port to listen on; 0 takes a free one."] = 5001
    api_key: Annotated[Secret | None, "The key that clients must send."] = None
    api_keys: Annotated[tuple[Secret, ...], "More keys that are accepted."] = ()
    no_auth: Annotated[bool, "Serve an address other than loopback without asking for a key."] = (
        False
    )
    allowed_hosts: Annotated[
        tuple[str, ...],
        "Host names, besides the loopback ones, that requests may name.",
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        "Origins of web pages that may call the server; `*` for any.",
    ] = ()
    max_body_bytes: Annotated[
        int, Meta(ge=1024), "Largest request body, in bytes, that is read."
    ] = 32 << 20
    max_upload_bytes: Annotated[
        int, Meta(ge=1024), "Largest request body with files, in bytes, that is read."
    ] = 512 << 20
    body_memory: Annotated[
        int,
        Meta(ge=1024),
        "Most bytes of the bodies of all requests in progress together; at least twice "
        "`max_body_bytes`.",
    ] = 256 << 20
    max_header_bytes: Annotated[
        int, Meta(ge=1024), "Largest request line and headers together, in bytes."
    ] = 32 << 10
    receive_timeout: Annotated[
        float, Meta(gt=0), "Seconds a client may take between two parts of its request."
    ] = 30.0
    send_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds a client may leave its answer unread before it is cut.",
    ] = 60.0
    image_urls: Annotated[
        bool,
        "Fetch images that requests name by URL; never where `offline` is set.",
    ] = True
    image_private_hosts: Annotated[
        tuple[str, ...],
        "Host names, addresses and networks (`10.0.0.0/8`) that images may be fetched "
        "from, besides the public internet.",
    ] = ()
    image_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds that fetching one image may take, redirects and all.",
    ] = 10.0
    image_max_count: Annotated[int, Meta(ge=1), "Most images in one request."] = 32
    image_max_bytes: Annotated[
        int, Meta(ge=1024), "Most bytes of all images of a request together."
    ] = 20 << 20
    image_max_pixels: Annotated[
        int, Meta(ge=1024), "Most pixels of all images of a request together."
    ] = 50_000_000
    unknown_parameters: Annotated[
        Literal["refuse", "warn"],
        "Refuse unknown parameters with a 400, or ignore them with a warning header.",
    ] = "refuse"
    unsupported_tools: Annotated[
        Literal["refuse", "warn"],
        "Refuse tools of `/v1/responses` that the official API runs itself, such as "
        "`code_interpreter`, and this server does not, or leave them out beside others, with a "
        "warning header.",
    ] = "warn"
    web_search: Annotated[
        Literal["", "searxng", "brave"],
        "The search engine of the tool `web_search` of `/v1/responses`; none if it is empty, and "
        "never where `offline` is set.",
    ] = ""
    web_search_url: Annotated[
        str, "The address of the search engine: of SearXNG, or of another server with Brave's API."
    ] = ""
    web_search_key: Annotated[
        Secret | None, "The key that the search engine asks for: Brave's own does."
    ] = None
    mcp_servers: Annotated[
        bool,
        "Let responses use the tools of MCP servers that requests name; never where `offline` is "
        "set. It needs the extra `mcp`.",
    ] = True
    mcp_private_hosts: Annotated[
        tuple[str, ...],
        "Host names, addresses and networks (`10.0.0.0/8`) whose MCP servers may be used, besides "
        "those of the public internet.",
    ] = ()
    tool_timeout: Annotated[
        float, Meta(gt=0), "Seconds that a tool that the server runs may take for one call."
    ] = 60.0
    log_format: Annotated[Literal["text", "json"], "How log lines are written."] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        "The least severe messages that are logged.",
    ] = "info"
    log_prompts: Annotated[bool, "Also log request bodies, which hold prompts."] = False
    cache_dir: Annotated[Path, "Folder where downloaded weights are kept."] = dataclasses.field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("openedai"))
    )
    data: Annotated[
        Path,
        "Folder where the server keeps what must outlast a restart, such as images "
        "whose URLs it gave out, files and jobs.",
    ] = dataclasses.field(default_factory=lambda: Path(platformdirs.user_data_dir("openedai")))
    database: Annotated[
        Secret | None,
        "The URL of a PostgreSQL database (`postgresql://user:password@host/name`), which "
        "several servers may share; none for an SQLite file in `data`. It needs the extra "
        "`postgres`.",
    ] = None
    blobs: Annotated[
        str,
        "Where the contents of files are kept: the URL of a bucket (`s3://name/prefix`), whose "
        "keys are in the environment (`AWS_ACCESS_KEY_ID` …); empty for a folder in `data`.",
    ] = ""
    file_max_bytes: Annotated[
        int, Meta(ge=1024), "Largest file, in bytes, that `POST /v1/files` takes."
    ] = 512 << 20
    files_max_bytes: Annotated[
        int, Meta(ge=0), "Most bytes of all files together; 0 for no limit."
    ] = 0
    files_max_bytes_per_key: Annotated[
        int,
        Meta(ge=0),
        "Most bytes of all files that were made with the same key; 0 for no limit.",
    ] = 0
    vector_memory: Annotated[
        int,
        Meta(ge=1 << 20),
        "Most bytes of the vectors of all vector stores that stay in memory; those of a larger "
        "store are read again by each search.",
    ] = 1 << 30
    training_spare_cores: Annotated[
        int, Meta(ge=0), "Cores that fine-tuning leaves to requests; it uses one at least."
    ] = 1
    public_url: Annotated[
        str,
        "The URL of this server for its clients, without `/v1`, if a proxy is in front "
        "of it; empty for the one that each request was sent to.",
    ] = ""
    image_url_lifetime: Annotated[
        float, Meta(gt=0), "Seconds until the URL of a made image expires."
    ] = 3600.0
    response_lifetime: Annotated[
        float,
        Meta(ge=0),
        "Seconds until a stored response expires; 0 for never.",
    ] = 30 * 86400.0
    offline: Annotated[bool, "Never download; use only local weights."] = False
    models: Annotated[
        tuple[ModelSpec, ...],
        "Models added to the built-in ones, or replacing those of the same id.",
    ] = ()
    builtin_models: Annotated[bool, "Offer the built-in models."] = True
    chat_model: Annotated[str, "The default model for chat and completions."] = (
        "smollm2-135m-instruct"
    )
    embedding_model: Annotated[str, "The default model for embeddings."] = "all-mpnet-base-v2"
    rerank_model: Annotated[
        str,
        "The default model for reranking; empty for the first reranker, or else the default "
        "model for embeddings.",
    ] = ""
    transcription_model: Annotated[
        str,
        "The default model for transcription; empty for the first that can do it.",
    ] = ""
    speech_model: Annotated[
        str, "The default model for speech; empty for the first that can do it."
    ] = ""
    image_model: Annotated[
        str,
        "The default model for images; empty for the first that can make them.",
    ] = ""
    moderation_model: Annotated[
        str,
        "The default model for moderation; empty for the default embedding model if it "
        "can do it, and else the first that can.",
    ] = ""
    image_moderation_model: Annotated[
        str,
        "The default model for images in moderations; empty for the first that can score them.",
    ] = ""
    moderation_thresholds: Annotated[
        dict[str, Annotated[float, Meta(ge=0, le=1)]],
        "The score from which on a category is flagged, by its name; those of the model for "
        "the others.",
    ] = dataclasses.field(default_factory=dict)
    sd_webui_url: Annotated[
        Secret | None,
        "The address of a Stable Diffusion web UI, or several with commas between, "
        "for the model `sd-webui`. The variable `SD_WEBUI_URL` has the same effect.",
    ] = None
    embedding_device: Annotated[
        str, "Device for embeddings and rerankers: cpu or cuda, if the engine supports it."
    ] = "cpu"
    default_aliases: Annotated[
        bool,
        "Names that apps hard-code, such as gpt-4o, refer to the default models.",
    ] = True
    listed_aliases: Annotated[
        tuple[str, ...],
        "Aliases that `GET /v1/models` lists beside the ids, for apps that look for a name there.",
    ] = ()
    preload: Annotated[
        tuple[str, ...],
        "Models to load at the start: names, `default` for the default chat model, `all` for each.",
    ] = ()
    memory_budget: Annotated[
        str, "Memory for loaded models: a share of all memory, or bytes (`6GiB`)."
    ] = "80%"
    idle_timeout: Annotated[
        float,
        Meta(ge=0),
        "Seconds after which an unused model is unloaded; 0 for never.",
    ] = 1800.0
    max_queue: Annotated[
        int,
        Meta(ge=0),
        "Requests that may wait for each model before more are refused.",
    ] = 256
    queue_timeout: Annotated[float, Meta(gt=0), "Seconds a request may wait for its turn."] = 120.0
    ping_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds until the process of a model that works on requests must answer a ping; "
        "then it is killed.",
    ] = 60.0
    progress_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds that a model may work on requests without any progress until its process "
        "is killed.",
    ] = 300.0
    load_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds that the process of a model may neither compute nor read while it loads; "
        "then it is killed.",
    ] = 60.0
    grace_timeout: Annotated[
        float, Meta(ge=0), "Seconds that running requests get to finish on SIGTERM."
    ] = 30.0

    def __init__(self, *, _env_file: str | None = ".env", **values: Any) -> None:
        """The values, and below them those of the environment, of `_env_file` and the defaults.

        Raises ConfigError.
        """
        self._read({}, _env_file, values)

    @classmethod
    def from_file(cls, file: Path, **values: Any) -> Settings:
        """The same, with the values of a TOML file above the defaults."""
        settings = cls.__new__(cls)
        settings._read(from_file(file, _names()), ".env", values)
        return settings

    def _read(self, file: dict[str, Any], env_file: str | None, given: dict[str, Any]) -> None:
        names = _names()
        if unknown := given.keys() - set(names):
            raise TypeError(f"there is no setting {min(unknown)!r}")
        values = file | from_environment(names, _LISTS, _MORE_NAMES, env_file) | given
        for name in _switches():
            if isinstance(text := values.get(name), str):
                values[name] = _switch(name, text)
        try:
            made = msgspec.convert(values, type(self), strict=False, dec_hook=converted)
        except msgspec.ValidationError as error:
            raise readable(error) from None
        vars(self).update(vars(made), _given=frozenset(values))
        self._check()

    def _check(self) -> None:
        for name, value in vars(self).items():
            if value == math.inf:
                raise ConfigError(f"{name}: a finite number is expected")
        for name, check in CHECKS.items():
            try:
                check(getattr(self, name))
            except ValueError as error:
                raise ConfigError(f"{name}: {error}") from None
        if self.web_search == "searxng" and not self.web_search_url:
            raise ConfigError("web_search: SearXNG needs its address, in 'web_search_url'")
        vars(self)["public_url"] = self.public_url.rstrip("/")

    @property
    def given(self) -> frozenset[str]:
        """The names of the settings that have a value from anywhere but the defaults."""
        names: frozenset[str] = vars(self)["_given"]
        return names

    @property
    def keys(self) -> tuple[str, ...]:
        """All accepted keys, in plain text."""
        single = (self.api_key,) if self.api_key and self.api_key.reveal() else ()
        return tuple(key.reveal() for key in (*single, *self.api_keys))

    @property
    def on_loopback(self) -> bool:
        return self.host in LOOPBACK or _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, or what only looks like an address
        return False


def load_settings(file: Path | None = None, **flags: Any) -> Settings:
    """Settings from every source; `flags` that are None were not given.

    `file` replaces `openedai.toml` of the working directory. Raises ConfigError.
    """
    path = file or Path(os.environ.get("OPENEDAI_CONFIG", CONFIG_FILE))
    if not path.is_file() and (file or "OPENEDAI_CONFIG" in os.environ):
        raise ConfigError(f"There is no configuration file {path}.")
    given = {name: value for name, value in flags.items() if value is not None}
    return Settings.from_file(path, **given) if path.is_file() else Settings(**given)


def _names() -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(Settings))


def _switches() -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(Settings) if isinstance(f.default, bool))


def _switch(name: str, text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ConfigError(f"{name}: expected true or false")
    return text.lower() in _YES
