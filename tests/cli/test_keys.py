"""`openedai keys`, beside a server that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from openedai.cli.commands import app
from openedai.cli.serve import refuse_open_server
from openedai.config import load_settings
from tests.cli.program import openedai
from tests.security.keys import ask
from tests.support import ServerThread, echo_settings

CONFIG = """
builtin_models = false
chat_model = "echo"
embedding_model = "echo"
data = "{folder}/data"
[[models]]
id = "echo"
engine = "echo"
aliases = ["parrot"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "openedai.toml").write_text(CONFIG.format(folder=tmp_path))
    return tmp_path


def keys(folder: Path, *arguments: str) -> Result:
    """The same in this process."""
    options = ["--config", str(folder / "openedai.toml")]
    return CliRunner().invoke(app, ["keys", *arguments, *options], env={"COLUMNS": "200"})


def listed(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    found = json.loads(keys(folder, "list", "--json", *arguments).stdout)
    assert isinstance(found, list)
    return found


def test_keys_of_a_server_that_runs(folder: Path) -> None:
    with ServerThread(echo_settings(data=folder / "data")) as server:
        assert listed(folder) == []
        assert not (folder / "data").exists()
        assert ask(server, None).status == 200
        made = openedai("keys", "create", "shop", folder=folder)
        assert "From now on every request needs a key" in made.stderr
        assert "There is no admin key" in made.stderr
        secret = made.stdout.strip()
        assert ask(server, None).status == 401
        assert ask(server, secret).status == 200
        assert ask(server, secret, "/metrics").status == 403
        boss = keys(folder, "create", "boss", "--admin", "--json")
        assert "needs a key" not in boss.stderr
        assert "no admin key" not in boss.stderr
        assert ask(server, json.loads(boss.stdout)["key"], "/metrics").status == 200
        (found,) = [one for one in listed(folder) if one["name"] == "shop"]
        shown = keys(folder, "show", found["id"])
        assert found["hint"] in shown.stdout
        assert secret not in shown.stdout + keys(folder, "list").stdout
        revoked = openedai("keys", "revoke", found["id"], folder=folder)
        assert "is revoked" in revoked.stderr
        assert ask(server, secret).status == 401
        assert [one["name"] for one in listed(folder)] == ["boss"]
        assert [one["name"] for one in listed(folder, "--all")] == ["shop", "boss"]


def test_the_last_key_is_forgotten(folder: Path) -> None:
    with ServerThread(echo_settings(data=folder / "data")) as server:
        keys(folder, "create", "me", "--admin")
        (found,) = listed(folder)
        revoked = keys(folder, "revoke", found["id"])
        assert "No admin key is left" in revoked.stderr
        assert ask(server, None).status == 401
        forgotten = keys(folder, "forget")
        assert "Requests on this machine need no key now" in forgotten.stderr
        assert ask(server, None).status == 200
    assert "There are no keys that are accepted" in keys(folder, "list").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "key_1"], "No API key found with id 'key_1'"),
        (["revoke", "key_1"], "No API key found with id 'key_1'"),
        (["create", "a", "--project", "none"], "There is no project 'none'"),
        (["create", "a", "--expires", "30"], "'30' is not a duration such as"),
        (["create", "a", "--expires", "0d"], "'0d' is not a duration such as"),
        (["create", "a", "--endpoints", "chat,cats"], "there is no group 'cats'"),
        (["create", "a", "--endpoints", ","], "A list of names is empty"),
        (["create", "a", "--endpoints", "chat", "--admin"], "leave out --endpoints"),
        (["create", " "], "A key's name is a line"),
        (["create", "a", "--limit", "tokens_per_day"], "is not of the form tokens_per_day=100000"),
        (["create", "a", "--limit", "cats=1"], "There is no limit 'cats'"),
        (["create", "a", "--limit", "tokens_per_day=9999999999999999"], "is not from 0 to"),
        (["edit", "key_1"], "give at least one option, such as --limit"),
        (["edit", "key_1", "--expires", "soon"], "No API key found with id 'key_1'"),
        (["edit", "key_1", "--endpoints", "cats"], "there is no group 'cats'"),
        (["edit", "key_1", "--name", ""], "A key's name is a line"),
        (["edit", "key_1", "--limit", "tokens_per_day=1"], "No API key found with id 'key_1'"),
    ],
)
def test_what_is_not_valid(folder: Path, arguments: list[str], message: str) -> None:
    answer = keys(folder, *arguments)
    assert answer.exit_code == 1
    assert message in answer.stderr
    assert answer.stdout == ""


