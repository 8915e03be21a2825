"""The prompts of three conversations in each prompt format, for the tokens `<s>` and `</s>`."""

from __future__ import annotations

SYSTEM = {"role": "system", "content": "Be brief."}
HI = {"role": "user", "content": "Hi there."}
HELLO = {"role": "assistant", "content": " Hello!\n"}
COLOUR = {"role": "user", "content": "Name a colour.\n\nOnly one."}

USER = [HI]
SYSTEM_USER = [SYSTEM, HI]
TURNS = [HI, HELLO, COLOUR]

_BELOW = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
)
_CHAT = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
)
_STABLE = (
    "### Assistant: I am StableVicuna, a large language model created by CarperAI. "
    "I am here to chat!\n\n"
)
_SNOOZY = (
    "### Instruction:\nThe prompt below is a question to answer, a task to complete, or a "
    "conversation to respond to; decide which and write an appropriate response.\n"
)
_RAVEN = (
    "Bob: hi\n\nAlice: Hi. I am your assistant and I will provide expert full response in full "
    "details. Please feel free to ask any question and I will always answer it.\n\n"
)
_MOSAIC = (
    "<|im_start|>system\n"
    "- You are a helpful assistant chatbot trained by MosaicML.\n"
    "- You answer questions.\n"
    "- You are excited to be able to help the user, but will refuse to do anything that could be "
    "considered harmful to the user.\n"
    "- You are more than just an information source, you are also able to write poetry, short "
    "stories, and make jokes.<|im_end|>\n"
)

_ALPACA_TURNS = (
    "### Instruction:\nHi there.\n\n### Response:\nHello!\n\n"
    "### Instruction:\nName a colour.\n\nOnly one.\n\n### Response:\n"
)
_ALPACA = (
    f"{_BELOW}### Instruction:\nHi there.\n\n### Response:\n",
    "Be brief.\n\n### Instruction:\nHi there.\n\n### Response:\n",
    _BELOW + _ALPACA_TURNS,
)
_VICUNA = (
    f"{_CHAT}USER: Hi there. ASSISTANT:",
    "Be brief. USER: Hi there. ASSISTANT:",
    f"{_CHAT}USER: Hi there. ASSISTANT: Hello!</s>USER: Name a colour.\n\nOnly one. ASSISTANT:",
)

# name: (USER, SYSTEM_USER, TURNS)
GOLDEN: dict[str, tuple[str, str, str]] = {
    "alpaca": _ALPACA,
    "gpt4-x-alpaca": _ALPACA,
    "vicuna-1.1": _VICUNA,
    "wizard-vicuna": _VICUNA,
    "stable-vicuna": (
        f"{_STABLE}### Human: Hi there.\n### Assistant:",
        "Be brief.\n\n### Human: Hi there.\n### Assistant:",
        f"{_STABLE}### Human: Hi there.\n### Assistant: Hello!\n\n"
        "### Human: Name a colour.\n\nOnly one.\n### Assistant:",
    ),
    "koala": (
        "BEGINNING OF CONVERSATION: USER: Hi there. GPT:",
        "BEGINNING OF CONVERSATION: Be brief. USER: Hi there. GPT:",
        "BEGINNING OF CONVERSATION: USER: Hi there. GPT: Hello!</s>"
        "USER: Name a colour.\n\nOnly one. GPT:",
    ),
    "gpt4all-snoozy": (
        f"{_SNOOZY}### Prompt:\nHi there.\n### Response:\n",
        "### Instruction:\nBe brief.\n### Prompt:\nHi there.\n### Response:\n",
        f"{_SNOOZY}### Prompt:\nHi there.\n### Response:\nHello!\n"
        "### Prompt:\nName a colour.\n\nOnly one.\n### Response:\n",
    ),
    "rwkv-raven": (
        f"{_RAVEN}Bob: Hi there.\n\nAlice:",
        "Be brief.\n\nBob: Hi there.\n\nAlice:",
        f"{_RAVEN}Bob: Hi there.\n\nAlice: Hello!\n\nBob: Name a colour.\nOnly one.\n\nAlice:",
    ),
    "mpt": (
        f"{_MOSAIC}<|im_start|>user\nHi there.<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHi there.<|im_end|>\n<|im_start|>assistant\n",
        f"{_MOSAIC}<|im_start|>user\nHi there.<|im_end|>\n"
        "<|im_start|>assistant\nHello!<|im_end|>\n"
        "<|im_start|>user\nName a colour.\n\nOnly one.<|im_end|>\n<|im_start|>assistant\n",
    ),
    "llama-2": (
        "[INST] Hi there. [/INST]",
        "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi there. [/INST]",
        "[INST] Hi there. [/INST] Hello! </s><s>[INST] Name a colour.\n\nOnly one. [/INST]",
    ),
    "plain": (
        "User: Hi there.\nAssistant:",
        "Be brief.\n\nUser: Hi there.\nAssistant:",
        "User: Hi there.\nAssistant: Hello!\nUser: Name a colour.\n\nOnly one.\nAssistant:",
    ),
}
