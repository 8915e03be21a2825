"""The pages about other projects' clients, against the programs and pins that are run."""

from __future__ import annotations

import re

from tests.clients.environments import CLIENTS, NODE, versions
from tests.docs.pages import ROOT, code_words, section, tables

PART = re.compile(r"^<!-- not run: it is a part of (\S+) -->\n```\w+\n(.*?)^```$", re.M | re.S)


def programs() -> set[str]:
    """The programs of clients, from the root."""
    found = (*CLIENTS.glob("*/*.py"), *CLIENTS.glob("*/*.mjs"))
    return {str(program.relative_to(ROOT)) for program in found}


def pinned() -> dict[str, set[str]]:
    """For each client that has a program: the versions in its files of pins."""
    found: dict[str, set[str]] = {}
    for pins in (*CLIENTS.glob("*/requirements*.txt"), *CLIENTS.glob("*/package.json")):
        if pins != NODE:
            documented = {name: number for name, number in versions(pins).items() if name != "zod"}
            found.setdefault(pins.parent.name, set()).update(documented.values())
    return found


def test_the_table_has_the_versions_that_are_run() -> None:
    (table,) = tables(section("README.md", "Applications"))
    shown, stated = set(), dict[str, set[str]]()
    for row in table:
        (program,) = re.findall(r"\]\((\S+)\)", row[0])
        shown.add(program)
        stated.setdefault((ROOT / program).parent.name, set()).update(code_words(row[1]))
    assert shown == programs()
    assert stated == pinned()


def test_every_program_is_run_by_a_test() -> None:
    tests = "".join(file.read_text("utf-8") for file in CLIENTS.glob("test_*.py"))
    run = re.findall(r'\brun\(\s*"([\w-]+)"(?:[^()]*\bprogram="(\w+)")?', tests)
    assert {(client, program or "main") for client, program in run} == {
        ((ROOT / program).parent.name, (ROOT / program).stem) for program in programs()
    }


def test_examples_are_parts_of_the_programs() -> None:
    parts = PART.findall((ROOT / "docs/clients.md").read_text("utf-8"))
    assert parts
    for program, code in parts:
        assert _flat(code) in _flat((ROOT / program).read_text("utf-8")), code


def _flat(code: str) -> str:
    """Without indentation."""
    return re.sub(r"^ +", "", code, flags=re.MULTILINE)
