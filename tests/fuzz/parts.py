"""What the bodies have parts of."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.audio.files import tone, wav
from tests.media.images import data_url, picture

PICTURE = picture(16, 16)
SOUND = wav(tone(0.3, 8000).astype(np.float32), 8000)
IMAGE = data_url(PICTURE)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 5}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}

# Ids of things that are made before a case is sent, whose ids are as long.
RESPONSE = "resp_" + "0" * 48
CONVERSATION = "conv_" + "0" * 24
CHAT = "chatcmpl-" + "0" * 24
VECTOR_STORE = "vs_" + "0" * 24
ASSISTANT = "asst_" + "0" * 24
THREAD = "thread_" + "0" * 24
