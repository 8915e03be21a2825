"""The trace that a client sends in its headers, as W3C's Trace Context describes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from openedai.http.exchange import Exchange

# The headers that tell other servers the trace of a request.
TraceHeaders = Callable[[Exchange], Mapping[str, str]]

_PARENT, _STATE = "traceparent", "tracestate"
# Version, trace, span and flags; later versions may add to it.
_FORM = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
_LONGEST_STATE = 4096


def client_trace(exchange: Exchange) -> dict[str, str]:
    """The headers of the client's trace; empty if it sent none, or none that is valid."""
    found: dict[str, list[str]] = {_PARENT: [], _STATE: []}
    for name, value in exchange.request_headers:
        texts = found.get(name.decode("latin-1").lower())
        if texts is not None:
            texts.append(value.decode("latin-1").strip())
    if len(found[_PARENT]) != 1:
        return {}
    (parent,) = found[_PARENT]
    match = _FORM.fullmatch(parent)
    if match is None or (match[1] == "00" and match[2] is not None) or not parent.isascii():
        return {}
    state = ",".join(filter(None, found[_STATE]))
    usable = state and len(state) <= _LONGEST_STATE and state.isascii() and state.isprintable()
    return {_PARENT: parent, _STATE: state} if usable else {_PARENT: parent}
