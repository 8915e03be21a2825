"""Calls in every format, text without calls, and truncated or malformed calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openedai.contract.chat import Tool
from openedai.contract.generate import TextDelta, ToolCallDelta
from tests.prompts.reading.answers import call_reader, fold, read
from tests.prompts.reading.chunks import POSITIONS, all_splits, split_at

WEATHER = Tool(
    name="get_weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    },
)
TIME = Tool(name="get_time")
TOOLS = (WEATHER, TIME, Tool(name="get"))
RECORDED = json.loads(Path(__file__).with_name("qwen2.5_coder_0.5b.json").read_text("utf-8"))

PARIS = '{"city": "Paris"}'
CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
LLAMA = '{"name": "get_weather", "parameters": {"city": "Paris"}}'
ROME = '{"name": "get_weather", "arguments": {"city": "Rome"}}'
ONE = [("get_weather", PARIS)]
TWO = [*ONE, ("get_weather", '{"city": "Rome"}')]
NASTY = r'{"city": "}\"]\\", "note": "</tool_call>``` é \u00e9", "n": [1, {"a": [null, -1.5e3]}]}'

FORMATS = {
    "hermes": (f"<tool_call>\n{CALL}\n</tool_call>", ONE),
    "hermes, two": (f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{ROME}\n</tool_call>", TWO),
    "hermes, a list": (f"<tool_call>[{CALL}, {ROME}]</tool_call>", TWO),
    "hermes, lines": (f"<tool_call>\n{CALL}\n{ROME}\n</tool_call>", TWO),
    "hermes, not closed": (f"<tool_call>\n{CALL}\n", ONE),
    "hermes, a brace short": (f"<tool_call>\n{CALL[:-1]}\n</tool_call>\n", ONE),
    "hermes, no arguments": ('<tool_call>{"name": "get_time"}</tool_call>', [("get_time", "{}")]),
    "tools tag": (f"<tools>\n{CALL}\n</tools>", ONE),
    "llama": (LLAMA, ONE),
    "llama, tag": (f"<|python_tag|>{LLAMA}", ONE),
    "llama, two": (f"<|python_tag|>{LLAMA}; {ROME}", TWO),
    "llama, bare, two": (f"{LLAMA};{ROME}", TWO),
    "llama, typed": ('{"type": "function", "name": "get", "parameters": {}}', [("get", "{}")]),
    "llama, function": (f"<function=get_weather>{PARIS}</function>", ONE),
    "mistral": (f"[TOOL_CALLS][{CALL}]", ONE),
    "mistral, two": (f"[TOOL_CALLS] [{CALL}, {ROME}]", TWO),
    "mistral, ids": (f'[TOOL_CALLS][{CALL[:-1]}, "id": "9aBc"}}]', ONE),
    "mistral, args": (f"[TOOL_CALLS]get_weather[ARGS]{PARIS}", ONE),
    "mistral, args, two": (f"[TOOL_CALLS]get_weather[ARGS]{PARIS}[TOOL_CALLS]get[ARGS]{{}}",
                           [*ONE, ("get", "{}")]),
    "deepseek": ("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>" + PARIS +
                 "<｜tool▁call▁end｜><｜tool▁call▁begin｜>get<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
                 "<｜tool▁calls▁end｜>", [*ONE, ("get", "{}")]),
    "fence": (f"```json\n{CALL}\n```", ONE),
    "fence, no language": (f"```\n{CALL}\n```\n", ONE),
    "fence, a list": (f"```json\n[\n  {CALL},\n  {ROME}\n]\n```", TWO),
    "fence, in a tag": (f"<tool_call>\n```json\n{CALL}\n```\n</tool_call>", ONE),
    "two fences": (f"```json\n{CALL}\n```\n\n```json\n{ROME}\n```", TWO),
    "bare": (CALL, ONE),
    "bare, in lines": ('{\n  "name": "get_weather",\n  "arguments": {\n    "city": "Paris"\n  }\n}',
                       [("get_weather", '{\n    "city": "Paris"\n  }')]),
    "bare, a list": (f"[{CALL},\n{ROME}]", TWO),
    "as the API writes it": (f'{{"type": "function", "function": {CALL}}}', ONE),
    "named by function": ('{"function": "get_weather", "arguments": ' + PARIS + "}", ONE),
    "named by tool_name": ('{"tool_name": "get_weather", "parameters": ' + PARIS + "}", ONE),
    "arguments first": ('{"arguments": ' + PARIS + ', "name": "get_weather"}', ONE),
    "arguments as a string": (json.dumps({"name": "get_weather", "arguments": PARIS}), ONE),
    "arguments null": ('{"name": "get_time", "arguments": null}', [("get_time", "{}")]),
    "nasty arguments": ('{"name": "get", "arguments": ' + NASTY + "}", [("get", NASTY)]),
    "qwen3 xml": ("<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n"
                  "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
                  [("get_weather", '{"city": "Paris", "days": 3}')]),
    "qwen3 xml, no tag": ("<function=get_weather><parameter=city>a\n\"b\"</parameter></function>",
                          [("get_weather", '{"city": "a\\n\\"b\\""}')]),
    "qwen3 xml, no arguments": ("<tool_call>\n<function=get_time>\n</function>\n</tool_call>",
                                [("get_time", "{}")]),
}  # fmt: skip

TEXTS_WITHOUT_CALLS = (
    "",
    " \n",
    "Hello, how are you?\n\n",
    '{"answer": 42, "list": [1, 2]}',
    '{"name": "Alice", "arguments": {"city": "Paris"}}',
    '{"name": "get_weather"}',
    '{"name": "get_weather", "city": "Paris"}',
    '{"name": "get_weather", "arguments": "Paris"}',
    '{"name": "get_weather", "arguments": [1]}',
    '{"arguments": {"city": "Paris"}}',
    '{"arguments": {"city": "Paris"}, "name": "other"}',
    f'{{"plan": [\n{CALL}\n]}}',
    f'[1, {CALL}]',
    f'<tool_call>\n{{"name": "unknown", "arguments": {CALL}}}\n</tool_call>\n',
    '```json\n{"name": "unknown", "arguments": {}}\n```',
    "```python\nprint({'name': 'get_weather'}[0])\n```",
    "<tool_call>none</tool_call>",
    "<function=unknown>{}</function>",
    "<function=get_weather>Paris</function>",
    "[TOOL_CALLS]unknown[ARGS]{}",
    "[TOOL_CALLS]",
    "<|python_tag|>brave_search.call(query=\"x\")",
    "int f() { return a[0] < b; } `x` [link](url) $\\frac{1}{2}$",
    "{" * 300 + '"name"' + "[" * 300,
    '{"name": "get_weather", "arguments"',
    "<tool_ca",
)  # fmt: skip


@pytest.mark.parametrize("tool_call_format", FORMATS)
def test_calls_in_every_format(tool_call_format: str) -> None:
    text, calls = FORMATS[tool_call_format]
    for chunks in all_splits(text):
        assert read(TOOLS, chunks) == ("", calls, True)


@pytest.mark.parametrize("tool_call_format", FORMATS)
def test_text_around_calls(tool_call_format: str) -> None:
    text, calls = FORMATS[tool_call_format]
    for chunks in all_splits(f"Let me see:\n\n{text}"):
        assert read(TOOLS, chunks) == ("Let me see:", calls, True)
    for chunks in all_splits(f"\n{text}\n\nDone, so {{far}}.\n"):
        answer, made, complete = read(TOOLS, chunks)
        assert (answer.lstrip(), made, complete) == ("Done, so {far}.\n", calls, True)


@pytest.mark.parametrize("text", TEXTS_WITHOUT_CALLS)
def test_text_without_calls_is_unchanged(text: str) -> None:
    for chunks in [
        [text],
        list(text),
        *(split_at(text, [position]) for position in range(0, len(text), 7)),
    ]:
        assert read(TOOLS, chunks) == (text, [], False)


FRAGMENTS = (
    "<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", "```json\n", "```", "\n", " ",
    "{", "}", "{}", "[", "]", ",", ":", ";", "a", '"', "\\", '{"a": 1}', '{"name": "get", ',
    '"arguments": ', '{"function": ', '"x"', "get[ARGS]", "<function=get>", "<parameter=x>",
    "</parameter>", "</function>",
)  # fmt: skip
ANSWERS = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)


@given(ANSWERS, POSITIONS)
@example('[TOOL_CALLS]get[ARGS]{}{"', [20])
def test_the_split_does_not_matter(text: str, positions: list[int]) -> None:
    assert read(TOOLS, split_at(text, positions)) == read(TOOLS, [text]) == read(TOOLS, list(text))


@given(ANSWERS, POSITIONS)
def test_without_tools_everything_is_text(text: str, positions: list[int]) -> None:
    assert read((), split_at(text, positions)) == (text, [], False)


OBJECTS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    ),
    max_size=3,
)


@given(OBJECTS, st.sampled_from([None, 0, 2]), st.booleans(), POSITIONS)
def test_arguments_are_passed_on_verbatim(
    arguments: dict[str, Any], indent: int | None, ascii_only: bool, positions: list[int]
) -> None:
    written = json.dumps(arguments, indent=indent, ensure_ascii=ascii_only)
    text = f'<tool_call>\n{{"name": "get", "arguments": {written}}}\n</tool_call>'
    assert read(TOOLS, split_at(text, positions)) == ("", [("get", written)], True)


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: record["question"][:30])
def test_recorded_answers(record: dict[str, Any]) -> None:
    """What Qwen2.5-Coder-0.5B really wrote, in the chunks in which it arrived."""
    tools = [Tool(name=name) for name in record["tools"]]
    calls = [(call["name"], call["arguments"]) for call in record["calls"]]
    for chunks in (record["pieces"], *all_splits("".join(record["pieces"]))):
        text, made, complete = read(tools, chunks)
        assert text == record["content"]
        assert [(name, json.loads(arguments)) for name, arguments in made] == calls
        assert complete is bool(calls)


def test_arguments_are_passed_on_as_they_come() -> None:
    reader = call_reader(TOOLS)
    assert reader.feed('<tool_call>{"name": "get_weather", "argum') == []
    assert reader.feed('ents": ') == []
    assert reader.feed("{") == [
        ToolCallDelta(index=0, id="call_0", name="get_weather"),
        ToolCallDelta(index=0, arguments="{"),
    ]
    assert reader.feed('"city": "Pa') == [ToolCallDelta(index=0, arguments='"city": "Pa')]
    assert reader.feed('ris"}}') == [ToolCallDelta(index=0, arguments='ris"}')]
    assert reader.has_complete_calls
    assert reader.feed("</tool_call>") == reader.flush() == []


def test_ordinary_text_is_not_held_back() -> None:
    reader = call_reader(TOOLS)
    for chunk in (
        "Hello",
        " world",
        "!\n\n1 <",
        " 2",
        " {x",
        "} `a`",
        " [1]",
        " ``",
        "`python",
        "\na",
    ):
        text = "".join(event.text for event in reader.feed(chunk) if isinstance(event, TextDelta))
        assert text.strip()[-1:] == chunk.strip(" `<")[-1:] or chunk in ("!\n\n1 <", " ``")
    for chunk in ('{"city"', ': "Par', "is and", ' more"'):
        assert fold(reader.feed(chunk))[0].endswith(chunk)


@pytest.mark.parametrize("end", range(len('{"name": "get_weather", "arguments": {'), len(CALL) - 1))
def test_an_answer_truncated_in_its_arguments(end: int) -> None:
    """What was passed on stays; the call is complete once its arguments are."""
    for chunks in ([CALL[:end]], list(CALL[:end])):
        text, calls, complete = read(TOOLS, chunks)
        assert (text, calls) == ("", [("get_weather", CALL[37:end])])
        assert complete is (end == len(CALL) - 1)


def test_an_answer_truncated_in_the_second_call() -> None:
    text = f"<tool_call>{CALL}</tool_call><tool_call>{ROME[:-4]}"
    for chunks in all_splits(text):
        assert read(TOOLS, chunks) == ("", [*ONE, ("get_weather", '{"city": "Rom')], False)


def test_truncated_xml() -> None:
    text = "<function=get_weather><parameter=city>Rome</parameter><parameter=days>1"
    for chunks in all_splits(text):
        assert read(TOOLS, chunks) == ("", [("get_weather", '{"city": "Rome"')], False)


@pytest.mark.parametrize(
    "arguments", ["{city: 1}", '{"city": }', '{"a": 1,}', '{"a": "\n"}', '{"a": [1}', "{'a': 1}"]
)
def test_malformed_arguments(arguments: str) -> None:
    for chunks in all_splits(f'<tool_call>{{"name": "get", "arguments": {arguments}}}</tool_call>'):
        _, calls, complete = read(TOOLS, chunks)
        assert not complete
        assert calls[0][0] == "get"
        assert arguments.startswith(calls[0][1])


@pytest.mark.parametrize("tool_call_format", FORMATS)
def test_only_the_first_call_without_parallel_calls(tool_call_format: str) -> None:
    text, calls = FORMATS[tool_call_format]
    for chunks in all_splits(f"So: {text} and {CALL} more"):
        assert read(TOOLS, chunks, parallel=False) == ("So:", calls[:1], True)


def test_white_space_is_dropped_next_to_calls_only() -> None:
    text = f"One \n {CALL} \n {ROME}\n Two  \n"
    for chunks in all_splits(text):
        assert read(TOOLS, chunks) == ("One\n Two  \n", TWO, True)
