"""Tool call formats: detected in what a template rendered, and enforced by a grammar."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args

import pytest

from openedai.contract.chat import Tool
from openedai.contract.engine import Generator
from openedai.contract.generate import GenerateRequest, Grammar, Sampling, Text
from openedai.engines.load import load_engine
from openedai.grammars.gbnf import Rules
from openedai.prompts.tool_call_formats import ToolCallFormat, call_grammar, detect_native_format
from tests.events import collect, finish_of, text_of
from tests.prompts.reading.answers import read

TOOLS = (Tool(name="get_weather"), Tool(name="get_time"))
FORMATS: tuple[ToolCallFormat, ...] = get_args(ToolCallFormat)

PROBE = '{"probe_key": "probe_value"}'
CALL = f'{{"name": "probe_function", "arguments": {PROBE}}}'
SAMPLES = {
    "hermes": f"<|im_start|>assistant\n<tool_call>\n{CALL}\n</tool_call><|im_end|>\n",
    "llama3": f'<|end_header_id|>\n\n{{"name": "probe_function", "parameters": {PROBE}}}<|eot_id|>',
    "mistral": f'[INST] Hi[/INST][TOOL_CALLS] [{CALL[:-1]}, "id": "abcdefghi"}}]</s>',
    "mistral_args": f"[INST]Hi[/INST][TOOL_CALLS]probe_function[ARGS]{PROBE}</s>",
    "qwen3_xml": "<tool_call>\n<function=probe_function>\n<parameter=probe_key>\nprobe_value\n"
    "</parameter>\n</function>\n</tool_call><|im_end|>",
    "llama_function": f"<function=probe_function>{PROBE}</function>",
    "deepseek": f"<｜tool▁call▁begin｜>probe_function<｜tool▁sep｜>{PROBE}<｜tool▁call▁end｜>",
    "fenced": f"Action:\n```json\n[\n  {CALL}\n]\n```",
}


@pytest.mark.parametrize("native_format", SAMPLES)
def test_native_formats_are_detected(native_format: str) -> None:
    instruction = '<tools>\n{"name": "get_weather", "parameters": {"type": "object"}}\n</tools>\n'
    assert detect_native_format(instruction + SAMPLES[native_format]) == native_format
    _, calls, complete = read([Tool(name="probe_function")], [SAMPLES[native_format]])
    assert complete
    assert [name for name, _ in calls] == ["probe_function"]


@pytest.mark.parametrize(
    "sample",
    [
        "<|im_start|>assistant\n<|im_end|>\n",
        f"<calls>probe_function({PROBE})</calls>",
        '<tool_call>\n{"name": "get_weather", "arguments": {}}\n</tool_call>',
    ],
)
def test_other_formats_are_not_detected(sample: str) -> None:
    assert detect_native_format(sample) is None


def grammar(tool_call_format: ToolCallFormat, *, parallel: bool) -> str:
    rules = Rules()

    def arguments(tool: Tool) -> str:
        body = r'"{\"city\": \"" [a-z]{1,8} "\"}"' if tool.name == "get_weather" else '"{}"'
        return rules.add(f"{tool.name.replace('_', '-')}-arguments", body)

    return rules.text(
        call_grammar(TOOLS, tool_call_format, parallel=parallel, rules=rules, arguments=arguments)
    )


def test_the_grammar_of_one_call() -> None:
    text = grammar("hermes", parallel=False)
    assert r'"<tool_call>\n{\"name\": \"get_weather\"," call-space "\"arguments\":"' in text
    assert "calls ::= call\n" in text


def test_the_grammar_of_several_calls() -> None:
    assert 'calls ::= call ("; " call){0,15}' in grammar("llama3", parallel=True)
    assert 'calls ::= "[TOOL_CALLS][" call (", " call){0,15} "]"' in grammar(
        "mistral", parallel=True
    )
    assert "calls ::= call (call){0,15}" in grammar("mistral_args", parallel=True)


@pytest.mark.real
def test_what_a_grammar_allows_is_read_as_calls(smollm2_path: Path) -> None:
    """A model that was not trained on tools writes calls, and nothing else, in each format."""

    async def answers() -> dict[ToolCallFormat, list[tuple[str, bool]]]:
        options = {"slots": 1, "context": 1024, "threads": 1}
        engine = await load_engine("llama_cpp", "m", smollm2_path, options)
        assert isinstance(engine, Generator)

        async def write(gbnf: str) -> tuple[str, bool]:
            """An answer, and whether it is complete."""
            request = GenerateRequest(
                prompt=Text(text="Call a function:\n"),
                sampling=Sampling(temperature=1.0, seed=7),
                max_tokens=60,
                constraint=Grammar(gbnf=gbnf),
            )
            events = await collect(engine, request)
            return text_of(events), finish_of(events).reason == "stop"

        try:
            return {
                name: [await write(grammar(name, parallel=parallel)) for parallel in (False, True)]
                for name in FORMATS
            }
        finally:
            await engine.close()

    for (single, _), (parallel, finished) in asyncio.run(answers()).values():
        text, calls, complete = read(TOOLS, [single])
        assert (text, len(calls), complete) == ("", 1, True)
        text, calls, complete = read(TOOLS, [parallel])
        assert calls
        assert not finished or (complete and not text)
        assert parallel.endswith(text)
