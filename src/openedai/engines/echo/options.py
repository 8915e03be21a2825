"""The options of the echo engine:

reply        the answer, instead of the prompt; reasoning and tool calls in it are parsed
reveal       answer with the GenerateRequest itself as JSON, and ignore its stop texts
repeat       how many times the answer is repeated (1)
context      context length in tokens (4096)
slots        requests at once (64)
dimensions   length of the embeddings (8)
names        names of the models that it lists (none)
vision       take images (false)
image_tokens tokens that each image counts as (16)
delay        seconds before each token or word, and before an embedding (0)
fail_after   raise EngineFailed after that many tokens (never)
crash_after  raise EngineCrashed after that many tokens, and be dead from then on (never)
load_delay   seconds that loading takes (0)
load_error   fail to load, with this message (none)
moderation   score texts by the probabilities of answers, as llama_cpp's option (by names in them)
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from openedai.engines.moderation.guards import GuardOption


class EchoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the docstring of this module explains them."""

    reply: str | None = None
    reveal: bool = False
    repeat: int = 1
    context: int = 4096
    slots: Annotated[int, Meta(ge=1)] = 64
    dimensions: Annotated[int, Meta(ge=1)] = 8
    names: tuple[str, ...] = ()
    vision: bool = False
    image_tokens: int = 16
    delay: float = 0.0
    fail_after: int | None = None
    crash_after: int | None = None
    load_delay: float = 0.0
    load_error: str | None = None
    moderation: GuardOption | None = None
