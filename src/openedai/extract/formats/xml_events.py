"""The elements and texts of an XML file, one after the other, however deep they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Literal
from xml.parsers import expat

from openedai.extract.result import NotReadable

Event = tuple[Literal["start", "end", "text"], str, dict[str, str]]

_CHUNK = 1 << 16
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
        ("start", _local(name), {_attribute(key): value for key, value in attributes.items()})
    )
    parser.EndElementHandler = lambda name: events.append(("end", _local(name), {}))
    parser.CharacterDataHandler = lambda text: events.append(("text", text, {}))
    for chunk in _chunks(source):
        parser.Parse(chunk, False)
        yield from events
        events.clear()
    parser.Parse(b"", True)
    yield from events


def _chunks(source: IO[bytes] | str) -> Iterator[bytes | str]:
    if isinstance(source, str):
        for start in range(0, len(source), _CHUNK):
            yield source[start : start + _CHUNK]
    else:
        while chunk := source.read(_CHUNK):
            yield chunk


def _local(name: str) -> str:
    return name[name.rfind("}") + 1 :]


def _attribute(name: str) -> str:
    namespace, _, local = name.rpartition("}")
    return f"r:{local}" if namespace.endswith(_RELATIONSHIPS) else local


def _refuse_entities(*_: object) -> None:
    raise NotReadable(
        "invalid_file", "The file declares XML entities, which may expand without end."
    )
