"""The elements and texts of an XML file, one after the other, however deeply nested."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Literal
from xml.parsers import expat

from openedai.extract.result import NotReadable

Event = tuple[Literal["start", "end", "text"], str, dict[str, str]]

_CHUNK = 1 << 16
_NO_MEMORY = 1  # XML_ERROR_NO_MEMORY
_RELATIONSHIPS = ("officeDocument/2006/relationships", "officeDocument/relationships")


def xml_events(source: IO[bytes] | str) -> Iterator[Event]:
    """(`start`, name, attributes), (`end`, name, {}) and (`text`, text, {}).

    Names are without namespaces, except that those of relationships between parts of an Office file
    begin with `r:`. Raises NotReadable if the file declares entities, and ExpatError.
    """
    events: list[Event] = []
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.EntityDeclHandler = _refuse_entities
    parser.StartElementHandler = lambda name, attributes: events.append(
        ("start", _local(name), attributes and _attributes(attributes))
    )
    parser.EndElementHandler = lambda name: events.append(("end", _local(name), {}))
    parser.CharacterDataHandler = lambda text: events.append(("text", text, {}))
    for chunk, is_last in _chunks(source):
        try:
            parser.Parse(chunk, is_last)
        except expat.ExpatError as error:
            if error.code == _NO_MEMORY:
                raise MemoryError from error
            raise
        yield from events
        events.clear()


def _chunks(source: IO[bytes] | str) -> Iterator[tuple[bytes | str, bool]]:
    """The chunks of a file, and whether each is the last one, which is empty."""
    if isinstance(source, str):
        for start in range(0, len(source), _CHUNK):
            yield source[start : start + _CHUNK], False
    else:
        while chunk := source.read(_CHUNK):
            yield chunk, False
    yield b"", True


def _local(name: str) -> str:
    return name[name.rfind("}") + 1 :]


def _attributes(attributes: dict[str, str]) -> dict[str, str]:
    return {_attribute(key) if "}" in key else key: value for key, value in attributes.items()}


def _attribute(name: str) -> str:
    namespace, _, local = name.rpartition("}")
    return f"r:{local}" if namespace.endswith(_RELATIONSHIPS) else local


def _refuse_entities(*_: object) -> None:
    raise NotReadable(
        "invalid_file", "The file declares XML entities, which may expand without end."
    )
