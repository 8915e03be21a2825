"""Web pages, books and mails."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

from tests.extract.samples import pdf

PAGE = """<!DOCTYPE html>
<html lang="de"><head><meta charset="%s"><title>Fahrplan &amp; Preise</title>
<style>body { color: red }</style><script>if (1 < 2) document.write("<p>no</p>")</script></head>
<body><nav><a href="/">Start</a> <a href="/x">Über uns</a></nav>
<h1>Linie 7 <small>nach Köln</small></h1>
<p>Der Bus f&auml;hrt
 jede   <b>Stunde</b>.<br>Sonntags nie.</p>
<ul><li>Erwachsene: 3&nbsp;&euro;</li><li>Kinder: frei</ul>
<table><caption>Zeiten</caption><tr><th>Ort<th>Ab</tr><tr><td>Süd</td><td>8:05</td></tr></table>
<pre>a  b
  c</pre>
<!-- a comment --><noscript>Bitte JavaScript einschalten</noscript>
<img src="x.png" alt="Ein Bus"><template>leer</template>
</body></html>
"""
# As mails are laid out: tables in tables.
NEWSLETTER = """<html><body><table><tr><td>
<table><tr><td><h2>Hello Ann</h2></td></tr><tr><td><p>Your order has been sent.</p>
<p>It arrives on Monday.</p></td></tr></table>
<table><tr><td>Shoes</td><td>2</td><td>$80.00</td></tr><tr><td>Total</td><td></td><td>$80.00</td></tr>
</table></td></tr></table></body></html>"""


def page(encoding: str = "utf-8") -> bytes:
    return (PAGE % encoding).encode(encoding)


def book() -> bytes:
    """Two chapters, whose order is not that of the archive."""
    chapter = (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/'
        'xhtml"><head><title/></head><body><h1>{}</h1><p>{}</p></body></html>'
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
            '<rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "OEBPS/content.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
            '<item id="b" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>'
            '<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>'
            '<item id="c" href="style.css" media-type="text/css"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        )
        archive.writestr("OEBPS/text/two b.xhtml", chapter.format("第二章", "雪が降り始めた。"))
        archive.writestr(
            "OEBPS/text/one.xhtml", chapter.format("第一章", "駅に着いたのは夜だった。")
        )
        archive.writestr("OEBPS/style.css", "p { margin: 0 }")
    return file.getvalue()


def mail() -> bytes:
    """Quoted-printable in Windows' encoding, an alternative in HTML, and three attachments."""
    message = EmailMessage()
    message["From"] = "Jürgen Groß <juergen@example.org>"
    message["To"] = "ann@example.org"
    message["Date"] = "Mon, 16 Mar 2026 09:30:00 +0100"
    message["Subject"] = "Prüfung der Brücken – Köln"
    message.set_content(
        "Liebe Ann,\n\nanbei die Prüfung. Sie kostet 340,50 €.\n\nGrüße, Jürgen\n",
        charset="windows-1252",
        cte="quoted-printable",
    )
    message.add_alternative("<p>Liebe Ann, <b>anbei</b> die Prüfung.</p>", subtype="html")
    message.add_attachment(
        "Ort;Länge\nKöln;120 m\n".encode("cp1252"), "text", "csv", filename="brücken.csv"
    )
    message.add_attachment(pdf.of_pages(1), "application", "pdf", filename="plan.pdf")
    message.add_attachment(b"\x89PNG\r\n\x1a\n\0\0\0\r", "image", "png", filename="photo.png")
    return message.as_bytes()


def forwarded() -> bytes:
    """A mail in Japanese that has another one attached, which is in HTML."""
    inner = EmailMessage()
    inner["From"] = "shop@example.com"
    inner["Subject"] = "Your order"
    inner.set_content(NEWSLETTER, subtype="html")
    message = EmailMessage()
    message["From"] = "taro@example.jp"
    message["Subject"] = "転送: 注文"
    message.set_content("確認をお願いします。\n", charset="iso-2022-jp")
    message.add_attachment(inner)
    return message.as_bytes()
