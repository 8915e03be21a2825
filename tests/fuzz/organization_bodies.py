"""Valid bodies of the admin resources, and of what the console makes of them."""

from __future__ import annotations

from typing import Any

ORGANIZATION_BODIES: dict[str, list[dict[str, Any]]] = {
    "AdminKeyCreateRequest": [{"name": "boss", "expires_in_seconds": 3600}],
    "KeyCreateRequest": [
        {"name": "boss", "admin": True, "owner": "Ann"},
        {
            **{"name": "shop", "project": "shop", "models": ["echo"], "scopes": ["chat"]},
            **{"expires_in_seconds": 60, "owner": "Bob"},
            **{"limits": {"tokens_per_day": 1000, "storage_bytes": 10}},
        },
    ],
    "KeyUpdateRequest": [
        {
            **{"name": "shop", "owner": "Bob", "models": ["echo"], "scopes": ["chat"]},
            **{"expires_in_seconds": None, "limits": {"tokens_per_day": 0, "storage_bytes": 10}},
        },
    ],
    "ProjectCreateRequest": [{"name": "shop"}],
    "ProjectUpdateRequest": [{"name": "other"}],
    "ProjectKeyUpdateRequest": [{"scopes": ["chat"], "expires_in_seconds": 60}],
    "ServiceAccountCreateRequest": [
        {"name": "robot", "expires_in_seconds": 60},
        {"name": "robot", "create_service_account_only": True},
    ],
    "ServiceAccountUpdateRequest": [{"name": "robot", "role": "owner"}],
    "ServiceAccountKeyRequest": [{"name": "more", "scopes": ["chat"], "expires_in_seconds": 60}],
}
