"""Conversations that ask a model to edit a text, in the prompt format that it was trained on."""

from __future__ import annotations

import re

from openedai.contract.chat import Chat, Message

# Formats with a section for the input, and a fixed text that announces it.
_WITH_INPUT_SECTION = frozenset({"alpaca", "gpt4-x-alpaca"})
_INPUT_SECTION_SYSTEM = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request."
)
# Formats that accept any system message. Others have a fixed one, or a template that may not
# support one.
_WITH_SYSTEM = frozenset({"llama-2", "mpt", "plain"})

_EDIT = "Edit the text as the instruction says. Answer with the edited text and nothing else."
_WRITE = "Answer with the text that the instruction asks for and nothing else."

_CODE_BLOCK = re.compile(r"```[\w+#.-]*\n(?P<content>(?:(?!```).)*)\n```", re.DOTALL)
_ASKS_FOR_CODE_BLOCK = re.compile(r"```|fence|markdown|code.?block", re.IGNORECASE)
_LEADING_BLANK_LINES = re.compile(r"\A(?:[ \t]*\r?\n)+")


def edit_chat(instruction: str, text: str, prompt_format: str | None = None) -> Chat:
    """A conversation whose answer is the edited `text`, or a new text if `text` is empty.

    `prompt_format` is the name of one; None for a model with a chat template of its own.
    """
    if prompt_format in _WITH_INPUT_SECTION:
        return _chat_with_input_section(instruction, text)
    request = f"Instruction: {instruction}\n\nText:\n{text}" if text else instruction
    rule = _EDIT if text else _WRITE
    if prompt_format in _WITH_SYSTEM:
        return _chat(request, system=rule)
    return _chat(f"{rule}\n\n{request}")


def unwrap_edit(answer: str, instruction: str, text: str) -> str:
    """The answer without what models put around it.

    That is leading blank lines and trailing white space, and a code block around the whole answer
    unless the instruction or the text has one.
    """
    trimmed = _LEADING_BLANK_LINES.sub("", answer).rstrip()
    code_block = _CODE_BLOCK.fullmatch(trimmed)
    if code_block is None or "```" in text or _ASKS_FOR_CODE_BLOCK.search(instruction):
        return trimmed
    return code_block["content"]


def _chat_with_input_section(instruction: str, text: str) -> Chat:
    if not text:
        return _chat(instruction)
    return _chat(f"{instruction}\n\n### Input:\n{text}", system=_INPUT_SECTION_SYSTEM)


def _chat(request: str, system: str | None = None) -> Chat:
    system_messages = () if system is None else (Message(role="system", content=system),)
    return Chat(messages=(*system_messages, Message(role="user", content=request)))
