"""The prompt formats: what they render, and the models they are for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.prompts.prompt_formats import detect_format, format_names, prompt_format
from tests.prompts.golden import COLOUR, GOLDEN, HELLO, HI, SYSTEM, SYSTEM_USER, TURNS, USER
from tests.prompts.rendering import Messages, render

CONVERSATIONS: list[Messages] = [USER, SYSTEM_USER, TURNS]
UNUSUAL: list[Messages] = [
    [SYSTEM],
    [SYSTEM, SYSTEM, HI],
    [HI, HI],
    [HI, HELLO],
    [HELLO, HI],
    [SYSTEM, HI, HELLO, SYSTEM, COLOUR],
]


def test_every_format_is_covered() -> None:
    assert set(GOLDEN) == set(format_names())


@pytest.mark.parametrize("name", format_names())
def test_rendered_conversations(name: str) -> None:
    assert tuple(render(name, messages) for messages in CONVERSATIONS) == GOLDEN[name]


@pytest.mark.parametrize("name", format_names())
@pytest.mark.parametrize("messages", UNUSUAL, ids=range(len(UNUSUAL)))
def test_no_message_is_lost(name: str, messages: Messages) -> None:
    text = render(name, messages)
    for message in messages:
        first = message["content"].strip().splitlines()[0]
        assert text.count(first) >= sum(first in other["content"] for other in messages)


@pytest.mark.parametrize("name", format_names())
def test_the_generation_prompt_is_optional(name: str) -> None:
    prompt, turns = render(name, TURNS), render(name, TURNS, generate=False)
    assert prompt.startswith(turns)
    assert (prompt == turns) == (name == "llama-2"), "[/INST] is the end of the user's turn there"


@given(st.text(), st.text())
def test_a_blank_line_ends_each_turn_of_raven(first: str, second: str) -> None:
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": f"a{first}b"},
        {"role": "assistant", "content": f"c{second}d"},
        HI,
    ]
    turns = render("rwkv-raven", messages).split("\n\n")
    assert [turn[:6] for turn in turns[1:2]] == ["Bob: a"]
    assert [turn[:8] for turn in turns[2:]] == ["Alice: c", "Bob: Hi ", "Alice:"]


def test_the_next_turn_begins_with_a_stop_string() -> None:
    """So an answer ends there even if the model does not end its turn."""
    for name in format_names():
        stop = prompt_format(name).stop
        assert stop
        assert all(stop), name
        after_answer = render(name, TURNS).split("Hello!", 1)[1]
        assert any(string in f"\n{after_answer}" for string in stop), name


def test_the_error_for_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'chat'.*alpaca.*plain"):
        prompt_format("chat")


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("TheBloke/vicuna-7B-1.1-GPTQ", "vicuna-1.1"),
        ("lmsys/vicuna-13b-v1.5", "vicuna-1.1"),
        ("vicuna-13b-v1.3.Q4_K_M.gguf", "vicuna-1.1"),
        ("vicuna-13b-v0", "plain"),
        ("koala-13B-HF", "koala"),
        ("gpt4-x-alpaca-13b-native-4bit-128g", "gpt4-x-alpaca"),
        ("GPT4_x_Alpaca", "gpt4-x-alpaca"),
        ("chavinlo/alpaca-native", "alpaca"),
        ("alpaca-lora-7b", "alpaca"),
        ("mpt-7b-instruct", "alpaca"),
        ("wizard-vicuna-13B", "wizard-vicuna"),
        ("Wizard-Vicuna-7B-Uncensored.Q4_0.gguf", "wizard-vicuna"),
        ("WizardVicunaLM", "wizard-vicuna"),
        ("stable-vicuna-13B", "stable-vicuna"),
        ("StableVicuna 13B", "stable-vicuna"),
        ("GPT4All-13B-snoozy", "gpt4all-snoozy"),
        ("rwkv-raven-7b", "rwkv-raven"),
        ("RWKV-4-Raven-14B-v12", "rwkv-raven"),
        ("mpt-7b-chat", "mpt"),
        ("mosaicml/mpt-30b-chat", "mpt"),
        ("mpt-7b", "plain"),
        ("Llama-2-7b-chat", "llama-2"),
        ("meta-llama/Llama-2-70b-chat-hf", "llama-2"),
        ("llama2_13b_chat.gguf", "llama-2"),
        ("LLaMA v2 Chat", "llama-2"),
        ("chinese-alpaca-2-7b", "llama-2"),
        ("Llama-2-7b", "plain"),
        ("SmolLM2-135M-Instruct", "plain"),
        ("", "plain"),
    ],
)
def test_models_are_recognised(name: str, format_name: str) -> None:
    assert detect_format([name]).name == format_name
    assert detect_format(["my-model", name, "unknown"]).name == format_name


def test_the_first_name_decides() -> None:
    assert detect_format(["koala", "vicuna", "alpaca"]).name == "koala"
    assert detect_format([]).name == "plain"
