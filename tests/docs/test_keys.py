"""docs/keys.md agrees with the code."""

from __future__ import annotations

import dataclasses

from typer.main import get_command

from openedai.api.endpoint_groups import GROUPS, endpoint_group
from openedai.cli.keys.commands import keys_app
from openedai.store.keys.records import ApiKey
from tests.docs.pages import ROOT, code_words, section, tables

PAGE = "docs/keys.md"


def test_every_group_is_listed_with_its_urls() -> None:
    (table,) = tables(section(PAGE, "Groups of URLs"))
    assert [code_words(row[0])[0] for row in table] == list(GROUPS)
    for group, urls in table:
        for url in code_words(urls):
            if url.startswith("/"):
                assert endpoint_group(url.rstrip("…")) == code_words(group)[0], url


def test_every_option_is_listed() -> None:
    (table, *_) = tables((ROOT / PAGE).read_text("utf-8"))
    listed = {code_words(row[0])[0] for row in table}
    create = get_command(keys_app).commands["create"]  # type: ignore[attr-defined]
    options = {option for one in create.params for option in one.opts if option.startswith("--")}
    assert listed == options - {"--config"}


def test_every_value_of_a_key_is_listed() -> None:
    words = set(code_words((ROOT / PAGE).read_text("utf-8")))
    assert {field.name for field in dataclasses.fields(ApiKey)} | {"state"} <= words
