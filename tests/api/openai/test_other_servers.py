"""Parameters that clients of other servers send, over HTTP."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.api.answers import refusal

USER = {"role": "user", "content": "one two three"}
BEGUN = {"role": "assistant", "content": "One,"}


def revealed(client: OpenAI, path: str = "/chat/completions", **body: Any) -> dict[str, Any]:
    """The engine request for a body."""
    given = {"messages": [USER]} if path == "/chat/completions" else {"prompt": "one two"}
    answer: Any = client.post(path, body={"model": "reveal", **given, **body}, cast_to=object)
    choice = answer["choices"][0]
    found: dict[str, Any] = json.loads(choice.get("text") or choice["message"]["content"])
    return found


def test_one_request_with_many_of_them(client: OpenAI) -> None:
    """What a client of vLLM and one of text-generation-webui send, defaults included."""
    vllm: dict[str, Any] = {
        "add_generation_prompt": True,
        "continue_final_message": False,
        "guided_json": {"type": "object"},
        "include_stop_str_in_output": False,
        "ignore_eos": False,
        "length_penalty": 1.0,
        "min_tokens": 3,
        "prompt_logprobs": None,
        "repetition_penalty": 1.1,
        "skip_special_tokens": True,
        "spaces_between_special_tokens": True,
        "stop_token_ids": [],
        "top_k": -1,
        "truncate_prompt_tokens": None,
        "use_beam_search": False,
    }
    request = revealed(client, **vllm)
    assert request["constraint"] == {"type": "json_schema", "schema": {"type": "object"}}
    assert request["ending"]["min_tokens"] == 3
    assert request["sampling"]["local"]["repeat_penalty"] == 1.1
    assert request["sampling"]["local"]["top_k"] == 0
    textgen: dict[str, Any] = {
        "add_bos_token": True,
        "ban_eos_token": False,
        "custom_token_bans": "",
        "do_sample": True,
        "dry_sequence_breakers": '"\\n", ":", "\\"", "*"',
        "grammar_string": "",
        "guidance_scale": 1,
        "mirostat_mode": 0,
        "repetition_penalty_range": 1024,
        "skip_special_tokens": True,
        "tfs": 1,
        "top_a": 0,
        "truncation_length": 2048,
        "max_tokens": 100,
    }
    request = revealed(client, "/completions", **textgen)
    assert request["prompt_limit"] == 1948
    assert "constraint" not in request
    assert request["sampling"]["local"]["dry_sequence_breakers"] == ["\n", ":", '"', "*"]


@pytest.mark.parametrize("path", ["/chat/completions", "/completions"])
def test_prompt_logprobs(client: OpenAI, path: str) -> None:
    """In vLLM's shape: with each choice of completions, and beside those of chat."""
    chat = path == "/chat/completions"
    given = {"messages": [USER]} if chat else {"prompt": ["one two", "six"]}
    body = {"model": "echo", **given, "n": 2, "prompt_logprobs": 1}
    answer: Any = client.post(path, body=body, cast_to=object)
    owners = [answer] if chat else answer["choices"]
    words = [["user", "one", " two", " three"]] if chat else [["one", " two"]] * 2 + [["six"]] * 2
    for owner, prompt in zip(owners, words, strict=True):
        first, *others = owner["prompt_logprobs"]
        assert first is None
        assert len(others) == len(prompt) - 1
        for word, one in zip(prompt[1:], others, strict=True):
            ((token, score),) = one.items()
            assert int(token) > 0
            assert score == {"logprob": -math.log(2), "rank": 1, "decoded_token": word}
    del body["prompt_logprobs"]
    assert "prompt_logprobs" not in str(client.post(path, body=body, cast_to=object))


def test_a_stream_has_no_prompt_logprobs(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="when 'stream' is true") as caught:
        revealed(client, prompt_logprobs=0, stream=True)
    assert caught.value.param == "prompt_logprobs"


