"""lm-eval: a small task of its own, scored by log probabilities, and one that generates.

TOKENIZER is the model's own tokenizer: its name on the model hub, or a folder.
"""

import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path

MODEL = os.environ.get("MODEL", "smollm2-135m-instruct")
ARGUMENTS = {
    "model": MODEL,
    "base_url": f"{os.environ['OPENAI_BASE_URL']}/completions",
    "tokenizer_backend": "huggingface",
    "tokenizer": os.environ["TOKENIZER"],
    "num_concurrent": "2",
    "max_length": "1024",
    "max_retries": "1",
}


def evaluated(**more: str) -> dict:
    """The log probabilities and texts that the model's answers gave, and the accuracy."""
    arguments = ",".join(f"{name}={value}" for name, value in {**ARGUMENTS, **more}.items())
    folder = Path("-".join(["seen", *more.values()]))
    command = ["lm-eval", "run", "--model", "local-completions", "--model_args", arguments]
    command += ["--tasks", "colours,go_on", "--include_path", "tasks"]
    command += ["--output_path", str(folder), "--log_samples"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (results,) = folder.rglob("results_*.json")
    (scored,) = folder.rglob("samples_colours_*.jsonl")
    (written,) = folder.rglob("samples_go_on_*.jsonl")
    return {
        "accuracy": json.loads(results.read_text())["results"]["colours"]["acc,none"],
        "scores": [[float(one[0][0]) for one in line["resps"]] for line in lines(scored)],
        "texts": [line["resps"][0][0] for line in lines(written)],
    }


def lines(file: Path) -> list[dict]:
    found = [json.loads(line) for line in file.read_text().splitlines()]
    return sorted(found, key=lambda line: line["doc_id"])


seen = {
    "version": version("lm-eval"),
    "by_tokens": evaluated(),
    "by_text": evaluated(tokenized_requests="False"),
}
print(json.dumps(seen))
