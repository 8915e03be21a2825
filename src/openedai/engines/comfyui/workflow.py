"""Workflows in ComfyUI's API format, with named slots such as `{{prompt}}`.

A text that consists of a slot becomes the slot's value, such as a number; within a longer text a
slot becomes text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

Nodes = dict[str, dict[str, Any]]

_SLOT = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")


class BadWorkflow(ValueError):
    """The file is not a workflow in API format."""


@dataclass(frozen=True)
class Workflow:
    """A workflow. `slots` are the names in it, `places` the nodes and inputs where each one is."""

    nodes: Nodes
    slots: frozenset[str]
    places: Mapping[tuple[str, str], frozenset[str]]

    @classmethod
    def parse(cls, text: bytes) -> Workflow:
        """Raises BadWorkflow."""
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadWorkflow("it is not JSON") from None
        if isinstance(value, dict) and "nodes" in value and "links" in value:
            raise BadWorkflow("it was not saved in the API format")
        if not isinstance(value, dict) or not value or not all(map(_is_node, value.values())):
            raise BadWorkflow("it is not a workflow in the API format")
        places = {
            (number, name): frozenset(_slots(item))
            for number, node in value.items()
            for name, item in node["inputs"].items()
        }
        return cls(value, frozenset().union(*places.values()), places)

    def filled(self, values: Mapping[str, Any]) -> Nodes:
        """The nodes, with each slot replaced by its value in `values`."""
        return {
            number: {**node, "inputs": _filled(node["inputs"], values)}
            for number, node in self.nodes.items()
        }


def _is_node(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("class_type"), str)
        and isinstance(value.get("inputs"), dict)
    )


def _slots(value: Any) -> set[str]:
    found: set[str] = set()

    def collect(text: str) -> str:
        found.update(_SLOT.findall(text))
        return text

    _map_texts(value, collect)
    return found


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    def fill(text: str) -> Any:
        if whole := _SLOT.fullmatch(text):
            return values[whole[1]]
        return _SLOT.sub(lambda match: str(values[match[1]]), text)

    return _map_texts(value, fill)


def _map_texts(value: Any, change: Callable[[str], Any]) -> Any:
    """The value with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {name: _map_texts(item, change) for name, item in value.items()}
    return value
