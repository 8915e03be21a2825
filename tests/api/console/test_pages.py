"""The console's files: who may read them, what headers they have, and what they may not contain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from openedai.api.console import pages
from tests.support import Running, ServerThread, echo_settings, fetch, raw_request

FILES = Path(pages.__file__).parent / "static"
SCRIPTS = sorted(FILES.rglob("*.js"))
# What would read a text as markup or as code.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|"
    r"setAttribute\(\"(?:style|on)|javascript:|createContextualFragment|DOMParser"
)
ADDRESS = re.compile(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`]*")
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.mark.parametrize("path", ["/console/", "/docs"])
def test_a_page_and_its_headers(echo_server: Running, path: str) -> None:
    answer = fetch(f"{echo_server.url}{path}")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert b"<style" not in answer.body
    assert not re.search(rb"<script(?![^>]* src=)", answer.body)


def test_the_address_without_a_slash_leads_there(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}/console", allow_redirects=False)
    assert (answer.status, answer.headers["location"]) == (307, "console/")
    assert fetch(f"{echo_server.url}/console").body == (FILES / "index.html").read_bytes()


@pytest.mark.parametrize("file", sorted(FILES.rglob("*.*")), ids=lambda file: file.name)
def test_every_file_is_served(echo_server: Running, file: Path) -> None:
    url = f"{echo_server.url}/console/static/{file.relative_to(FILES)}"
    answer = fetch(url)
    assert (answer.status, answer.body) == (200, file.read_bytes())
    assert answer.headers["x-content-type-options"] == "nosniff"
    unchanged = fetch(url, headers={"if-none-match": answer.headers["etag"]})
    assert (unchanged.status, unchanged.body) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "none.js",
        "../pages.py",
        "..%2fpages.py",
        "%2e%2e/routes.py",
        "lib",
        "lib/",
        "",
        "%2fetc%2fpasswd",
        "lib/../../../../errors.py",
        "%00",
        "a" * 300 + ".js",
    ],
)
def test_nothing_else_is_served(echo_server: Running, name: str) -> None:
    request = f"GET /console/static/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = raw_request(echo_server.port, request.encode())
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"Invalid URL" in answer


def test_they_need_no_key() -> None:
    with ServerThread(echo_settings(api_keys=("sk-a-key",))) as server:
        for path in ("/console/", "/console/static/app.js", "/docs", "/openapi.json"):
            assert fetch(f"{server.url}{path}").status == 200
        assert fetch(f"{server.url}/console/api/session").status == 401


@pytest.mark.parametrize("path", ["/console/", "/console/static/app.js", "/console/api/session"])
def test_other_web_pages_and_host_names_are_refused(echo_server: Running, path: str) -> None:
    for headers in ({"origin": "http://evil.example"}, {"host": "evil.example"}):
        assert fetch(f"{echo_server.url}{path}", headers=headers).status == 403


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_no_text_becomes_markup(file: Path) -> None:
    assert FORBIDDEN.findall(file.read_text("utf-8")) == []


@pytest.mark.parametrize("file", sorted(FILES.rglob("*.*")), ids=lambda file: file.name)
def test_nothing_is_loaded_from_elsewhere(file: Path) -> None:
    text = file.read_text("utf-8").replace(NAMESPACE, "")
    assert ADDRESS.findall(text) == []


def test_every_page_of_the_menu_is_there() -> None:
    names = re.findall(r'name: "(\w+)"', (FILES / "pages.js").read_text("utf-8"))
    assert sorted(f"{name}.js" for name in names) == sorted(
        file.name for file in (FILES / "pages").glob("*.js")
    )
    for name in names:
        text = (FILES / "pages" / f"{name}.js").read_text("utf-8")
        assert "export const title" in text
        assert re.search(r"export (?:async )?function open\(page\)", text)


def test_it_is_light() -> None:
    assert sum(file.stat().st_size for file in FILES.rglob("*.*")) < 250_000
