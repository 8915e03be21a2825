"""shell-gpt: `sgpt` answers, streamed, keeps a chat and shows it. It reads API_BASE_URL."""

import json
import subprocess
from importlib.metadata import version


def sgpt(*arguments: str) -> str:
    done = subprocess.run(
        ["sgpt", "--model", "echo", "--no-md", "--temperature", "0", *arguments],
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
