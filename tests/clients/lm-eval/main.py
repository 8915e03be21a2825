"""lm-eval: a small task of its own, scored by log probabilities, and one that generates.

TOKENIZER is the model's own tokenizer: its name on the model hub, or a folder.
"""

import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path

URL = os.environ["OPENAI_BASE_URL"]
MODEL = {"model": os.environ.get("MODEL", "smollm2-135m-instruct"), "max_retries": "1"}
COMPLETIONS = {
    "base_url": f"{URL}/completions",
    "tokenizer_backend": "huggingface",
    "tokenizer": os.environ["TOKENIZER"],
    "num_concurrent": "1",  # requests that share a batch are added up in another order
    "max_length": "1024",
}
CHAT = {"base_url": f"{URL}/chat/completions"}


def evaluate(folder: Path, kind: str, arguments: dict, *options: str) -> None:
    """Run it; what it finds is written into the folder."""
    pairs = ",".join(f"{name}={value}" for name, value in {**MODEL, **arguments}.items())
    command = ["lm-eval", "run", "--model", kind, "--model_args", pairs, *options]
    command += ["--include_path", "tasks", "--output_path", str(folder), "--log_samples"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def completed(name: str, **more: str) -> dict:
    """The log probabilities and texts that the model's answers gave, and the accuracy."""
    folder = Path(name)
    tasks = ("--tasks", "colours,go_on")
    evaluate(folder, "local-completions", {**COMPLETIONS, **more}, *tasks)
    (results,) = folder.rglob("results_*.json")
    return {
        "accuracy": json.loads(results.read_text())["results"]["colours"]["acc,none"],
        "scores": [
            [float(one[0][0]) for one in line["resps"]] for line in lines(folder, "colours")
        ],
        "texts": [line["resps"][0][0] for line in lines(folder, "go_on")],
    }


def chatted() -> list[str]:
    options = ("--tasks", "go_on", "--apply_chat_template")
    folder = Path("chat")
    evaluate(folder, "local-chat-completions", CHAT, *options)
    return [line["resps"][0][0] for line in lines(folder, "go_on")]


def lines(folder: Path, task: str) -> list[dict]:
    (file,) = folder.rglob(f"samples_{task}_*.jsonl")
    found = [json.loads(line) for line in file.read_text().splitlines()]
    return sorted(found, key=lambda line: line["doc_id"])


seen = {
    "version": version("lm-eval"),
    "by_tokens": completed("tokens"),
    "by_text": completed("text", tokenized_requests="False"),
    "chat": chatted(),
}
print(json.dumps(seen))
