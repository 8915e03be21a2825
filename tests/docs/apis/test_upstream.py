"""docs/upstream.md agrees with the code; its table of faults is tested with the engine."""

from __future__ import annotations

from typing import get_args

import pytest

from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.parameters.generation.other_servers import OtherServersBody, OtherServersChatBody
from openedai.contract.generate import LocalSampling
from openedai.engines.upstream.options import Server
from openedai.engines.upstream.servers import server_profile
from tests.docs.pages import code_words, section, tables

PAGE = "docs/upstream.md"
SERVERS: tuple[Server, ...] = get_args(Server)
# How the page names what has no name of its own.
WORDS = {
    "tokens as `prompt`": "prompt",
    "`strict` tools": "strict",
    "required calls": "tool_choice",
}


def rows(number: int) -> dict[str, list[str]]:
    table = tables(section(PAGE, "Servers"))[number]
    return {code_words(row[0])[0]: row[1:] for row in table}


def test_every_server_is_listed() -> None:
    assert tuple(rows(0)) == SERVERS


@pytest.mark.parametrize("server", SERVERS)
def test_samplers(server: Server) -> None:
    cell = rows(0)[server][1]
    documented = set(code_words(cell))
    known = set(server_profile(server).samplers)
    assert known == (
        set(LocalSampling.__struct_fields__) - documented if cell.startswith("all") else documented
    )


@pytest.mark.parametrize("server", SERVERS)
def test_grammars_and_patterns(server: Server) -> None:
    cell = rows(0)[server][2]
    assert cell.startswith("both") == (server_profile(server).grammar_fields is not None)
    assert cell.endswith("as a grammar") == (
        cell != "neither" and not server_profile(server).regex_fields
    )


@pytest.mark.parametrize("server", SERVERS)
def test_refused_parameters(server: Server) -> None:
    (cell,) = rows(1).get(server, [""])
    listed = {WORDS.get(part, part.strip("`")) for part in cell.split(", ") if part}
    assert listed == server_profile(server).missing


def test_image_parameters() -> None:
    (_, table) = tables(section(PAGE, "Audio and images"))
    listed = {code_words(server)[0]: code_words(names) for server, names in table}
    known = {server: [*server_profile(server).image_names] for server in SERVERS}
    assert {name: set(words) for name, words in listed.items()} == {
        name: set(words) for name, words in known.items() if words
    }


def test_official_parameters_that_are_passed_on() -> None:
    paragraph = section(PAGE, "Parameters").split(" One that says")[0]
    theirs = {*OtherServersBody.model_fields, *OtherServersChatBody.model_fields}
    assert set(code_words(paragraph)) == ChatCompletionRequest.passthrough_fields - theirs
