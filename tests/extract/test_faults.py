"""Files that cannot be read fail with a reason, within limits, and leave no process."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from openedai.extract.text import Limits, NotReadable, extract
from tests.extract.reading import LIMITS, read_here, refusal
from tests.extract.samples import office, pdf, web, word

_WORKER = "openedai.extract.worker"
_DOCUMENT = "word/document.xml"
_WORD = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
_EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>'
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
# Takes some ten seconds to read.
_SLOW = b"<r>" + b"<a/>" * 5_000_000 + b"</r>"


def _readers(process: psutil.Process) -> list[psutil.Process]:
    """The processes that read files for another one."""
    found = []
    for child in process.children(recursive=True):
        try:
            if _WORKER in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert not _readers(psutil.Process())


def _with_part(name: str, content: bytes, make: Callable[[], bytes] = word.report) -> bytes:
    """A document of which one part is replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(make())) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            if info.filename != name:
                new.writestr(info, old.read(info))
        new.writestr(name, content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _laughs() -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(12))
    return f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><x>&l11;</x>'.encode()


def _encrypted_office() -> bytes:
    return _OLE + "EncryptedPackage".encode("utf-16-le")


def _encrypted_zip() -> bytes:
    """The flag of each entry says that it is encrypted."""
    raw = bytearray(office.written())
    at = -1
    while (at := raw.find(b"PK\x01\x02", at + 1)) >= 0:
        raw[at + 8] |= 1
    return bytes(raw)


def _mail_in_mails(depth: int) -> bytes:
    head = b"Content-Type: message/rfc822\r\n\r\n"
    return b"Subject: a\r\n" + head * depth + b"Subject: b\r\n\r\ntext\r\n"


REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "old.docx": (lambda: _OLE, "unsupported", "2007"),
    "secret.docx": (_encrypted_office, "invalid", "password"),
    "secret.odt": (_encrypted_zip, "invalid", "password"),
    "manifest.odt": (
        lambda: _with_part(
            "META-INF/manifest.xml", b"<m><e><encryption-data/></e></m>", office.written
        ),
        "invalid",
        "password",
    ),
    "secret.epub": (
        lambda: _with_part(
            "META-INF/encryption.xml",
            b'<e><CipherReference URI="OEBPS/text/one.xhtml"/>'
            b'<CipherReference URI="OEBPS/text/two%20b.xhtml"/></e>',
            web.book,
        ),
        "invalid",
        "encrypted",
    ),
    "secret.pdf": (pdf.encrypted, "invalid", "password"),
    "scanned.pdf": (pdf.scanned, "invalid", "scanned"),
    "cut.pdf": (lambda: pdf.report()[:300], "invalid", "broken"),
    "text.pdf": (lambda: b"no pdf", "invalid", "not a .pdf file"),
    "text.docx": (lambda: b"no docx", "invalid", "not a .docx file"),
    "empty.docx": (lambda: b"", "invalid", "not a .docx file"),
    "cut.docx": (lambda: word.report()[:-100], "invalid", "broken"),
    "half.docx": (lambda: _with_part(_DOCUMENT, _WORD + b"<w:p>"), "invalid", "broken"),
    "crc.docx": (
        lambda: word.report().replace(b"PK\x03\x04", b"PK\x03\x05"),
        "invalid",
        "not a .docx file",
    ),
    "archive.zip": (lambda: _zip({"a.txt": b"text"}), "unsupported", "archive"),
    "no-chapters.epub": (
        lambda: _with_part("OEBPS/content.opf", b"<package/>", web.book),
        "invalid",
        "no chapters",
    ),
    "no-root.epub": (
        lambda: _with_part("META-INF/container.xml", b"<c/>", web.book),
        "invalid",
        "broken",
    ),
    "laughs.xml": (_laughs, "invalid", "entities"),
    "laughs.docx": (lambda: _with_part(_DOCUMENT, _laughs()), "invalid", "entities"),
    "laughs.odt": (lambda: _with_part("content.xml", _laughs(), office.written), "invalid", "ent"),
    "laughs.xlsx": (
        lambda: _with_part("xl/styles.xml", _laughs(), office.sheets),
        "invalid",
        "entities",
    ),
    "external.xml": (lambda: _EXTERNAL, "invalid", "entities"),
    "not.xml": (lambda: b"<a><b></a>", "invalid", "broken"),
    "binary.html": (lambda: bytes(range(256)) * 9, "invalid", "not a web page"),
    "no-headers.eml": (lambda: b"\r\ntext", "invalid", "no headers"),
    "photo.jpg": (lambda: b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(99), "unsupported", "neither"),
    "letter.rtf": (lambda: b"{\\rtf1 text}", "unsupported", "openedai[documents]"),
    "table.xls": (lambda: _OLE, "unsupported", "openedai[documents]"),
}


