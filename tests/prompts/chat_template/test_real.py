"""The templates of default models."""

from __future__ import annotations

from pathlib import Path

import pytest

from openedai.gguf.header import read_metadata
from openedai.prompts.chat_template.conversation import ConversationTemplate

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def template(smollm2_path: Path) -> ConversationTemplate:
    source = read_metadata(smollm2_path).strings["tokenizer.chat_template"]
    return ConversationTemplate(source, bos_token="<|im_start|>", eos_token="<|im_end|>")


def test_smollm2(template: ConversationTemplate) -> None:
    messages = [
        {"role": "user", "content": "Hello {{ name }}"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "Bye"},
    ]
    turns = (
        "<|im_start|>user\nHello {{ name }}<|im_end|>\n<|im_start|>assistant\nHi<|im_end|>\n"
        "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    )
    assert template.render(messages).startswith(
        "<|im_start|>system\nYou are a helpful AI assistant"
    )
    assert template.render(messages).endswith(f"<|im_end|>\n{turns}")
    system = {"role": "system", "content": "Be brief."}
    expected = f"<|im_start|>system\nBe brief.<|im_end|>\n{turns}"
    assert template.render([system, *messages]) == expected
    assert not template.capabilities.supports_tools
    assert template.capabilities.reasoning is None
