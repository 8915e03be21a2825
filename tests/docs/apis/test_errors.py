"""Error codes and headers are those of docs/compatibility.md."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.http.validation import as_invalid_request
from tests.docs.apis.compatibility.bodies import CHAT
from tests.docs.apis.compatibility.rows import PAGE
from tests.docs.pages import ROOT, code_words, section, tables
from tests.support import Running, fetch

# The codes that are put together from parts.
BOUNDS: dict[str, dict[str, Any]] = {
    "integer_above_max_value": {"n": 129},
    "integer_below_min_value": {"n": 0},
    "decimal_above_max_value": {"top_p": 1.5},
    "decimal_below_min_value": {"top_p": -1.0},
    "array_above_max_length": {"stop": ["x"] * 65},
    "array_below_min_length": {"messages": []},
    "string_above_max_length": {"grammar": "x" * 65537},
    "string_below_min_length": {"stop": [""]},
}


def test_every_error_code_is_listed() -> None:
    (table,) = tables(section(PAGE, "Errors"))
    listed = {code for row in table for code in code_words(row[0])} - {"null"}
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    written = set(re.findall(r'\bcode="([a-z0-9_]+)"', source))
    assert listed == written | set(BOUNDS)


@pytest.mark.parametrize(("code", "change"), BOUNDS.items())
def test_codes_of_bounds(code: str, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ChatCompletionRequest.model_validate({**CHAT, **change})
    assert as_invalid_request(caught.value.errors()).code == code


def test_every_header_is_listed(echo_server: Running) -> None:
    (table,) = tables(section(PAGE, "Headers"))
    listed = {code for row in table for code in code_words(row[0])}
    body = {**CHAT, "model": "echo"}
    sent = set(fetch(f"{echo_server.url}/v1/chat/completions", "POST", json=body).headers)
    plain = {"date", "server", "content-type", "content-length"}
    assert sent - plain == {name for name in listed if name in sent}
    others = {name for name in listed - sent if "ratelimit" not in name}
    retrying = {"retry-after", "retry-after-ms", "x-should-retry"}
    assert others == {*retrying, "allow", "x-openedai-warning"}
