"""`openedai chat`: a small conversation with a running server, in the terminal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from rich.console import Console
from rich.markup import escape

from openedai.cli.terminal import connection_problem, refused_key

HELP = "/clear forgets the conversation, /exit or Ctrl-D ends it."
_COMMAND = re.compile(r"/\w*")


@dataclass
class Conversation:
    """The messages so far, and the server that answers them."""

    url: str
    key: str
    model: str
    system: str | None = None
    messages: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.messages = [{"role": "system", "content": self.system}] if self.system else []

    async def ask(self, text: str) -> AsyncIterator[str]:
        """Yield the deltas of the answer. Raises ConnectionError with the server's reason."""
        self.messages.append({"role": "user", "content": text})
        body = {"model": self.model, "messages": self.messages, "stream": True}
        answer = ""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(
                    f"{self.url.rstrip('/')}/chat/completions",
                    json=body,
                    headers={"Authorization": f"Bearer {self.key}"},
                    timeout=aiohttp.ClientTimeout(total=None),
                ) as response,
            ):
                if response.status == 401:
                    raise ConnectionError(refused_key(self.url, self.key))
                if response.status != 200:
                    raise ConnectionError(_reason(await response.read()))
                async for line in response.content:
                    if delta := _text_of(line.strip()):
                        answer += delta
                        yield delta
        except aiohttp.ClientError as error:
            raise ConnectionError(
                f"no server answers at {self.url} ({connection_problem(error)}): start one with "
                "`openedai serve`"
            ) from error
        finally:
            if answer:
                self.messages.append({"role": "assistant", "content": answer})
            else:
                self.messages.pop()


def _text_of(line: bytes) -> str:
    if not line.startswith(b"data: ") or line == b"data: [DONE]":
        return ""
    event: dict[str, Any] = msgspec.json.decode(line[6:])
    if "error" in event:
        raise ConnectionError(event["error"]["message"])
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])


def _reason(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["error"]["message"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return body.decode("utf-8", "replace")[:500]


def answer(conversation: Conversation, text: str, console: Console) -> None:
    """Print one answer as it is generated. Ctrl-C ends the answer, not the program."""

    async def print_answer() -> None:
        async for delta in conversation.ask(text):
            console.out(delta, end="", highlight=False)

    try:
        asyncio.run(print_answer())
    except KeyboardInterrupt:
        console.print(" [dim](stopped)[/]", end="")
    console.print()


def converse(conversation: Conversation, console: Console) -> None:
    """Read questions and print answers until the user quits."""
    where = escape(f"{conversation.model} at {conversation.url}")
    console.print(f"[dim]{where}. {HELP}[/]", highlight=False)
    while True:
        try:
            text = console.input("[bold]you>[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
        if text == "/exit":
            return
        if text == "/clear":
            conversation.clear()
        elif _COMMAND.fullmatch(text):
            console.print(f"[dim]There is no command {text}: {HELP}[/]", highlight=False)
        elif text:
            try:
                answer(conversation, text, console)
            except ConnectionError as error:
                console.print(f"[red]{escape(str(error))}[/]", highlight=False)
