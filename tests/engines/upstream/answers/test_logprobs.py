"""Log probabilities in the shapes that upstreams have for them."""

from __future__ import annotations

from typing import Any

import pytest

from openedai.contract.generate import Alternative, Text, TextDelta, TokenLogprob
from openedai.errors import Unsupported
from tests.engines.upstream.answers.streams import STOP, delta, events

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


def test_missing_log_probabilities_are_an_error() -> None:
    with pytest.raises(Unsupported) as caught:
        events(delta(content="a"), STOP, logprobs=0)
    assert caught.value.param == "logprobs"
