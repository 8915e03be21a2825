"""Ask a question about your files: prints the passages that fit it, and an answer from them.

    pip install . openai
    openedai serve
    python examples/ask-your-files.py "How long does the warranty last?" manual.pdf notes/*.md

Files are added to a vector store, which is deleted at the end. The default chat model is very
small: the passages are mostly better than its answer. `CHAT_MODEL` chooses another model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from openai import APIConnectionError, OpenAI
from openai.types import VectorStore

MODEL = os.environ.get("CHAT_MODEL", "gpt-4o-mini")  # an alias of the server's default chat model


def add(client: OpenAI, store: VectorStore, uploads: Mapping[str, Path]) -> None:
    """Wait until the uploaded files, by their ids, can be searched."""
    batch = client.vector_stores.file_batches.create_and_poll(store.id, file_ids=list(uploads))
    print(f"{batch.file_counts.completed} of {len(uploads)} files can be searched.")
    if batch.file_counts.failed:
        for file in client.vector_stores.files.list(store.id, filter="failed"):
            reason = file.last_error.message if file.last_error else "unknown"
            print(f"  {uploads[file.id]} was not read: {reason}")


def ask(client: OpenAI, store: VectorStore, question: str) -> None:
    """Print the parts of the files that are nearest to a question, and an answer from them.

    A larger model can search by itself, with the tool `file_search`; the default one is too small
    to ask well.
    """
    found = client.vector_stores.search(store.id, query=question, max_num_results=3).data
    print("Found in:")
    for part in found:
        text = " ".join(part.content[0].text.split())
        print(f"  {part.score:.2f}  {part.filename}: {text[:160]}")
    parts = "\n\n".join(f"From {part.filename}:\n{part.content[0].text}" for part in found)
    print()
    with client.responses.stream(
        model=MODEL,
        instructions=f"Answer in one sentence, from these parts of files.\n\n{parts}",
        input=question,
        temperature=0,
        max_output_tokens=200,
    ) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
    print()


def main(question: str, *names: str) -> None:
    paths = [path for path in map(Path, names) if path.is_file()]
    if not paths:
        sys.exit("None of these is a file.")
    client = OpenAI(
        base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:5001/v1"),
        api_key=os.environ.get("OPENAI_API_KEY", "dummy"),
    )
    try:
        store = client.vector_stores.create(name="ask-your-files")
    except APIConnectionError:
        sys.exit(f"No server answers at {client.base_url}: start one with `openedai serve`.")
    uploads: dict[str, Path] = {}
    try:
        for path in paths:
            uploads[client.files.create(file=path, purpose="assistants").id] = path
        add(client, store, uploads)
        ask(client, store, question)
    finally:
        client.vector_stores.delete(store.id)
        for file in uploads:
            client.files.delete(file)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(f'usage: {sys.argv[0]} "QUESTION" FILE…')
    main(*sys.argv[1:])
