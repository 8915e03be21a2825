"""Tool call formats: detected in what a template rendered, and enforced by a grammar."""

from __future__ import annotations

from random import Random
from typing import get_args

import pytest

from openedai.contract.chat import Tool
from openedai.grammars.lark.rules import LarkRules
from openedai.prompts.tool_call_formats import ToolCallFormat, call_grammar, detect_native_format
from tests.grammars.llguidance_language import Language
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
    rules = LarkRules()

    def arguments(tool: Tool) -> str:
        body = r'"{\"city\": \"" /[a-z]{1,8}/ "\"}"' if tool.name == "get_weather" else '"{}"'
        return rules.add(body)

    return rules.text(
        call_grammar(
            TOOLS,
            tool_call_format,
            max_calls=16 if parallel else 1,
            rules=rules,
            arguments=arguments,
        )
    )


@pytest.mark.parametrize("tool_call_format", FORMATS)
@pytest.mark.parametrize("seed", range(5))
def test_what_a_grammar_allows_is_read_as_calls(
    tool_call_format: ToolCallFormat, seed: int
) -> None:
    single = Language(grammar(tool_call_format, parallel=False)).sample(Random(seed))
    assert single is not None
    text, calls, complete = read(TOOLS, [single])
    assert (text, len(calls), complete) == ("", 1, True)
    several = Language(grammar(tool_call_format, parallel=True))
    for count, accepted in ((2, True), (16, True), (17, False)):
        assert several.matches(_repeated(single, count, tool_call_format)) == accepted


def _repeated(single: str, count: int, tool_call_format: ToolCallFormat) -> str:
    if tool_call_format == "mistral":
        body = single.removeprefix("[TOOL_CALLS][").removesuffix("]")
        return f"[TOOL_CALLS][{', '.join([body] * count)}]"
    return {"llama3": "; ", "mistral_args": ""}.get(tool_call_format, "\n").join([single] * count)
