"""llm: the commands `llm prompt`, `llm chat`'s continuation, `llm embed`, and schemas."""

import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path

URL = os.environ["OPENAI_BASE_URL"]
MODELS = f"""
- model_id: local
  model_name: smollm2-135m-instruct
  api_base: {URL}
  supports_schema: true
  supports_tools: true
"""


def llm(*arguments: str) -> str:
    done = subprocess.run(["llm", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


folder = Path.cwd() / "llm"
folder.mkdir()
os.environ["LLM_USER_PATH"] = str(folder)
(folder / "extra-openai-models.yaml").write_text(MODELS)
cold = ("--model", "local", "--option", "temperature", "0", "--option", "max_tokens", "12")
seen = {
    "version": version("llm"),
    "streamed": llm("prompt", *cold, "List count from 1 to 100."),
    "whole": llm("prompt", *cold, "--no-stream", "List count from 1 to 100."),
    "continued": llm("prompt", *cold, "--continue", "Go on."),
    "schema": json.loads(
        llm("prompt", "--model", "local", "--schema", "city, sunny bool", "The weather in Paris?")
    ),
    "logged": len(json.loads(llm("logs", "list", "--json", "--count", "0"))),
}
print(json.dumps(seen))