def test_projects(folder: Path) -> None:
    made = keys(folder, "create", "a", "--models", "parrot,cat", "--expires", "12h")
    assert "no model is named 'cat' in this configuration; openedai models list" in made.stderr
    typo = keys(folder, "create", "c", "--models", "echo,Parot")
    assert "is named 'Parot' in this configuration; did you mean 'parrot'?\n" in typo.stderr
    assert "'echo'" not in typo.stderr
    keys(folder, "revoke", listed(folder)[1]["id"])
    assert "There is a project 'a' already" in keys(folder, "create", "a").stderr
    assert keys(folder, "create", "b", "--project", "a", "--owner", "Ann").exit_code == 0
    first, second = listed(folder)
    assert first["project"] == second["project"]
    assert (first["models"], second["owner"]) == (["parrot", "cat"], "Ann")
    table = keys(folder, "list").stdout
    assert "api, only parrot, only cat" in " ".join(table.split())


def test_limits_are_made_changed_and_shown(folder: Path) -> None:
    limits = ("--limit", "tokens_per_day=100_000", "--limit", "storage_bytes=5000")
    made = json.loads(keys(folder, "create", "a", "--json", *limits).stdout)
    assert made["limits"] == {"tokens_per_day": 100_000}
    edited = keys(folder, "edit", made["id"], "--limit", "requests_at_once=2")
    assert "Its limits are: tokens_per_day=100000, requests_at_once=2." in edited.stderr
    shown = json.loads(keys(folder, "show", made["id"], "--json").stdout)
    assert shown["limits"] == {"tokens_per_day": 100_000, "requests_at_once": 2}
    assert shown["storage_bytes"] == 5000
    lines = keys(folder, "show", made["id"]).stdout.splitlines()
    assert "limits            tokens_per_day=100000, requests_at_once=2" in lines
    assert "storage_bytes     5000" in lines
    freed = keys(folder, "edit", made["id"], "--limit", "storage_bytes=0")
    assert "may keep any number of bytes" in freed.stderr
    keys(folder, "revoke", made["id"])
    gone = keys(folder, "edit", made["id"], "--limit", "tokens_per_day=1")
    assert "No API key found" in gone.stderr


def test_what_a_key_may_use_is_changed(folder: Path) -> None:
    made = json.loads(keys(folder, "create", "a", "--json", "--owner", "Ann").stdout)
    change = ("--models", "parrot,cat", "--endpoints", "chat", "--expires", "12h", "--name", "b")
    edited = keys(folder, "edit", made["id"], *change)
    assert "b (" in edited.stderr
    assert "may use from now on: chat, only parrot, only cat." in edited.stderr
    assert "no model is named 'cat'" in edited.stderr
    (key,) = listed(folder)
    assert (key["name"], key["owner"], key["project"]) == ("b", "Ann", made["project"])
    assert (key["models"], key["endpoints"]) == (["parrot", "cat"], ["chat"])
    assert key["expires_at"] > key["created_at"]
    keys(folder, "edit", made["id"], "--models", "*", "--expires", "never", "--owner", "")
    (key,) = listed(folder)
    assert (key["models"], key["expires_at"], key["owner"]) == (None, None, "")
    wrong = keys(folder, "edit", made["id"], "--expires", "soon", "--owner", "Eve")
    assert "'soon' is not a duration such as" in wrong.stderr
    boss = json.loads(keys(folder, "create", "boss", "--admin", "--json").stdout)
    refused = keys(folder, "edit", boss["id"], "--endpoints", "chat")
    assert "An admin key may do everything" in refused.stderr
    assert (key, boss["endpoints"]) == (listed(folder)[0], listed(folder)[1]["endpoints"])


def test_a_public_server_may_have_keys_of_the_database(folder: Path) -> None:
    settings = load_settings(folder / "openedai.toml", host="0.0.0.0")
    with pytest.raises(SystemExit):
        refuse_open_server(settings)
    keys(folder, "create", "a", "--admin")
    refuse_open_server(settings)