@pytest.mark.parametrize(
    ("texts", "pattern"),
    [
        (["yes", "no"], "yes|no"),
        (["C++ (a|b)", r"\d"], r"C\+\+ \(a\|b\)|\\d"),
        (["[x]{2}^$?*./-"], r"\[x\]\{2\}\^\$\?\*\.\/\-"),
        (["", "é\n🙂"], "|é\n🙂"),
    ],
)
def test_choices(client: OpenAI, texts: list[str], pattern: str) -> None:
    request = revealed(client, guided_choice=texts)
    assert request["constraint"] == {"type": "regex", "pattern": pattern}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"guided_json": {"type": "poem"}}, "guided_json"),
        ({"guided_json": '{"type": "poem"}'}, "guided_json"),
        ({"json_schema": {"$ref": "#/$defs/a"}}, "json_schema"),
        ({"guided_regex": "(a"}, "guided_regex"),
        ({"guided_grammar": "root ::= root"}, "guided_grammar"),
        ({"structured_outputs": {"regex": "(a"}}, "structured_outputs.regex"),
        ({"ebnf": "root ::= a"}, "ebnf"),
        ({"guided_json": {}, "guided_regex": "a"}, "guided_regex"),
        ({"regex": "a", "guided_choice": ["a"]}, "guided_choice"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs.choice"),
        ({"guided_json": {}, "response_format": {"type": "json_object"}}, "response_format"),
        ({"repetition_penalty": 1.1, "repeat_penalty": 1.1}, "repetition_penalty"),
        ({"max_tokens": 5, "n_predict": 5}, "n_predict"),
        ({"do_sample": False, "temperature": 1.0}, "do_sample"),
        ({"truncate_prompt_tokens": 0}, "truncate_prompt_tokens"),
    ],
)
def test_values_that_are_refused(client: OpenAI, change: dict[str, Any], param: str) -> None:
    code, name = refusal(client, **change)
    assert name == param
    assert code in ("invalid_value", "invalid_json_schema")
    assert refusal(client, "/completions", prompt="x", **change) == (code, name)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"guided_json": "{"}, "invalid_value", "guided_json"),
        ({"guided_json": "5"}, "invalid_type", "guided_json"),
        ({"guided_choice": []}, "array_below_min_length", "guided_choice"),
        ({"guided_choice": [5]}, "invalid_type", "guided_choice[0]"),
        ({"n_predict": 0}, "integer_below_min_value", "n_predict"),
        ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
        ({"max_tokens": -2}, "integer_below_min_value", "max_tokens"),
        ({"min_tokens": -1}, "integer_below_min_value", "min_tokens"),
        ({"stop_token_ids": [-1]}, "integer_below_min_value", "stop_token_ids[0]"),
        ({"allowed_token_ids": [-1]}, "integer_below_min_value", "allowed_token_ids[0]"),
        ({"bad_words": [""]}, "string_below_min_length", "bad_words[0]"),
        ({"structured_outputs": {"poem": 1}}, "unknown_parameter", "structured_outputs.poem"),
        ({"think": "hard"}, "invalid_value", "think"),
        ({"think": "low"}, "unsupported_parameter", "think"),
        ({"reasoning": {"effort": "low"}}, "unsupported_parameter", "reasoning.effort"),
        ({"reasoning": {"enabled": True}}, "unsupported_parameter", "reasoning.enabled"),
        ({"think": True, "reasoning_effort": "low"}, "invalid_value", "think"),
        (
            {"continue_final_message": True, "add_generation_prompt": True},
            "invalid_value",
            "continue_final_message",
        ),
    ],
)
def test_values_that_chat_refuses(
    client: OpenAI, change: dict[str, Any], code: str, param: str
) -> None:
    assert refusal(client, **change) == (code, param)


def test_a_message_with_calls_is_not_continued(client: OpenAI) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [USER, {"role": "assistant", "tool_calls": [call]}]
    change: dict[str, Any] = {"messages": messages, "continue_final_message": True}
    assert refusal(client, **change) == ("invalid_value", "continue_final_message")


def test_embeddings(client: OpenAI) -> None:
    extra = {"keep_alive": "5m", "normalize": True, "truncate_prompt_tokens": -1, "priority": 0}
    answer = client.embeddings.create(model="echo", input="x", extra_body=extra)
    assert answer.data


@pytest.mark.real
def test_a_real_model(real_client: OpenAI) -> None:
    def ask(*messages: Any, **extra: Any) -> Any:
        answer = real_client.chat.completions.create(
            model="smollm2-135m-instruct",
            messages=[*messages],
            temperature=0,
            max_tokens=12,
            extra_body=extra,
        )
        return answer.choices[0]

    question: Any = {"role": "user", "content": "Is the sky blue?"}
    assert ask(question, guided_choice=["perhaps", "never (a|b)"]).message.content in (
        "perhaps",
        "never (a|b)",
    )
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"enum": [7]}},
        "required": ["a"],
    }
    schema["additionalProperties"] = False
    found = ask(question, structured_outputs={"json": schema}).message.content
    assert json.loads(found) == {"a": 7}
    assert ask(question, ignore_eos=True).finish_reason == "length"
    count: Any = {"role": "user", "content": "Count from one to twenty, in words."}
    begun: Any = {"role": "assistant", "content": "One, two, three, four,"}
    assert ask(count, begun, continue_final_message=True).message.content.startswith(" five")
