"""Presentations and spreadsheets, made by python-pptx and openpyxl; OpenDocument by odfpy."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time
from typing import Any

from odf.opendocument import OpenDocumentSpreadsheet, OpenDocumentText
from odf.style import Style
from odf.table import Table, TableCell, TableRow
from odf.text import H, LineBreak, List, ListItem, Note, NoteBody, NoteCitation, P, S, Span
from openpyxl import Workbook
from pptx import Presentation
from pptx.util import Inches


def slides() -> bytes:
    """Japanese, with a table, speaker's notes, a group and a slide number."""
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "売上報告"
    slide.placeholders[1].text = "第一四半期は増収\n第二四半期は横ばい"
    slide.notes_slide.notes_text_frame.text = "質問の時間を取る"
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "内訳"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for index, text in enumerate(("商品", "金額", "りんご", "¥1,200")):
        table.cell(index // 2, index % 2).text = text
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "まとめ"
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


def sheets() -> bytes:
    """Texts, numbers, dates, times, percentages, truth, gaps, a formula and two sheets."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Bestellungen"
    sheet.append(["Kunde", "Datum", "Betrag", "Rabatt", "Bezahlt"])
    sheet.append(["Müller & Söhne", date(2026, 3, 14), 1234.5, 0.125, True])
    sheet.append(["Łukasz", datetime(2026, 3, 15, 9, 30), 17, None, False])
    sheet.append([None, None, 0.1 + 0.2, None, None])
    sheet["D2"].number_format = "0.0%"
    sheet["A6"] = "Summe"
    sheet["C6"] = "=SUM(C2:C4)"
    other = book.create_sheet("Öffnungszeiten")
    other.append(["Montag", time(8, 0), time(17, 45)])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def excel() -> bytes:
    """As Excel writes it: shared texts, some with formatting or a reading, and dates since 1904."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    type_ = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="rId1"'
        f' Type="{type_}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{type_}"><workbookPr date1904="1"/>'
        '<sheets><sheet name="名簿" sheetId="7" r:id="rId3"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{relations}">'
        f'<Relationship Id="rId3" Type="{type_}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId4" Type="{type_}/sharedStrings" Target="sharedStrings.xml"/>'
        f'<Relationship Id="rId5" Type="{type_}/styles" Target="styles.xml"/></Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}"><si><t>東京</t><rPh sb="0" eb="2">'
        "<t>トウキョウ</t></rPh></si>"
        "<si><r><t>very </t></r><r><rPr><b/></rPr><t>bold</t></r></si></sst>",
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><numFmts><numFmt numFmtId="164"'
        ' formatCode="dd&quot;m&quot;.mm\\.yyyy"/></numFmts><cellStyleXfs><xf numFmtId="9"/>'
        '</cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData><row r="1">'
        '<c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c><c r="D1" s="1"><v>1</v></c></row>'
        '<row r="2"><c t="str"><f>A1&amp;"!"</f><v>東京!</v></c><c t="e"><v>#N/A</v></c>'
        '<c t="s"><v>99</v></c><c><v>1E-3</v></c></row></sheetData></worksheet>',
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def written() -> bytes:
    """A text with headings, a list, a table, a note, spaces and a line break."""
    document = OpenDocumentText()
    document.automaticstyles.addElement(Style(name="T1", family="text"))
    document.text.addElement(H(outlinelevel=1, text="Réunion du comité"))
    paragraph = P(text="Le budget est ")
    paragraph.addElement(Span(stylename="T1", text="approuvé"))
    note = Note(noteclass="footnote")
    note.addElement(NoteCitation(text="1"))
    body = NoteBody()
    body.addElement(P(text="Vote à l’unanimité."))
    note.addElement(body)
    paragraph.addElement(note)
    paragraph.addText(" par")
    paragraph.addElement(S(c=2))
    paragraph.addText("tous.")
    document.text.addElement(paragraph)
    list_ = List()
    for text in ("Café", "Thé"):
        item = ListItem()
        item.addElement(P(text=text))
        list_.addElement(item)
    document.text.addElement(list_)
    document.text.addElement(_table("Prix", [["Poste", "Coût"], ["Salle", "120 €"]]))
    last = P(text="Ligne une")
    last.addElement(LineBreak())
    last.addText("ligne deux")
    document.text.addElement(last)
    return _saved(document)


def calculated() -> bytes:
    document = OpenDocumentSpreadsheet()
    table = _table("Lager", [["Teil", "Anzahl"], ["Schraube", "40"]])
    row = TableRow()
    for text, times in (("x", 3), ("", 1000)):
        cell = TableCell(numbercolumnsrepeated=times)
        if text:
            cell.addElement(P(text=text))
        row.addElement(cell)
    table.addElement(row)
    document.spreadsheet.addElement(table)
    return _saved(document)


def _table(name: str, rows: list[list[str]]) -> Any:
    table = Table(name=name)
    for texts in rows:
        row = TableRow()
        for text in texts:
            cell = TableCell()
            cell.addElement(P(text=text))
            row.addElement(cell)
        table.addElement(row)
    return table


def _saved(document: Any) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()
