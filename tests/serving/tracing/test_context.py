"""The headers of a client's trace."""

from __future__ import annotations

import pytest

from openedai.api.openai.dialect import OPENAI
from openedai.http.exchange import Exchange
from openedai.serving.tracing.context import client_trace

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def trace_of(*headers: tuple[str, str]) -> dict[str, str]:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return client_trace(Exchange("a", "POST", "/", OPENAI, request_headers=raw))


@pytest.mark.parametrize("parent", [PARENT, f"00-{TRACE}-{SPAN}-00", f"01-{TRACE}-{SPAN}-01-more"])
def test_valid_ones(parent: str) -> None:
    assert trace_of(("Traceparent", parent)) == {"traceparent": parent}
    states = (("tracestate", "a=b"), ("TraceState", "c=d"))
    assert trace_of(("traceparent", parent), *states) == {
        "traceparent": parent,
        "tracestate": "a=b,c=d",
    }


@pytest.mark.parametrize(
    "parent",
    [
        "",
        PARENT.upper(),
        PARENT + "-more",
        PARENT[:-1],
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"01-{TRACE}-{SPAN}-01more",
    ],
)
def test_others_are_not_passed_on(parent: str) -> None:
    assert trace_of(("traceparent", parent), ("tracestate", "a=b")) == {}


def test_none_or_two_are_none() -> None:
    assert trace_of(("tracestate", "a=b")) == {}
    assert trace_of(("traceparent", PARENT), ("traceparent", PARENT)) == {}


@pytest.mark.parametrize("state", ["", "a" * 5000, "a=\xe9"])
def test_a_state_that_cannot_be_passed_on_is_left_out(state: str) -> None:
    assert trace_of(("traceparent", PARENT), ("tracestate", state)) == {"traceparent": PARENT}
