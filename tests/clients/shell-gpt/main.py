"""shell-gpt: `sgpt` answers a question, whole and streamed; it keeps a chat; it lists it."""

import json
import os
import subprocess
from importlib.metadata import version


def sgpt(*arguments: str) -> str:
    done = subprocess.run(
        ["sgpt", "--model", "smollm2-135m-instruct", "--no-md", "--temperature", "0", *arguments],
        env={
            **os.environ,
            "API_BASE_URL": os.environ["OPENAI_BASE_URL"],
            "USE_LITELLM": "false",
            "OPENAI_USE_FUNCTIONS": "false",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()


seen = {
    "version": version("shell-gpt"),
    "streamed": sgpt("--no-cache", "Say hello."),
    "chat": sgpt("--chat", "greeting", "Say hello."),
    "again": sgpt("--chat", "greeting", "Say it again."),
    "kept": sgpt("--show-chat", "greeting"),
}
print(json.dumps(seen))
