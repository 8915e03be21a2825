"""Requests of the contract as the JSON of each server."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from msgspec.structs import replace

from openedai.contract.chat import Chat, Image, Message, Tool, ToolCall
from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import (
    Constraint,
    Ending,
    GenerateRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    LocalSampling,
    Regex,
    Sampling,
    Text,
    Tokens,
)
from openedai.engines.upstream.options import Server
from openedai.engines.upstream.request import embedding_request, generation_request
from openedai.engines.upstream.servers import server_profile
from openedai.errors import InvalidRequest, Unsupported

HELLO = Chat(messages=(Message(role="user", content="hi"),))
SERVERS: tuple[Server, ...] = get_args(Server)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
GBNF = 'root ::= "yes"'


def body(server: Server, prompt: Chat | Text | Tokens = HELLO, **fields: Any) -> dict[str, Any]:
    """What is sent, without the fields that every request has."""
    generate = GenerateRequest(prompt=prompt, **fields)
    request = generation_request(generate, "theirs", server_profile(server))
    assert request.path == ("chat/completions" if isinstance(prompt, Chat) else "completions")
    assert request.body is not None
    fields = dict(request.body)
    assert fields.pop("stream") is True
    assert fields.pop("stream_options") == {"include_usage": True}
    assert fields.pop("model") == "theirs"
    return fields


def added(server: Server, prompt: Chat | Text | Tokens = HELLO, **fields: Any) -> dict[str, Any]:
    """The fields of the body that these fields of the request add or change."""
    plain = body(server, prompt, max_tokens=9)
    changed = body(server, prompt, **{"max_tokens": 9, **fields})
    return {name: value for name, value in changed.items() if plain.get(name) != value}


def refused(server: Server, prompt: Chat | Text | Tokens = HELLO, **fields: Any) -> str | None:
    with pytest.raises(Unsupported) as caught:
        body(server, prompt, **{"max_tokens": 9, **fields})
    assert caught.value.code == "unsupported_parameter"
    return caught.value.param


@pytest.mark.parametrize("server", SERVERS)
def test_a_plain_conversation(server: Server) -> None:
    assert body(server) == {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("server", SERVERS)
def test_official_sampling(server: Server) -> None:
    sampling = Sampling(
        temperature=0.0, top_p=0.5, seed=-3, presence_penalty=1.0, frequency_penalty=-0.5
    )
    assert added(server, sampling=sampling, stop=("x",), logprobs=2) == {
        "temperature": 0.0,
        "top_p": 0.5,
        "seed": -3,
        "presence_penalty": 1.0,
        "frequency_penalty": -0.5,
        "stop": ["x"],
        "logprobs": True,
        "top_logprobs": 2,
    }


@pytest.mark.parametrize("server", SERVERS)
def test_the_limit_has_the_servers_name(server: Server) -> None:
    newer = server in ("openai", "openedai")
    name = "max_completion_tokens" if newer else "max_tokens"
    assert body(server, max_tokens=7)[name] == 7
    assert body(server, Text(text="a"), max_tokens=7)["max_tokens"] == 7


SAMPLERS = LocalSampling.__struct_fields__
VALUES: dict[str, Any] = {"dry_sequence_breakers": ("\n", '"')}
TRANSLATED: dict[Server, dict[str, Any]] = {
    "openai": {},
    "ollama": {},
    "lmstudio": {"top_k": ("top_k", 3), "repeat_penalty": ("repeat_penalty", 3)},
    "vllm": {
        "top_k": ("top_k", 3),
        "min_p": ("min_p", 3),
        "repeat_penalty": ("repetition_penalty", 3),
    },
    "sglang": {
        "top_k": ("top_k", 3),
        "min_p": ("min_p", 3),
        "repeat_penalty": ("repetition_penalty", 3),
    },
    "textgen": {
        **{
            name: (name, 3)
            for name in SAMPLERS
            if name not in ("repeat_last_n", "dry_penalty_last_n")
        },
        "repeat_penalty": ("repetition_penalty", 3),
        "mirostat": ("mirostat_mode", 3),
        "dry_sequence_breakers": ("dry_sequence_breakers", '"\\n","\\""'),
    },
}
UNCHANGED = {name: (name, VALUES.get(name, 3)) for name in SAMPLERS}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_local_samplers_are_translated_or_refused(server: Server, name: str) -> None:
    value: Any = VALUES.get(name, 3)
    sampling = Sampling(local=LocalSampling(**{name: value}))
    known = TRANSLATED.get(server, UNCHANGED)
    if name in known:
        theirs, expected = known[name]
        assert added(server, sampling=sampling) == {theirs: expected}
    else:
        assert refused(server, sampling=sampling) == name


def test_sglang_takes_minus_one_for_all_tokens() -> None:
    assert added("sglang", sampling=Sampling(local=LocalSampling(top_k=0))) == {"top_k": -1}


FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
}
ANY: dict[str, Any] = {"response_format": {"type": "json_object"}}
CONSTRAINED: list[tuple[Server, Constraint, dict[str, Any] | str, dict[str, Any] | str]] = [
    ("openai", JsonObject(), ANY, "response_format"),
    ("openai", JsonSchema(schema=SCHEMA), {"response_format": FORMAT}, "response_format"),
    ("openai", Regex(pattern="a+"), "regex", "regex"),
    ("openai", Grammar(gbnf=GBNF), "grammar", "grammar"),
    ("openedai", Regex(pattern="a+"), {"regex": "a+"}, {"regex": "a+"}),
    ("openedai", Grammar(gbnf=GBNF), {"grammar": GBNF}, {"grammar": GBNF}),
    ("llama.cpp", Grammar(gbnf=GBNF), {"grammar": GBNF}, {"grammar": GBNF}),
    (
        "vllm",
        Regex(pattern="a+"),
        {"structured_outputs": {"regex": "a+"}},
        {"structured_outputs": {"regex": "a+"}},
    ),
    (
        "vllm",
        Grammar(gbnf=GBNF),
        {"structured_outputs": {"grammar": GBNF}},
        {"structured_outputs": {"grammar": GBNF}},
    ),
    ("vllm", JsonObject(), ANY, ANY),
    ("sglang", Regex(pattern="a+"), {"regex": "a+"}, {"regex": "a+"}),
    ("sglang", Grammar(gbnf=GBNF), {"ebnf": GBNF}, {"ebnf": GBNF}),
    ("sglang", JsonObject(), ANY, ANY),
    ("ollama", JsonObject(), ANY, "response_format"),
    ("ollama", Regex(pattern="a+"), "regex", "regex"),
    ("lmstudio", JsonSchema(schema=SCHEMA), {"response_format": FORMAT}, "response_format"),
    ("textgen", Grammar(gbnf=GBNF), {"grammar_string": GBNF}, {"grammar_string": GBNF}),
]


@pytest.mark.parametrize(("server", "constraint", "in_chat", "in_text"), CONSTRAINED)
def test_constraints(
    server: Server,
    constraint: Constraint,
    in_chat: dict[str, Any] | str,
    in_text: dict[str, Any] | str,
) -> None:
    prompts: list[tuple[Chat | Text, dict[str, Any] | str]]
    prompts = [(HELLO, in_chat), (Text(text="a"), in_text)]
    for prompt, expected in prompts:
        if isinstance(expected, str):
            assert refused(server, prompt, constraint=constraint) == expected
        else:
            assert added(server, prompt, constraint=constraint) == expected


COMPACT = {"x-guidance": {"whitespace_flexible": False}}


@pytest.mark.parametrize(
    ("server", "name", "added_keywords"),
    [("llama.cpp", "json_schema", COMPACT), ("openedai", "guided_json", {})],
)
def test_schemas_of_texts(server: Server, name: str, added_keywords: dict[str, Any]) -> None:
    sent = added(server, Text(text="a"), constraint=JsonSchema(schema=SCHEMA))
    assert sent == {name: SCHEMA | added_keywords}
    sent = added(server, Text(text="a"), constraint=JsonObject())
    assert sent == {name: {"type": "object"} | added_keywords}


def test_models_behind_llama_cpp_cannot_write_whitespace_endlessly() -> None:
    sent = added("llama.cpp", constraint=JsonSchema(schema=SCHEMA))["response_format"]
    assert sent["json_schema"]["schema"] == SCHEMA | COMPACT


def test_lm_studio_takes_any_object_as_a_schema() -> None:
    sent = added("lmstudio", constraint=JsonObject())["response_format"]
    assert sent["json_schema"]["schema"] == {"type": "object"}


NO_LIMIT: dict[Server, dict[str, Any] | None] = {
    "openai": None,
    "openedai": {"max_tokens": 2**31 - 1},
    "llama.cpp": {"max_tokens": -1},
    "vllm": {"max_tokens": None},
    "sglang": None,
    "ollama": {},
    "lmstudio": {"max_tokens": -1},
    "textgen": {"auto_max_new_tokens": True},
}


@pytest.mark.parametrize("server", SERVERS)
def test_a_text_without_a_limit(server: Server) -> None:
    expected = NO_LIMIT[server]
    if expected is None:
        with pytest.raises(InvalidRequest) as caught:
            body(server, Text(text="a"))
        assert caught.value.param == "max_tokens"
    else:
        assert body(server, Text(text="a")) == {"prompt": "a", **expected}


def test_a_continued_text() -> None:
    sent = added("vllm", Text(text="a"), echo=True, suffix="b", logprobs=0)
    assert sent == {"echo": True, "suffix": "b", "logprobs": 1}
    assert body("vllm", Tokens(ids=(1, 2)), max_tokens=9)["prompt"] == [1, 2]


@pytest.mark.parametrize(
    ("server", "prompt", "fields", "param"),
    [
        ("ollama", Tokens(ids=(1,)), {}, "prompt"),
        ("ollama", Text(text="a"), {"echo": True}, "echo"),
        ("ollama", HELLO, {"sampling": Sampling(logit_bias=((1, 2.0),))}, "logit_bias"),
        ("lmstudio", Text(text="a"), {"suffix": "b"}, "suffix"),
        ("sglang", Text(text="a"), {"suffix": "b"}, "suffix"),
        ("llama.cpp", Text(text="a"), {"suffix": "b"}, "suffix"),
        ("llama.cpp", Text(text="a"), {"echo": True}, "echo"),
        ("openai", replace(HELLO, template_arguments={"a": 1}), {}, "chat_template_kwargs"),
        ("lmstudio", replace(HELLO, reasoning_effort="low"), {}, "reasoning_effort"),
        (
            "ollama",
            replace(HELLO, tools=(Tool(name="f"),), call_required=True),
            {},
            "tool_choice",
        ),
        ("textgen", replace(HELLO, tools=(Tool(name="f", strict=True),)), {}, "strict"),
        ("vllm", HELLO, {"ending": Ending(min_tokens=2)}, "min_tokens"),
        ("vllm", HELLO, {"prompt_limit": 2}, "truncate_prompt_tokens"),
        ("vllm", HELLO, {"prompt_logprobs": 0}, "prompt_logprobs"),
        ("vllm", replace(HELLO, continue_last=True), {}, "continue_final_message"),
        ("vllm", replace(HELLO, invite_answer=False), {}, "add_generation_prompt"),
    ],
)
def test_what_a_server_would_ignore_is_refused(
    server: Server, prompt: Chat | Text | Tokens, fields: dict[str, Any], param: str
) -> None:
    assert refused(server, prompt, **fields) == param


def test_reasoning_effort_is_an_argument_of_llama_cpps_template() -> None:
    low = replace(HELLO, reasoning_effort="low", template_arguments={"a": 1})
    sent = body("llama.cpp", low)["chat_template_kwargs"]
    assert sent == {"a": 1, "reasoning_effort": "low"}
    none = replace(HELLO, reasoning_effort="none")
    assert body("llama.cpp", none)["chat_template_kwargs"] == {"enable_thinking": False}
    assert body("vllm", low)["reasoning_effort"] == "low"


def test_tools() -> None:
    chat = replace(
        HELLO,
        tools=(Tool(name="f", description="d", parameters=SCHEMA, strict=True), Tool(name="g")),
        call_required=True,
        parallel_calls=False,
    )
    sent = body("openai", chat, constraint=JsonObject())
    assert sent["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
        },
        {"type": "function", "function": {"name": "g"}},
    ]
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert "response_format" not in sent, "the answer is calls and nothing else"


def test_a_conversation_with_calls_and_reasoning() -> None:
    call = ToolCall(id="call_x", name="f", arguments="{}")
    chat = Chat(
        messages=(
            Message(role="system", content="be good", name="n"),
            Message(role="assistant", reasoning="hm", tool_calls=(call,)),
            Message(role="tool", content="1", tool_call_id="call_x"),
        )
    )
    system, assistant, tool = body("vllm", chat)["messages"]
    assert system == {"role": "system", "content": "be good", "name": "n"}
    assert assistant == {
        "role": "assistant",
        "content": None,
        "reasoning": "hm",
        "reasoning_content": "hm",
        "tool_calls": [
            {
                "id": "call_x",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
            }
        ],
    }
    assert tool == {"role": "tool", "content": "1", "tool_call_id": "call_x"}
    assert "reasoning_content" not in body("openai", chat)["messages"][1]


def test_older_functions_become_tools() -> None:
    old = ToolCall(id="", name="f", arguments="{}")
    chat = Chat(
        messages=(
            Message(role="user", content="a"),
            Message(role="assistant", tool_calls=(old,)),
            Message(role="function", name="f", content="1"),
        )
    )
    _, assistant, result = body("openai", chat)["messages"]
    assert assistant["tool_calls"][0]["id"] == "call_1"
    assert (result["role"], result["tool_call_id"]) == ("tool", "call_1")


def test_images_keep_their_positions() -> None:
    one = Image(raw=b"one", media_type="image/png", at=2)
    two = Image(raw=b"two", media_type="image/jpeg", at=2, detail="low")
    last = Image(raw=b"x", media_type="image/png", at=4)
    chat = Chat(messages=(Message(role="user", content="abcd", images=(one, two, last)),))
    ((message),) = body("openai", chat)["messages"]
    assert message["content"] == [
        {"type": "text", "text": "ab"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,b25l", "detail": "auto"}},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,dHdv", "detail": "low"}},
        {"type": "text", "text": "cd"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA==", "detail": "auto"}},
    ]


def test_unknown_parameters_are_passed_on_unchanged() -> None:
    extra = {"guided_choice": ["a", "b"], "ban_eos_token": True}
    assert added("vllm", extra=extra) == extra
    result = embedding_request(EmbedRequest(inputs=(Text(text="a"),), extra={"user": "u"}), "m")
    assert result.body is not None
    assert result.body["user"] == "u"


@pytest.mark.parametrize("name", ["repetition_penalty", "model", "stream", "messages"])
def test_a_passed_on_parameter_never_replaces_another(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        body("vllm", sampling=Sampling(local=LocalSampling(repeat_penalty=1.5)), extra={name: 1.2})
    assert (caught.value.code, caught.value.param) == ("invalid_value", name)


def test_embeddings() -> None:
    call = embedding_request(
        EmbedRequest(inputs=(Text(text="a"), Text(text="b")), dimensions=3), "m"
    )
    assert (call.path, call.param) == ("embeddings", "input")
    assert call.body == {
        "model": "m",
        "input": ["a", "b"],
        "encoding_format": "base64",
        "dimensions": 3,
    }
    tokens = embedding_request(EmbedRequest(inputs=(Tokens(ids=(1, 2)),)), "m")
    assert tokens.body is not None
    assert tokens.body["input"] == [[1, 2]]
    with pytest.raises(InvalidRequest):
        embedding_request(EmbedRequest(inputs=(Tokens(ids=(1,)), Text(text="a"))), "m")
