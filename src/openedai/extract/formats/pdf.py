"""PDF documents, read with PDFium."""

from __future__ import annotations

from typing import IO

from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter

_PASSWORD_NEEDED = "password"


def read_pdf(file: IO[bytes], writer: TextWriter) -> None:
    """Write the text of each page, as a section. Raises NotReadable."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as error:
        if _PASSWORD_NEEDED in str(error).lower():
            raise NotReadable("invalid_file", "The PDF is encrypted with a password.") from None
        raise NotReadable("invalid_file", "The PDF cannot be opened: it may be broken.") from None
    found = False
    for index in range(len(document)):
        page = document[index]
        text = page.get_textpage().get_text_range()
        found = found or bool(text.strip())
        writer.section(f"Page {index + 1}")
        writer.write(text)
        page.close()
    if not found:
        raise NotReadable(
            "invalid_file",
            "The PDF has no text: its pages may be scanned. Recognise their text first (OCR).",
        )
