"""Records of usage as servers write them."""

from __future__ import annotations

from typing import Any

from openedai.store.usage.records import UsageRecord

START = 1_700_006_400  # midnight


def record(seconds: int, **values: Any) -> UsageRecord:
    """Of a chat that ended so many seconds after `START`."""
    defaults: dict[str, Any] = {
        "id": f"usage_{seconds:06}",
        "at": START + seconds,
        "request": f"req_{seconds}",
        "kind": "completions",
        "model": "m",
        "route": "/v1/chat/completions",
        "status": 200,
    }
    return UsageRecord(**{**defaults, **values})
