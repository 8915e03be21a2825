"""The string formats that can be enforced, as patterns.

A pattern is exact, or narrower than its format where that is not regular in practice: see
docs/structured-outputs.md.
"""

from __future__ import annotations

_YEAR = r"(\d{3}[1-9]|\d{2}[1-9]0|\d[1-9]00|[1-9]000)"
_LEAP_YEAR = r"(\d{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_DATE = (
    rf"({_YEAR}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)"
    rf"|02-(0[1-9]|1\d|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_HOUR = r"([01]\d|2[0-3])"
_TIME = rf"{_HOUR}:[0-5]\d:[0-5]\d(\.\d{{1,6}})?(Z|[+\-]{_HOUR}:[0-5]\d)"

_BYTE = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_GROUP = "[0-9a-fA-F]{1,4}"
_IPV6 = "|".join(
    [
        rf"({_GROUP}:){{7}}{_GROUP}",
        rf"({_GROUP}:){{1,7}}:",
        *(rf"({_GROUP}:){{1,{7 - after}}}(:{_GROUP}){{1,{after}}}" for after in range(1, 7)),
        rf":((:{_GROUP}){{1,7}}|:)",
    ]
)

# At most 6 labels of 39 characters, of which the last begins with a letter.
_LABEL_REST = r"[A-Za-z0-9]{0,12}(-[A-Za-z0-9]{1,12}){0,2}"
_HOSTNAME = rf"([A-Za-z0-9]{_LABEL_REST}\.){{0,5}}[A-Za-z]{_LABEL_REST}"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?\^_`{|}~\-]{1,20}"

_DATE_PART = r"(\d{1,6}D|\d{1,6}M(\d{1,6}D)?|\d{1,6}Y(\d{1,6}M(\d{1,6}D)?)?)"
_TIME_PART = r"T(\d{1,6}H(\d{1,6}M(\d{1,6}S)?)?|\d{1,6}M(\d{1,6}S)?|\d{1,6}S)"

_URI_CHAR = r"[A-Za-z0-9\-._~!$&'()*+,;=:@]"
_URI_PATH = rf"(/{_URI_CHAR}{{0,60}}){{0,15}}"
_URI_END = rf"(\?({_URI_CHAR}|[/?]){{0,500}})?(#({_URI_CHAR}|[/?]){{0,100}})?"
_URI = rf"[A-Za-z][A-Za-z0-9+.\-]{{0,15}}://{_HOSTNAME}(:[1-9]\d{{0,3}})?{_URI_PATH}{_URI_END}"
_URI_REFERENCE = rf"({_URI}|[A-Za-z0-9\-._~]{{0,60}}{_URI_PATH}{_URI_END})"
_EMAIL = rf"{_ATOM}(\.{_ATOM}){{0,2}}@{_HOSTNAME}"
_JSON_POINTER = r"(/([^~/]|~[01])*)*"

PATTERNS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": f"P({_DATE_PART}({_TIME_PART})?|{_TIME_PART}|\\d{{1,6}}W)",
    "uuid": "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "ipv4": rf"{_BYTE}(\.{_BYTE}){{3}}",
    "ipv6": _IPV6,
    "hostname": _HOSTNAME,
    "email": _EMAIL,
    "uri": _URI,
    "uri-reference": _URI_REFERENCE,
    "uri-template": _URI,
    "iri": _URI,
    "iri-reference": _URI_REFERENCE,
    "idn-email": _EMAIL,
    "idn-hostname": _HOSTNAME,
    "json-pointer": _JSON_POINTER,
    "relative-json-pointer": rf"(0|[1-9]{{1,9}})(#|/([^~/]|~[01])*{_JSON_POINTER})",
    "regex": r"\^?(([A-Za-z0-9_ ]|\\[dwsDWS.]|\.)[*+?]?){0,200}\$?",
}
"""Patterns of whole strings. What other formats say is not enforced, as the standard has it."""

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9\-]*[A-Za-z0-9])?"
_SOME_ATOM = _ATOM.removesuffix("{1,20}") + "+"

PATTERNS_BESIDE = PATTERNS | {
    "email": rf"{_SOME_ATOM}(\.{_SOME_ATOM})*@({_LABEL}\.)+[A-Za-z]([A-Za-z0-9\-]*[A-Za-z0-9])?"
}
"""Those beside a pattern, which need no lengths: llguidance intersects only simple ones."""
