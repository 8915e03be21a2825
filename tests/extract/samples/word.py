"""Documents as Word writes them, made by python-docx."""

from __future__ import annotations

import io
import zipfile

from docx import Document
from docx.document import Document as WordDocument
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

_FOOTNOTES = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>
<w:footnote w:id="2"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t xml:space="preserve"> § 12 Abs. 3
 der Straßenverordnung.</w:t></w:r></w:p></w:footnote>
</w:footnotes>"""
_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
_CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"


def report() -> bytes:
    """German, with a header and footer, headings, a list, a table and a footnote."""
    document = Document()
    document.sections[0].header.paragraphs[0].text = "Straßenbauamt Köln"
    document.sections[0].footer.paragraphs[0].text = "Vertraulich"
    document.add_heading("Prüfbericht der Brücken", 0)
    document.add_heading("Übersicht", 1)
    paragraph = document.add_paragraph("Die Brücke über die ")
    paragraph.add_run("Große Straße").bold = True
    paragraph.add_run(" wurde geprüft")
    paragraph.runs[-1]._r.append(parse_xml(f'<w:footnoteReference {nsdecls("w")} w:id="2"/>'))
    paragraph.add_run(".")
    document.add_paragraph("Geländer streichen", style="List Bullet")
    document.add_paragraph("Fugen ausbessern", style="List Bullet")
    document.add_heading("Kosten", 2)
    table = document.add_table(rows=0, cols=3)
    for row in (
        ("Posten", "Menge", "Preis"),
        ("Farbe", "12 l", "340,50 €"),
        ("Gerüst", "", "1.200 €"),
    ):
        cells = table.add_row().cells
        for cell, text in zip(cells, row, strict=True):
            cell.text = text
    document.add_paragraph("Zeile eins\nZeile zwei\tmit Tabulator")
    return _with_footnotes(document)


def revised() -> bytes:
    """With insertions and deletions that were not accepted, a text box and its fallback."""
    document = Document()
    document.add_paragraph("The rent is ")
    document.paragraphs[0]._p.append(
        parse_xml(
            f"<w:ins {nsdecls('w')} w:id='1' w:author='a'><w:r><w:t>900 euros</w:t></w:r></w:ins>"
        )
    )
    document.paragraphs[0]._p.append(
        parse_xml(
            f"<w:del {nsdecls('w')} w:id='2' w:author='a'><w:r><w:delText>800</w:delText></w:r>"
            "</w:del>"
        )
    )
    box = "<w:p><w:r><w:t>In a box</w:t></w:r></w:p>"
    document.add_paragraph("Beside it").runs[0]._r.append(
        parse_xml(
            f"<mc:AlternateContent {nsdecls('w')}"
            " xmlns:mc='http://schemas.openxmlformats.org/markup-compatibility/2006'>"
            f"<mc:Choice Requires='wps'><w:txbxContent>{box}</w:txbxContent></mc:Choice>"
            f"<mc:Fallback><w:txbxContent>{box}</w:txbxContent></mc:Fallback></mc:AlternateContent>"
        )
    )
    return _saved(document)


def arabic() -> bytes:
    document = Document()
    document.add_heading("تقرير المياه", 1)
    document.add_paragraph("يقع مكتب المياه في شارع النيل بالقاهرة.")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text = "المدينة"
    table.cell(0, 1).text = "القاهرة"
    return _saved(document)


def _saved(document: WordDocument) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _with_footnotes(document: WordDocument) -> bytes:
    """As Word stores them, which python-docx cannot make."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_saved(document))) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "[Content_Types].xml":
                content = content.replace(
                    b"</Types>",
                    b'<Override PartName="/word/footnotes.xml" ContentType="%b"/></Types>'
                    % _CONTENT_TYPE.encode(),
                )
            if name == "word/_rels/document.xml.rels":
                content = content.replace(
                    b"</Relationships>",
                    b'<Relationship Id="rIdF" Type="%b" Target="footnotes.xml"/></Relationships>'
                    % _TYPE.encode(),
                )
            new.writestr(name, content, zipfile.ZIP_DEFLATED)
        new.writestr("word/footnotes.xml", _FOOTNOTES, zipfile.ZIP_DEFLATED)
    return made.getvalue()
