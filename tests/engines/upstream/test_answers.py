"""What upstreams stream, as events of the contract."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import msgspec
import pytest

from openedai.contract.chat import Chat, Message
from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import (
    Alternative,
    Finish,
    GenerateEvent,
    GenerateRequest,
    ReasoningDelta,
    Text,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from openedai.engines.upstream.answers.embeddings import read_embeddings
from openedai.engines.upstream.answers.generation import AnswerEvents, Chunk
from openedai.engines.upstream.answers.models import read_names
from openedai.engines.upstream.answers.problems import MalformedAnswer
from openedai.errors import InvalidRequest, Unsupported

CHAT = Chat(messages=(Message(role="user", content="hi"),))
ONE_CALL = Chat(messages=CHAT.messages, parallel_calls=False)
STOP = {"finish_reason": "stop"}


def events(
    *choices: dict[str, Any], usage: Any = None, prompt: Chat | Text = CHAT, **request: Any
) -> list[GenerateEvent]:
    """The events of an answer in chunks of one choice each."""
    answer = AnswerEvents(GenerateRequest(prompt=prompt, **request))
    chunks = [{"choices": [choice]} for choice in choices]
    found: list[GenerateEvent] = []
    for chunk in [*chunks, {"choices": [], "usage": usage}]:
        found += answer.read(msgspec.json.decode(json.dumps(chunk), type=Chunk))
    return [*found, *answer.end()]


def finish(reason: Any, **usage: int) -> Finish:
    return Finish(reason=reason, usage=Usage(**usage))


def delta(**fields: Any) -> dict[str, Any]:
    return {"index": 0, "delta": fields, "logprobs": None, "finish_reason": None}


def test_a_text_with_a_full_usage() -> None:
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert events(
        delta(role="assistant", content=""),
        delta(reasoning_content="Hm. "),
        delta(reasoning="So."),
        delta(content="Good "),
        delta(content="day"),
        delta(content=None) | {"finish_reason": "length"},
        usage=usage,
    ) == [
        ReasoningDelta(text="Hm. "),
        ReasoningDelta(text="So."),
        TextDelta(text="Good "),
        TextDelta(text="day"),
        finish("length", prompt_tokens=7, completion_tokens=5, cached_tokens=4, reasoning_tokens=2),
    ]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ({}, Usage()),
        ({"prompt_tokens": -1, "completion_tokens": None}, Usage()),
        (
            {"prompt_tokens": 3, "completion_tokens": 2, "reasoning_tokens": 1},
            Usage(prompt_tokens=3, completion_tokens=2, reasoning_tokens=1),
        ),
        (
            {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(prompt_tokens=3, cached_tokens=3),
        ),
    ],
)
def test_usage_that_is_incomplete(usage: Any, expected: Usage) -> None:
    assert events(delta(content="a"), STOP, usage=usage)[-1] == Finish(
        reason="stop", usage=expected
    )


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", "stop"),
        ("eos_token", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),
    ],
)
def test_reasons(theirs: str, ours: str) -> None:
    assert events(delta(content="a"), {"finish_reason": theirs})[-1] == finish(ours)


@pytest.mark.parametrize("reason", [None, "abort", "error"])
def test_an_answer_without_a_good_end_is_malformed(reason: str | None) -> None:
    with pytest.raises(MalformedAnswer):
        events(delta(content="a"), {"finish_reason": reason})


def call(index: int | None = None, **fields: Any) -> dict[str, Any]:
    numbered = {} if index is None else {"index": index}
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    return delta(tool_calls=[{**numbered, **fields, "function": function}])


TWO = [
    ToolCallDelta(index=0, id="a", name="f", arguments='{"x": '),
    ToolCallDelta(index=0, arguments="1}"),
    ToolCallDelta(index=1, id="b", name="g", arguments="{}"),
    finish("tool_calls"),
]
CALLS: dict[str, list[dict[str, Any]]] = {
    "as the official API": [
        call(0, id="a", type="function", name="f", arguments='{"x": '),
        call(0, arguments="1}"),
        call(1, id="b", name="g", arguments=""),
        {"finish_reason": "tool_calls"},
    ],
    "with the id and name in each chunk": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, id="a", name="f", arguments="1}"),
        call(1, id="b", name="g", arguments="{}"),
        {"finish_reason": "tool_calls"},
    ],
    "all under one index": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, arguments="1}"),
        call(0, id="b", name="g", arguments="{}"),
        STOP,
    ],
    "all under one index without ids": [
        call(0, name="f", arguments='{"x": '),
        call(0, arguments="1}"),
        call(0, name="g", arguments="{}"),
        STOP,
    ],
    "all under one index and id": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, id="a", arguments="1}"),
        call(0, id="a", name="g", arguments="{}"),
        STOP,
    ],
    "all with one id": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, id="a", arguments="1}"),
        call(1, id="a", name="g", arguments="{}"),
        STOP,
    ],
    "the name after the id": [
        call(0, id="a"),
        call(0, name="f", arguments='{"x": '),
        call(0, arguments="1}"),
        call(1, id="b"),
        call(1, name="g", arguments="{}"),
        STOP,
    ],
    "in turns": [
        call(0, id="a", name="f", arguments=""),
        call(0, id="a", arguments='{"x": '),
        call(0, id="a", arguments="1}"),
        call(0, id="b", name="g", arguments=""),
        call(0, id="a", arguments=""),
        call(0, id="b", arguments="{}"),
        STOP,
    ],
    "repeated at the end": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, id="a", arguments="1}"),
        call(0, id="a", name="f", arguments='{"x": 1}'),
        call(1, id="b", name="g", arguments="{}"),
        call(1, id="b", name="g", arguments=""),
        STOP,
    ],
    "without a function": [
        delta(tool_calls=[{"index": 0, "id": "a", "name": "f", "arguments": '{"x": '}]),
        delta(tool_calls=[{"index": 0, "arguments": "1}"}]),
        delta(tool_calls=[{"index": 1, "id": "b", "name": "g", "arguments": {}}]),
        STOP,
    ],
    "of a message": [
        {
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "a", "function": {"name": "f", "arguments": '{"x": '}},
                    {"id": "a", "function": {"arguments": "1}"}},
                    {"id": "b", "function": {"name": "g", "arguments": {}}},
                ],
            }
        },
        {"finish_reason": "tool_use"},
    ],
    "without an index": [
        call(id="a", name="f", arguments='{"x": '),
        call(arguments="1}"),
        call(id="b", name="g", arguments="{}"),
        STOP,
    ],
}


def joined(found: list[GenerateEvent]) -> list[GenerateEvent]:
    """The events, with the arguments of a call moved into its first event if that had none."""
    merged: list[GenerateEvent] = []
    for event in found:
        match event, merged[-1] if merged else None:
            case ToolCallDelta(id="") as more, ToolCallDelta(arguments="") as first:
                assert more.index == first.index
                merged[-1] = msgspec.structs.replace(first, arguments=more.arguments)
            case _:
                merged.append(event)
    return merged


def with_ids(found: list[GenerateEvent], ids: str = "ab") -> list[GenerateEvent]:
    """The events with the ids `a` and `b` for those that were made up."""
    return [
        msgspec.structs.replace(event, id=ids[event.index])
        if isinstance(event, ToolCallDelta) and event.id.startswith("call_")
        else event
        for event in found
    ]


@pytest.mark.parametrize("form", CALLS)
def test_calls(form: str) -> None:
    found = events(*CALLS[form])
    ids = [event.id for event in found if isinstance(event, ToolCallDelta) and event.id]
    assert len(ids) == len({*ids}) == 2
    assert joined(with_ids(found)) == TWO


@pytest.mark.parametrize("form", CALLS)
def test_where_one_call_is_allowed_others_are_left_out(form: str) -> None:
    found = joined(with_ids(events(*CALLS[form], prompt=ONE_CALL)))
    assert found == [*TWO[:2], TWO[-1]]


def test_calls_of_one_function_under_one_index() -> None:
    found = events(
        call(0, name="f", arguments='{"x": 1}'), call(0, name="f", arguments='{"x": 1}'), STOP
    )
    assert [event.index for event in found if isinstance(event, ToolCallDelta)] == [0, 1]


def test_the_older_call_of_a_function() -> None:
    parts = ({"name": "f", "arguments": '{"x": '}, {"arguments": "1}"})
    found = events(*(delta(function_call=part) for part in parts), {"finish_reason": "stop"})
    assert joined(with_ids(found)) == [*TWO[:2], TWO[-1]]


THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}


@pytest.mark.parametrize(
    ("choices", "texts"),
    [
        ([delta(content=[THINKING]), delta(content="a")], ["Hm.", "a"]),
        ([delta(content=[THINKING, {"type": "text", "text": "a"}])], ["Hm.", "a"]),
        ([delta(content=[{"type": "thinking", "thinking": "Hm."}, "a"])], ["Hm.", "a"]),
        ([delta(content=[{"type": "reasoning", "text": "Hm."}, {"text": "a"}])], ["Hm.", "a"]),
        ([delta(content={"type": "text", "text": "a"}, thinking="Hm.")], ["Hm.", "a"]),
        ([delta(content=[{"type": "reference", "ids": [1]}]), delta(content="a")], ["a"]),
        ([{"message": {"role": "assistant", "content": "a"}}], ["a"]),
        ([{"message": {"content": "a"}}, {"message": {"content": "b"}}], ["a", "b"]),
        ([{"delta": {}, "message": {"content": "a", "reasoning": "Hm."}}], ["Hm.", "a"]),
        ([delta(content="a"), {"delta": {}, "message": {"content": "a"}}], ["a"]),
        ([{"delta": {"role": "assistant"}, "text": "a"}], ["a"]),
        ([{"index": None, "delta": {"content": "a"}, "finish_reason": ""}], ["a"]),
    ],
)
def test_texts_in_odd_places(choices: list[dict[str, Any]], texts: list[str]) -> None:
    *found, end = events(*choices, STOP)
    assert end == finish("stop")
    kinds = [ReasoningDelta if text == "Hm." else TextDelta for text in texts]
    assert found == [kind(text=text) for kind, text in zip(kinds, texts, strict=True)]


def test_a_content_that_is_no_text() -> None:
    with pytest.raises(MalformedAnswer):
        events(delta(content=5), STOP)


def test_an_end_without_a_reason() -> None:
    """As `[DONE]` and whole answers are."""
    answer = AnswerEvents(GenerateRequest(prompt=CHAT))
    chunk = {"choices": [call(0, id="a", name="f", arguments="{}")]}
    found = [*answer.read(msgspec.convert(chunk, Chunk))]
    answer.done()
    assert [*found, *answer.end()][-1] == finish("tool_calls")


def test_where_calls_are_required_there_is_no_text() -> None:
    required = Chat(messages=CHAT.messages, call_required=True)
    found = events(delta(content="Well, "), *CALLS["as the official API"], prompt=required)
    assert joined(found) == TWO
    with pytest.raises(Unsupported) as caught:
        events(delta(content="Well, "), STOP, prompt=required)
    assert caught.value.param == "tool_choice"


def test_a_call_without_an_id_gets_one() -> None:
    first, end = events(call(0, name="f", arguments={"x": 1}), STOP)
    assert isinstance(first, ToolCallDelta)
    assert first.id.startswith("call_")
    assert json.loads(first.arguments) == {"x": 1}
    assert end == finish("tool_calls")


def test_a_call_that_was_cut_stays_cut() -> None:
    found = events(call(0, id="a", name="f", arguments=""), {"finish_reason": "length"})
    assert found == [ToolCallDelta(index=0, id="a", name="f"), finish("length")]


def test_a_call_without_a_name_is_malformed() -> None:
    for choices in ([call(0, id="a", arguments="{}")], [call(0, id="a"), STOP]):
        with pytest.raises(MalformedAnswer):
            events(*choices)


TOKENS = (
    TokenLogprob(
        token="a",
        raw=b"a",
        logprob=-0.5,
        top=(
            Alternative(token="a", raw=b"a", logprob=-0.5),
            Alternative(token="b", raw=b"b", logprob=-1.5),
        ),
    ),
    TokenLogprob(
        token="\ufffd",
        raw=b"\xe2",
        logprob=-1.0,
        top=(
            Alternative(token="c", raw=b"c", logprob=-0.1),
            Alternative(token="\ufffd", raw=b"\xe2", logprob=-1.0),
        ),
    ),
)
CONTENT = [
    {
        "token": "a",
        "logprob": -0.5,
        "bytes": None,
        "top_logprobs": [
            {"token": "b", "logprob": -1.5},
            {"token": "a", "logprob": -0.5, "bytes": [97]},
            {"token": "z", "logprob": None},
        ],
    },
    {
        "token": "\ufffd",
        "logprob": -1.0,
        "bytes": [0xE2],
        "top_logprobs": [
            {"token": "c", "logprob": -0.1},
            {"token": "\ufffd", "logprob": -1.0, "bytes": [0xE2]},
        ],
    },
]
LISTS = {
    "tokens": ["a", "bytes:\\xe2"],
    "token_logprobs": [-0.5, -1.0],
    "top_logprobs": [{"b": -1.5, "a": -0.5, "z": -9.0}, {"c": -0.1, "bytes:\\xe2": -1.0}],
    "text_offset": [0, 1],
}


@pytest.mark.parametrize("logprobs", [{"content": CONTENT}, LISTS], ids=["chat", "older"])
def test_log_probabilities_in_both_shapes(logprobs: Any) -> None:
    choice = {"text": "a?", "logprobs": logprobs}
    found = events(choice, STOP, prompt=Text(text="x"), logprobs=2)
    assert found[0] == TextDelta(text="a?", logprobs=TOKENS)


def test_the_first_token_of_a_prompt_has_no_log_probability() -> None:
    lists = {"tokens": ["x"], "token_logprobs": [None], "top_logprobs": [None]}
    found = events({"text": "x", "logprobs": lists}, STOP, prompt=Text(text="x"), logprobs=2)
    assert found[0] == TextDelta(
        text="x", logprobs=(TokenLogprob(token="x", raw=b"x", logprob=None),)
    )


def test_log_probabilities_without_text_wait_for_it() -> None:
    token = {"token": "a", "logprob": -1.0}
    found = events(
        delta(content="") | {"logprobs": {"content": [token]}},
        delta(content="ab") | {"logprobs": {"content": [{"token": "b", "logprob": -2.0}]}},
        STOP,
        logprobs=0,
    )
    assert isinstance(found[0], TextDelta)
    assert [token.token for token in found[0].logprobs] == ["a", "b"]


@pytest.mark.parametrize(
    ("fields", "stop"),
    [
        ({"stop_reason": "END"}, "END"),
        ({"matched_stop": "END"}, "END"),
        ({"stop_reason": 2}, None),
        ({"stop_reason": "unasked"}, None),
        ({}, None),
    ],
)
def test_the_stop_string_if_the_upstream_reports_it(
    fields: dict[str, Any], stop: str | None
) -> None:
    last = events(delta(content="Good") | STOP | fields, stop=("END", "."))[-1]
    assert isinstance(last, Finish)
    assert (last.reason, last.stop) == ("stop", stop)


def test_missing_log_probabilities_are_an_error() -> None:
    with pytest.raises(Unsupported) as caught:
        events(delta(content="a"), STOP, logprobs=0)
    assert caught.value.param == "logprobs"


def test_other_choices_and_refusals() -> None:
    other = delta(content="other") | {"index": 1, "finish_reason": "length"}
    assert events(delta(refusal="No."), other, STOP) == [TextDelta(text="No."), finish("stop")]


ROWS = [[1.0, 0.0, 0.0], [0.0, 3.0, 4.0]]


def encoded(row: list[float]) -> str:
    return base64.b64encode(struct.pack("<3f", *row)).decode()


def embeddings(data: Any, dimensions: int | None = None) -> list[float]:
    inputs = (Text(text="a"), Text(text="b"))
    body = json.dumps({"data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}).encode()
    result = read_embeddings(body, EmbedRequest(inputs=inputs, dimensions=dimensions))
    assert result.prompt_tokens == 4
    return [number for (number,) in struct.iter_unpack("<f", result.data)]


def test_embeddings_in_both_encodings_and_any_order() -> None:
    flat = [*ROWS[0], *ROWS[1]]
    assert embeddings([{"embedding": row} for row in ROWS]) == flat
    assert embeddings([{"embedding": encoded(row)} for row in ROWS]) == flat
    turned = [{"index": n, "embedding": encoded(ROWS[n])} for n in (1, 0)]
    assert embeddings(turned) == flat


def test_dimensions_that_the_upstream_ignores() -> None:
    data = [{"embedding": row} for row in ROWS]
    assert embeddings(data, 2) == [1.0, 0.0, 0.0, 1.0]
    with pytest.raises(InvalidRequest) as caught:
        embeddings(data, 4)
    assert caught.value.param == "dimensions"


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"embedding": [1.0]}],
        [{"embedding": [1.0]}] * 3,
        [{"embedding": [1.0], "index": 0}] * 2,
        [{"embedding": [1.0], "index": 5}, {"embedding": [1.0], "index": 0}],
        [{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}],
        [{"embedding": []}, {"embedding": []}],
        [{"embedding": "abc"}, {"embedding": "abc"}],
        [{"embedding": "AAA="}, {"embedding": "AAA="}],
        [{"embedding": [1e300]}, {"embedding": [1e300]}],
    ],
)
def test_malformed_embeddings(data: Any) -> None:
    with pytest.raises(MalformedAnswer):
        embeddings(data)


def test_names_of_models() -> None:
    body = b'{"object": "list", "data": [{"id": "x", "owned_by": "y"}, {"id": "z"}, {"id": "x"}]}'
    assert read_names(body, {}) == ("x", "z")
    assert read_names(body, {"ours": "z", "other": "gone"}) == ("x", "ours")
    assert read_names(b'{"data": null}', {}) == ()
    with pytest.raises(msgspec.DecodeError):
        read_names(b'{"models": []}', {})
