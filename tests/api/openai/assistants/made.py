"""What the tests of assistants make, and read."""

from __future__ import annotations

from typing import Any

from openai import OpenAI


def assistant(client: OpenAI, **options: Any) -> str:
    return client.beta.assistants.create(**{"model": "echo", **options}).id


def thread(client: OpenAI, *texts: str, **options: Any) -> str:
    messages: Any = [{"role": "user", "content": text} for text in texts]
    return client.beta.threads.create(messages=messages, **options).id


def texts(client: OpenAI, thread: str, **options: Any) -> list[str]:
    """The texts of a thread, the newest first unless `order` says otherwise."""
    found = client.beta.threads.messages.list(thread, **options)
    return [part.text.value for one in found for part in one.content if part.type == "text"]