def _zip(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize("name", REFUSED)
def test_the_reason_is_said(name: str) -> None:
    make, code, words = REFUSED[name]
    with pytest.raises(NotReadable) as caught:
        read_here(make(), name)
    assert caught.value.code == f"{code}_file"
    assert words in caught.value.message


@pytest.mark.parametrize("name", ["secret.pdf", "laughs.docx", "half.docx", "archive.zip"])
def test_the_process_says_the_same_reason(name: str) -> None:
    make, code, words = REFUSED[name]
    error = refusal(make(), name)
    assert (error.code, words in error.message) == (f"{code}_file", True)


@pytest.mark.parametrize("part", [_DOCUMENT, "word/styles.xml", "word/footnotes.xml"])
def test_a_zip_bomb_is_not_unpacked_whole(part: str) -> None:
    raw = _with_part(part, _WORD + b" " * (64 << 20) + b"</w:document>")
    assert len(raw) < 1 << 18
    with pytest.raises(NotReadable, match="larger than 4 MiB unpacked"):
        read_here(raw, "a.docx", limit=200_000)


def test_more_text_than_the_limit_in_an_attachment_fails_the_mail() -> None:
    with pytest.raises(NotReadable, match="more than 250 characters"):
        read_here(web.mail(), "a.eml", limit=250)


DEEP: dict[str, Callable[[int], bytes]] = {
    "a.xml": lambda n: b"<a>" * n + b"text" + b"</a>" * n,
    "a.html": lambda n: b"<div>" * n + b"text",
    "table.html": lambda n: b"<table><tr><td>" * (n // 100) + b"text",
    "a.docx": lambda n: _with_part(
        _DOCUMENT,
        _WORD
        + b"<w:tbl><w:tr><w:tc>" * (n // 100)
        + b"<w:p><w:r><w:t>text</w:t></w:r></w:p>"
        + b"</w:tc></w:tr></w:tbl>" * (n // 100)
        + b"</w:document>",
    ),
    "a.odt": lambda n: _with_part(
        "content.xml",
        b"<list>" * n + b"<p>text</p>" + b"</list>" * n,
        office.written,
    ),
    "a.json": lambda n: b"[" * n + b'"text"' + b"]" * n,
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_is_read(name: str) -> None:
    assert "text" in read_here(DEEP[name](100_000), name).text


def test_mails_in_mails() -> None:
    assert "text" in read_here(_mail_in_mails(20), "a.eml").text
    assert refusal(_mail_in_mails(50_000), "a.eml").code == "invalid_file"


def test_a_file_that_needs_too_much_memory() -> None:
    limits = Limits(seconds=20.0, memory=160 << 20)
    error = refusal(bytes(200 << 20), "a.html", limits)
    assert error.code == "invalid_file"
    assert "needs more than 160 MiB" in error.message


def test_a_file_that_takes_too_long() -> None:
    error = refusal(_SLOW, "a.xml", Limits(seconds=1.0))
    assert error.code == "invalid_file"
    assert "within 1 seconds" in error.message


async def _reader(server: psutil.Process | None = None) -> psutil.Process:
    """The process that reads, once it runs."""
    async with asyncio.timeout(30):
        while True:
            if found := _readers(server or psutil.Process()):
                return found[0]
            await asyncio.sleep(0.01)


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(_SLOW)

    async def run() -> None:
        task = asyncio.create_task(extract(path, "a.xml", Limits(seconds=0.5)))
        (await _reader()).send_signal(signal.SIGSTOP)
        await task

    with pytest.raises(NotReadable, match=r"within 0\.5 seconds"):
        asyncio.run(run())


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(_SLOW)

    async def run() -> None:
        task = asyncio.create_task(extract(path, "a.xml", LIMITS))
        (await _reader()).kill()
        await task

    with pytest.raises(NotReadable) as caught:
        asyncio.run(run())
    assert caught.value.code == "server_error"


def test_a_cancelled_reader_ends_its_process(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(_SLOW)

    async def run() -> None:
        task = asyncio.create_task(extract(path, "a.xml", LIMITS))
        process = await _reader()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE

    asyncio.run(run())


def test_the_process_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(_SLOW)
    code = (
        "import asyncio, pathlib, openedai.extract.text as t\n"
        f"asyncio.run(t.extract(pathlib.Path({str(path)!r}), 'a.xml', t.Limits()))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as server:
        try:
            reader = asyncio.run(_reader(psutil.Process(server.pid)))
        finally:
            server.kill()
        reader.wait(10)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(extract(tmp_path / "none", "a.txt", LIMITS))
