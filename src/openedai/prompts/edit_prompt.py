"""Conversations that ask a model to edit a text, in the form that its family was trained on."""

from __future__ import annotations

import re

from openedai.contract.chat import Chat, Message

# These have a section for the input, and a fixed text that announces it.
_SECTIONED = frozenset({"alpaca", "gpt4-x-alpaca"})
_PAIRED = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request."
)
# These take any system message. All others have a fixed one, or a template that may know none.
_WITH_SYSTEM = frozenset({"llama-2", "mpt", "plain"})

_EDIT = "Edit the text as the instruction says. Answer with the edited text and nothing else."
_WRITE = "Answer with the text that the instruction asks for and nothing else."

_FENCED = re.compile(r"```[\w+#.-]*\n(?P<inside>(?:(?!```).)*)\n```", re.DOTALL)
_WANTS_FENCE = re.compile(r"```|fence|markdown|code.?block", re.IGNORECASE)
_BLANK_START = re.compile(r"\A(?:[ \t]*\r?\n)+")


def edit_chat(instruction: str, text: str, family: str | None = None) -> Chat:
    """The conversation whose answer is `text` after the instruction, or a new text if it is empty.

    `family` is the name of a prompt format; None is a model with a chat template of its own.
    """
    if family in _SECTIONED:
        return _sectioned(instruction, text)
    request = f"Instruction: {instruction}\n\nText:\n{text}" if text else instruction
    rule = _EDIT if text else _WRITE
    if family in _WITH_SYSTEM:
        return _chat(request, system=rule)
    return _chat(f"{rule}\n\n{request}")


def bare_edit(answer: str, instruction: str, text: str) -> str:
    """The answer without what models put around it, as far as nothing else can be meant.

    That are blank lines, and one code fence around all of it where none was asked for.
    """
    bare = _BLANK_START.sub("", answer).rstrip()
    fenced = _FENCED.fullmatch(bare)
    if fenced is None or "```" in text or _WANTS_FENCE.search(instruction):
        return bare
    return fenced["inside"]


def _sectioned(instruction: str, text: str) -> Chat:
    if not text:
        return _chat(instruction)
    return _chat(f"{instruction}\n\n### Input:\n{text}", system=_PAIRED)


def _chat(request: str, system: str | None = None) -> Chat:
    told = () if system is None else (Message(role="system", content=system),)
    return Chat(messages=(*told, Message(role="user", content=request)))
