"""PDF documents, made by reportlab."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    PageBreak,
    PageTemplate,
    Paragraph,
    SimpleDocTemplate,
    Table,
)

LEFT = "The left column tells how the river rose in spring and flooded the lower meadows. "
RIGHT = "The right column tells how the mayor built a wall of stones along the western bank. "


def report() -> bytes:
    """Two pages with umlauts and a table."""
    file = io.BytesIO()
    style = getSampleStyleSheet()
    document = SimpleDocTemplate(file, pagesize=A4)
    document.build(
        [
            Paragraph("Jahresbericht für Größenmaße", style["Heading1"]),
            Paragraph(
                "Die Prüfung ergab keine Mängel. Übrig blieben 12 € Überschuss.", style["Normal"]
            ),
            Table([["Stadt", "Einwohner"], ["München", "1.512.000"], ["Köln", "1.084.000"]]),
            PageBreak(),
            Paragraph("Zweite Seite: Fußnoten und Anhänge.", style["Normal"]),
        ]
    )
    return file.getvalue()


def columns() -> bytes:
    """A page of two columns."""
    file = io.BytesIO()
    document = BaseDocTemplate(file, pagesize=A4)
    frames = [Frame(50, 500, 230, 300), Frame(310, 500, 230, 300)]
    document.addPageTemplates(PageTemplate(frames=frames))
    style = getSampleStyleSheet()["Normal"]
    document.build([Paragraph(LEFT * 10, style), Paragraph(RIGHT * 5, style)])
    return file.getvalue()


def japanese() -> bytes:
    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiKakuGo-W5"))
    return _drawn(
        "HeiseiKakuGo-W5", ["東京都の人口は約千四百万人です。", "会議は月曜日に行います。"]
    )


def chinese() -> bytes:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    return _drawn("STSong-Light", ["北京是中华人民共和国的首都。"])


def cyrillic() -> bytes:
    font = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    pdfmetrics.registerFont(TTFont("DejaVu", str(font)))
    return _drawn("DejaVu", ["Москва — столица России.", "Η Αθήνα είναι πρωτεύουσα."])


def encrypted() -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, encrypt=StandardEncryption("secret", canPrint=0))
    canvas.drawString(100, 700, "Hidden")
    canvas.save()
    return file.getvalue()


def protected() -> bytes:
    """Opens without a password; only its owner may print it."""
    file = io.BytesIO()
    canvas = Canvas(file, encrypt=StandardEncryption("", "owner", canPrint=0))
    canvas.drawString(100, 700, "Readable by everybody")
    canvas.save()
    return file.getvalue()


def scanned() -> bytes:
    """Pages of drawings, without text."""
    file = io.BytesIO()
    canvas = Canvas(file)
    for _ in range(2):
        canvas.rect(100, 100, 300, 400, fill=1)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def of_pages(count: int) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for number in range(1, count + 1):
        canvas.drawString(100, 700, f"This is page {number}.")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def _drawn(font: str, lines: list[str]) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    canvas.setFont(font, 14)
    for index, line in enumerate(lines):
        canvas.drawString(72, 760 - 24 * index, line)
    canvas.save()
    return file.getvalue()
