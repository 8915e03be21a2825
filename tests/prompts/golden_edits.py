"""The prompts of an edit in each prompt format, for the tokens `<s>` and `</s>`.

The first is for TEXT and INSTRUCTION, the second for INSTRUCTION without a text.
"""

from __future__ import annotations

INSTRUCTION = "Fix the spelling."
TEXT = "What day is it todya?\n\nFriday."

_EDIT = "Edit the text as the instruction says. Answer with the edited text and nothing else."
_WRITE = "Answer with the text that the instruction asks for and nothing else."
_REQUEST = "Instruction: Fix the spelling.\n\nText:\nWhat day is it todya?\n\nFriday."

EDIT = f"{_EDIT}\n\n{_REQUEST}"
WRITE = f"{_WRITE}\n\nFix the spelling."

_ALPACA = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\nFix the spelling.\n\n"
    "### Input:\nWhat day is it todya?\n\nFriday.\n\n### Response:\n",
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n\n### Instruction:\nFix the spelling.\n\n### Response:\n",
)
_CHAT = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions. "
)
_VICUNA = (f"{_CHAT}USER: {EDIT} ASSISTANT:", f"{_CHAT}USER: {WRITE} ASSISTANT:")
_STABLE = (
    "### Assistant: I am StableVicuna, a large language model created by CarperAI. "
    "I am here to chat!\n\n### Human: "
)
_SNOOZY = (
    "### Instruction:\nThe prompt below is a question to answer, a task to complete, or a "
    "conversation to respond to; decide which and write an appropriate response.\n### Prompt:\n"
)
_RAVEN = (
    "Bob: hi\n\nAlice: Hi. I am your assistant and I will provide expert full response in full "
    "details. Please feel free to ask any question and I will always answer it.\n\nBob: "
)

EDITS: dict[str, tuple[str, str]] = {
    "alpaca": _ALPACA,
    "gpt4-x-alpaca": _ALPACA,
    "vicuna-1.1": _VICUNA,
    "wizard-vicuna": _VICUNA,
    "stable-vicuna": (
        f"{_STABLE}{EDIT}\n### Assistant:",
        f"{_STABLE}{WRITE}\n### Assistant:",
    ),
    "koala": (
        f"BEGINNING OF CONVERSATION: USER: {EDIT} GPT:",
        f"BEGINNING OF CONVERSATION: USER: {WRITE} GPT:",
    ),
    "gpt4all-snoozy": (
        f"{_SNOOZY}{EDIT}\n### Response:\n",
        f"{_SNOOZY}{WRITE}\n### Response:\n",
    ),
    "rwkv-raven": (
        _RAVEN + EDIT.replace("\n\n", "\n") + "\n\nAlice:",
        _RAVEN + WRITE.replace("\n\n", "\n") + "\n\nAlice:",
    ),
    "mpt": (
        f"<|im_start|>system\n{_EDIT}<|im_end|>\n<|im_start|>user\n{_REQUEST}<|im_end|>\n"
        "<|im_start|>assistant\n",
        f"<|im_start|>system\n{_WRITE}<|im_end|>\n<|im_start|>user\nFix the spelling.<|im_end|>\n"
        "<|im_start|>assistant\n",
    ),
    "llama-2": (
        f"[INST] <<SYS>>\n{_EDIT}\n<</SYS>>\n\n{_REQUEST} [/INST]",
        f"[INST] <<SYS>>\n{_WRITE}\n<</SYS>>\n\nFix the spelling. [/INST]",
    ),
    "plain": (
        f"{_EDIT}\n\nUser: {_REQUEST}\nAssistant:",
        f"{_WRITE}\n\nUser: Fix the spelling.\nAssistant:",
    ),
}
