"""Bodies to which a parameter is added, and what the tables are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openedai.http.body import Body
from openedai.http.upload import StreamedFile, Upload
from tests.docs.pages import ROOT

STREAM = {"stream"}

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
RESPONSE: dict[str, Any] = {"model": "m", "input": "hi"}
COMPLETION: dict[str, Any] = {"model": "m", "prompt": "hi"}
EMBEDDING: dict[str, Any] = {"model": "m", "input": "hi"}
DECISION: dict[str, Any] = {
    "model": "m",
    "input": "hi",
    "questions": [{"type": "predicate", "instructions": "hi"}],
}

UPLOAD = Upload("cat.png", "image/png", 1, ROOT / "cat.png")
FILE: dict[str, Any] = {"file": StreamedFile("a.txt", "", 1), "purpose": "vision"}
IMAGE: dict[str, Any] = {"prompt": "hi"}
IMAGE_EDIT: dict[str, Any] = {"prompt": "hi", "image": [UPLOAD]}
IMAGE_VARIATION: dict[str, Any] = {"image": UPLOAD}
SPEECH_FILE: dict[str, Any] = {"model": "m", "file": Upload("a.wav", "", 1, Path("a.wav"))}
SPEECH: dict[str, Any] = {"model": "m", "input": "hi", "voice": "alloy"}
EDIT: dict[str, Any] = {"model": "m", "instruction": "hi"}
GENERATE: dict[str, Any] = {"model": "m", "context": "hi"}
SEARCH: dict[str, Any] = {"model": "m", "query": "hi", "documents": ["hi"]}
ANSWER: dict[str, Any] = {
    "model": "m",
    "question": "hi",
    "documents": ["hi"],
    "examples": [["hi", "hi"]],
    "examples_context": "hi",
}
CLASSIFICATION: dict[str, Any] = {"model": "m", "query": "hi", "examples": [["a", "b"]] * 2}
GRADER: dict[str, Any] = {
    "type": "string_check",
    "name": "n",
    "operation": "eq",
    "input": "a",
    "reference": "b",
}
TUNING: dict[str, Any] = {"model": "m", "training_file": "file-1", "seed": 1}

Table = tuple[str, int]
# Table by table: the official names, our model, and a body to which a parameter is added.
Tables = dict[Table, tuple[set[str], type[Body], dict[str, Any]]]
