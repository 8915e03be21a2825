"""Grammars that would take a model's process along end another one, and are refused."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.chat import Tool
from openedai.contract.generate import Constraint, Grammar, JsonSchema, Regex
from openedai.engines.llama_cpp.checking.checker import GrammarChecker
from openedai.engines.llama_cpp.checking.grammar import GrammarSpec
from openedai.errors import InvalidRequest
from tests.support import wait_until

CALL = '{"name": "f", "arguments": '


@pytest.fixture(scope="module")
def checker() -> Iterator[GrammarChecker]:
    found = GrammarChecker()
    yield found
    found.close()


def chain(length: int) -> dict[str, Any]:
    """Definitions of which each refers to the next one."""
    links = {f"d{at}": {"items": {"$ref": f"#/$defs/d{at + 1}"}} for at in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**links, f"d{length}": {"type": "null"}}}


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def branches(count: int) -> list[Any]:
    return [{"properties": {"k": {"const": f"v{at}"}}, "required": ["k"]} for at in range(count)]


def rules(length: int) -> str:
    names = [f"r{at}" for at in range(length)]
    pairs = zip(names, [*names[1:], '"c"'], strict=True)
    return "root ::= r0\n" + "".join(f'{name} ::= "a" {after} | "b"\n' for name, after in pairs)


HOSTILE: dict[str, Constraint] = {
    "optional letters": Grammar(gbnf=f'root ::= {"x " * 40}\nx ::= "a"? "b"? "c"? | "a"? "b"?'),
    "optional groups": Regex(pattern="(a?b?c?|a?b?)" * 40),
    "a large class": Regex(pattern=f"[{''.join(chr(0x4E00 + 2 * at) for at in range(10_000))}]"),
    "repeats": Regex(pattern="".join(f"a{{{at},{at + 5}}}" for at in range(3000))),
    "long rules": Grammar(gbnf=rules(3000)),
    "nondeterminism": Regex(pattern="(a|b)*a(a|b){3000}"),
    "a long pattern": JsonSchema(schema={"type": "string", "pattern": "a" * 65_000}),
    "many items": JsonSchema(schema={"prefixItems": [{"type": "integer"}] * 5000}),
    "many values": JsonSchema(schema={"enum": [f"value {at}" for at in range(50_000)]}),
    "large values": JsonSchema(schema={"enum": [{"a": [at, at]} for at in range(20_000)]}),
    "a large value": JsonSchema(schema={"const": nested("x" * 10_000_000, 95)}),
    "a deep value": JsonSchema(schema={"const": nested(1, 500)}),
    "many properties": JsonSchema(
        schema={"properties": {f"p{at}": {"type": "string"} for at in range(5000)}}
    ),
    "many branches": JsonSchema(schema={"type": "object", "oneOf": branches(300)}),
    "products": JsonSchema(schema={"allOf": [{"anyOf": branches(10)}] * 8}),
    "intersections": JsonSchema(
        schema={"type": "string", "allOf": [{"pattern": f"a.{{{at}}}b"} for at in range(2, 30)]}
    ),
    "patterns of names": JsonSchema(
        schema={"patternProperties": {f"^a{at}b": {} for at in range(500)}}
    ),
    "multiples": JsonSchema(schema={"type": "number", "multipleOf": 123456789}),
    "a chain": JsonSchema(schema=chain(5000)),
    "a doubling": JsonSchema(
        schema={
            "$ref": "#/$defs/d0",
            "$defs": {
                f"d{at}": {"anyOf": [{"$ref": f"#/$defs/d{at + 1}"}, {"minLength": at}] * 2}
                for at in range(40)
            }
            | {"d40": {}},
        }
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_every_grammar_is_written_or_refused(checker: GrammarChecker, name: str) -> None:
    with suppress(InvalidRequest):
        checker.lark(GrammarSpec(constraint=HOSTILE[name]))
    assert checker.lark(GrammarSpec(constraint=Regex(pattern="yes")))


@pytest.mark.parametrize("name", ["multiples", "patterns of names"])
def test_what_ends_the_process_is_remembered(checker: GrammarChecker, name: str) -> None:
    for _ in range(3):
        with pytest.raises(InvalidRequest, match="too complex"):
            checker.lark(GrammarSpec(constraint=HOSTILE[name]))


def test_what_llguidance_refuses_names_the_parameter(checker: GrammarChecker) -> None:
    schema = {"oneOf": [{"type": "integer"}, {"type": "number"}]}
    tool = Tool(name="f", parameters={"type": "object", "properties": {"a": schema}}, strict=True)
    with pytest.raises(InvalidRequest, match="oneOf") as caught:
        checker.lark(GrammarSpec(constraint=JsonSchema(schema=schema)))
    assert (caught.value.code, caught.value.param) == ("invalid_json_schema", "response_format")
    for spec in (
        GrammarSpec(tools=(tool,), required=True),
        GrammarSpec(tools=(tool,), from_call=True),
    ):
        with pytest.raises(InvalidRequest, match=r"function 'f'.*oneOf") as caught:
            checker.lark(spec)
        assert (caught.value.code, caught.value.param) == ("invalid_function_parameters", "tools")


def test_tools_that_are_not_strict_get_any_object(checker: GrammarChecker) -> None:
    schema = {"properties": {"a": {"oneOf": [{"type": "integer"}, {"type": "number"}]}}}
    tools = (Tool(name="f", parameters=schema), Tool(name="g", parameters={"type": "object"}))
    lark = checker.lark(GrammarSpec(tools=tools, required=True))
    assert "oneOf" not in lark
    assert "g" in lark


def test_it_goes_on_when_its_process_is_killed() -> None:
    checker = GrammarChecker()
    assert checker.lark(GrammarSpec(constraint=Regex(pattern="a")))
    process = checker.process_id
    assert process is not None
    os.kill(process, signal.SIGKILL)
    assert checker.lark(GrammarSpec(constraint=Regex(pattern="b")))
    assert checker.process_id != process
    checker.close()
    assert checker.process_id is None
    checker.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into the process's pipe")
def test_it_goes_on_when_its_process_is_killed_before_it_has_read_a_grammar() -> None:
    schema = JsonSchema(schema={"description": "x" * 68_000})  # a little more than a pipe holds
    with closing(GrammarChecker()) as checker, ThreadPoolExecutor(1) as thread:
        assert checker.lark(GrammarSpec(constraint=Regex(pattern="a")))
        process = checker.process_id
        assert process is not None
        os.kill(process, signal.SIGSTOP)
        written = thread.submit(checker.lark, GrammarSpec(constraint=schema))
        with Path(f"/proc/{process}/fd/0").open("rb", buffering=0) as pipe:
            wait_until(lambda: any(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))))
        os.kill(process, signal.SIGKILL)
        assert written.result(60)
        assert checker.process_id != process
