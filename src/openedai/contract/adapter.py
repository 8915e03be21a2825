"""LoRA adapters of a loaded model."""

from __future__ import annotations

from openedai.contract.struct import Struct


class Adapter(Struct, frozen=True, forbid_unknown_fields=True):
    """Weights that a request may add to the model's by naming `name` as its `variant`.

    `path` is a GGUF file; the weights are multiplied by `scale`. Without a file, `missing` is why:
    such an adapter is refused with that, and nothing else is.
    """

    name: str
    path: str = ""
    scale: float = 1.0
    missing: str | None = None
