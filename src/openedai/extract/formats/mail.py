"""Mails with their attachments."""

from __future__ import annotations

import email
import io
from collections.abc import Callable
from email import policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from typing import IO, cast

from openedai.extract.encoding import decode
from openedai.extract.formats.flow import Flow
from openedai.extract.formats.html import write_html
from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter

_HEADERS = ("From", "To", "Cc", "Date", "Subject")

ReadAttachment = Callable[[IO[bytes], str], None]


def read_mail(file: IO[bytes], writer: TextWriter, read_attachment: ReadAttachment) -> None:
    """Write the headers and the text of a mail, and each attachment as a section.

    `read_attachment` writes the text of a file, or raises NotReadable. Of such files, and of files
    without text, only the name is written.
    """
    mail = email.message_from_binary_file(file, policy=policy.compat32)
    if not mail.keys():
        raise NotReadable("invalid_file", "The file is not a mail: it has no headers.")
    _write_headers(mail, writer)
    parts = [mail]
    while parts:
        part = parts.pop()
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            inner = _children(part)[0]
            writer.section(_header(inner.get("Subject", "")) or "Attached mail")
            _write_headers(inner, writer)
            parts.append(inner)
        elif part.is_multipart():
            parts += reversed(_alternative(part) if _is_choice(part) else _children(part))
        else:
            _write_part(part, writer, read_attachment)


def _children(part: Message) -> list[Message]:
    return cast("list[Message]", part.get_payload())


def _is_choice(part: Message) -> bool:
    return part.get_content_type() == "multipart/alternative"


def _alternative(part: Message) -> list[Message]:
    """The plain one of several versions of a text, if it is not empty; otherwise the last one."""
    for child in _children(part):
        if child.get_content_type() == "text/plain" and _content(child).strip():
            return [child]
    return _children(part)[-1:]


def _write_headers(mail: Message, writer: TextWriter) -> None:
    for name in _HEADERS:
        for value in mail.get_all(name, []):
            writer.write(f"{name}: {_header(value)}\n")
    writer.end_paragraph()


def _write_part(part: Message, writer: TextWriter, read_attachment: ReadAttachment) -> None:
    name = _header(part.get_filename() or "")
    kind = part.get_content_type()
    if name or part.get_content_disposition() == "attachment":
        writer.section(name or "Attachment")
        writer.write(f"Attachment: {name or kind}\n")
        try:
            read_attachment(io.BytesIO(_content(part)), name)
        except NotReadable as error:
            if writer.is_full():
                raise
            writer.write(f"({error.message})")
        writer.end_paragraph()
    elif kind == "text/html":
        flow = Flow(writer)
        write_html(_content(part), _charset(part), flow)
        flow.end()
        writer.end_paragraph()
    elif part.get_content_maintype() == "text":
        writer.write(decode(_content(part), _charset(part)) or "")
        writer.end_paragraph()


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _charset(part: Message) -> str | None:
    charset = part.get_param("charset")
    return charset if isinstance(charset, str) else None


def _header(value: object) -> str:
    """The text of a header, in which encoded words are decoded."""
    try:
        parts = decode_header(value)  # type: ignore[arg-type]  # Header or str
    except (MessageError, ValueError):
        return " ".join(str(value).split())
    text = "".join(
        part if isinstance(part, str) else decode(part, charset) or "" for part, charset in parts
    )
    return " ".join(text.split())
