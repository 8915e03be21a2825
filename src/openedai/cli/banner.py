"""What `openedai serve` says when it is ready."""

from __future__ import annotations

from openedai.catalog.catalog import Catalog, Choice
from openedai.catalog.defaults import CHAT, KINDS
from openedai.cli.listening.listener import Listener
from openedai.cli.messages import bold

_WHY: dict[Choice, str] = {
    "setting": "as chat_model says",
    "disk": "the best recommended model on disk; chat_model chooses another",
    "packaged": "a very small model; openedai models suggest lists better ones",
    "first": "the first model for text; chat_model chooses another",
}


def banner(catalog: Catalog, listener: Listener, *, needs_key: bool) -> str:
    """The URL, the default models with the reason for that of chats, and a request to try."""
    url = f"{listener.url}/v1"
    curl = f"curl{listener.curl_options}"
    key = " -H 'Authorization: Bearer YOUR_KEY'" if needs_key else ""
    defaults = {kind: catalog.default(kind) for kind in KINDS}
    chat = defaults[CHAT]
    name = chat.id if chat else "none"
    why = f", {_WHY[catalog.chat_choice]}"
    count = len(catalog.models())
    lines = [
        f"{bold('OpenedAI')} is ready at {bold(url)}{listener.where}",
        *(
            f"  {kind.name:16}  {model.id}{why if kind is CHAT else ''}"
            for kind, model in defaults.items()
            if model
        ),
        f"  {'and':16}  {count} model{'' if count == 1 else 's'} in all: openedai models list",
        *([] if listener.where else [f"  {'console':16}  {listener.url}/console"]),
        "",
        "Try it:",
        f"  {curl} {url}/chat/completions{key} -H 'Content-Type: application/json' "
        f'-d \'{{"model": "{name}", "messages": [{{"role": "user", "content": "Hello!"}}]}}\'',
    ]
    return "\n".join(lines)
