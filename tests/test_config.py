"""Where settings come from, and which source wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from openedai.config import ConfigError, Settings, load_settings, memory_bytes


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENEDAI_PORT", "OPENEDAI_CONFIG", "OPENEDAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_each_source_beats_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().port == 5001
    Path("openedai.toml").write_text("port = 1")
    assert load_settings().port == 1
    Path(".env").write_text("OPENEDAI_PORT=2")
    assert load_settings().port == 2
    monkeypatch.setenv("OPENEDAI_PORT", "3")
    assert load_settings().port == 3
    assert load_settings(port=4).port == 4
    assert load_settings(port=None).port == 3


def test_lists_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENEDAI_PRELOAD", '["a", "b"]')
    assert load_settings().preload == ("a", "b")
    monkeypatch.setenv("OPENEDAI_PRELOAD", "a,b")
    with pytest.raises(ConfigError, match='written as JSON, such as \\["first"'):
        load_settings()


def test_models_in_the_file() -> None:
    Path("openedai.toml").write_text(
        '[[models]]\nid = "a"\nengine = "echo"\naliases = ["b"]\noptions = { delay = 1.5 }\n'
    )
    (model,) = load_settings().models
    assert (model.id, model.aliases, model.options) == ("a", ("b",), {"delay": 1.5})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("port = ", "not valid TOML"),
        ('port = "high"', "port"),
        ("prot = 1", "unknown setting `prot`"),
        ("port = 70000", "port"),
        ('memory_budget = "lots"', "memory_budget: not an amount of memory: 'lots' .write 80%"),
        ('log_level = "loud"', "log_level: 'loud' is not one of debug, info, warning, error"),
        ('tunnel = "x"', "tunnel: 'x' is not one of cloudflared, ngrok, tailscale, ssh"),
        ('[[models]]\nengine = "echo"', "models.0.id"),
        ('[[models]]\nid = "a"\nengine = "echo"\ncolour = 1', "models.0.colour"),
        ('memory_budget = "inf"', "memory_budget"),
        ('memory_budget = "1e400"', "memory_budget"),
        ("grace_timeout = inf", "grace_timeout: a finite number"),
        ("grace_timeout = nan", "grace_timeout"),
        ("queue_timeout = inf", "queue_timeout: a finite number"),
        ("idle_timeout = inf", "idle_timeout: a finite number"),
        ("port = true", "port"),
        ("port = false", "port"),
        ("max_queue = true", "max_queue"),
        ('api_keys = [""]', "api_keys"),
        ('api_keys = ["sk-a", " sk-b"]', "api_keys"),
        ('api_key = " "', "api_key"),
    ],
)
def test_mistakes_are_named(text: str, complaint: str) -> None:
    Path("openedai.toml").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_settings()


@pytest.mark.parametrize("file", ["openedai.toml", ".env"])
def test_files_that_are_not_utf8_are_named(file: str) -> None:
    Path(file).write_bytes(b'host = "\xff"')
    with pytest.raises(ConfigError, match=file):
        load_settings()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "127.255.0.9", "::1")),
        *((host, False) for host in ("127.example.org", "127.0.0.1.nip.io", "0.0.0.0", "::", "")),
        *((host, False) for host in ("127.", "127.0.0.1 ", "10.0.0.1", "::ffff:10.0.0.1")),
    ],
)
def test_hosts_on_loopback(host: str, expected: bool) -> None:
    assert Settings(_env_file=None, host=host).on_loopback is expected


def test_a_named_file_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_settings(Path("none.toml"))
    monkeypatch.setenv("OPENEDAI_CONFIG", "other.toml")
    with pytest.raises(ConfigError, match=r"other\.toml"):
        load_settings()
    Path("other.toml").write_text("port = 7")
    assert load_settings().port == 7


def test_keys_stay_secret() -> None:
    settings = Settings(_env_file=None, api_key="sk-one", api_keys=("sk-two",))
    assert settings.keys == ("sk-one", "sk-two")
    assert "sk-" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "value"),
    [("50%", 500), ("1KiB", 1024), ("2 MB", 2_000_000), ("1.5gib", 3 << 29), ("123", 123)],
)
def test_amounts_of_memory(text: str, value: int) -> None:
    assert memory_bytes(text, total=1000) == value


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "110%", "5 apples", "GiB", "nan", "inf", "inf%", "1e999GiB"]
)
def test_no_amounts_of_memory(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        memory_bytes(text, total=1000)
