"""openai 0.27 and 0.28, as many older apps still use them."""

import asyncio
import base64
import io
import json
import os
import urllib.request
from pathlib import Path

import openai

MODEL = os.environ.get("MODEL", "gpt-3.5-turbo")
EMBEDDING_MODEL = os.environ.get("EMBEDDING_MODEL", "text-embedding-ada-002")
SPEECH = Path(os.environ["SPEECH"])
SPEECH_MODEL = os.environ.get("SPEECH_MODEL", "whisper-1")
MESSAGES = [{"role": "user", "content": "one two three"}]
ASKED = {"model": MODEL, "max_tokens": 3, "temperature": 0}
FUNCTION = {
    "name": "add",
    "description": "Adds two numbers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}


def completions() -> dict:
    whole = openai.Completion.create(prompt="one two three", **ASKED)
    chunks = list(openai.Completion.create(prompt="one two three", stream=True, **ASKED))
    return {
        "completion": whole["choices"][0]["text"],
        "completion_stream": "".join(chunk["choices"][0]["text"] for chunk in chunks),
        "completion_tokens": whole["usage"]["completion_tokens"],
    }


def chats() -> dict:
    whole = openai.ChatCompletion.create(messages=MESSAGES, user="someone", **ASKED)
    chunks = openai.ChatCompletion.create(messages=MESSAGES, stream=True, **ASKED)
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    later = asyncio.run(openai.ChatCompletion.acreate(messages=MESSAGES, **ASKED))
    return {
        "chat": whole["choices"][0]["message"]["content"],
        "chat_stream": "".join(pieces),
        "chat_async": later["choices"][0]["message"]["content"],
    }


def function() -> dict:
    whole = openai.ChatCompletion.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Add 2 and 3."}],
        functions=[FUNCTION],
        function_call={"name": "add"},
        max_tokens=100,
        temperature=0,
    )
    call = whole["choices"][0]["message"]["function_call"]
    return {"function": call["name"], "arguments": call["arguments"]}


def older() -> dict:
    """What was called an engine, edits, and Azure's URLs."""
    edit = openai.Edit.create(
        model=MODEL, input="one too", instruction="Correct it.", temperature=0
    )
    asked = {"messages": MESSAGES, "max_tokens": 3, "temperature": 0}
    azure = {
        "api_type": "azure",
        "api_base": openai.api_base.removesuffix("/v1"),
        "api_version": "2023-05-15",
    }
    vectors = openai.Embedding.create(engine=EMBEDDING_MODEL, input="one")
    of_engine = openai.ChatCompletion.create(engine=MODEL, **asked)
    of_azure = openai.ChatCompletion.create(engine=MODEL, **asked, **azure)
    return {
        "engines": [engine["id"] for engine in openai.Engine.list()["data"]],
        "edit": [edit["object"], edit["choices"][0]["text"]],
        "engine_chat": of_engine["choices"][0]["message"]["content"],
        "engine_embedding": len(vectors["data"][0]["embedding"]),
        "azure_chat": of_azure["choices"][0]["message"]["content"],
    }


def moderation() -> dict:
    one = openai.Moderation.create("a text about hate")
    several = openai.Moderation.create(input=["harmless", "hate"], model="text-moderation-stable")
    later = asyncio.run(openai.Moderation.acreate("hate"))
    return {
        "flagged": [result["flagged"] for result in several["results"]],
        "categories": sorted(one["results"][0]["categories"]),
        "scores": [r["results"][0]["category_scores"]["hate"] for r in (one, later)],
    }


def images() -> dict:
    """Made, opened at their URL or decoded, and sent back to be edited and varied."""
    model = os.environ["IMAGE_MODEL"]
    made = openai.Image.create(prompt="a red circle", n=2, size="32x16")
    with urllib.request.urlopen(made["data"][0]["url"]) as answer:
        raw = answer.read()
    asked = {"n": 2, "response_format": "b64_json"}
    sources = {"image": io.BytesIO(raw), "mask": raw}
    edited = openai.Image.create_edit(prompt="a hat", size="32x16", **sources, **asked)
    varied = openai.Image.create_variation(image=raw, model=model, **asked)
    later = asyncio.run(openai.Image.acreate(prompt="a red circle", model=model, **asked))
    answers = {"edited": edited, "varied": varied, "later": later}
    return {
        "image": base64.b64encode(raw).decode(),
        "urls": [one["url"] for one in made["data"]],
        **{name: [one["b64_json"] for one in answers[name]["data"]] for name in answers},
    }


def audio() -> dict:
    heard = {}
    with SPEECH.open("rb") as file:
        for name in ("transcribe", "translate"):
            heard[name] = getattr(openai.Audio, name)(SPEECH_MODEL, file)["text"]
            file.seek(0)
        subtitles = openai.Audio.transcribe(SPEECH_MODEL, file, response_format="srt")
    return {**heard, "subtitles": subtitles}


def files() -> dict:
    made = openai.File.create(file=io.BytesIO(b'{"a": 1}\n'), purpose="fine-tune")
    return {
        "made": [made["object"], made["bytes"], made["purpose"], made["status"]],
        "retrieved": openai.File.retrieve(made["id"]) == made,
        "listed": made["id"] in [one["id"] for one in openai.File.list()["data"]],
        "content": openai.File.download(made["id"]).decode(),
        "deleted": openai.File.delete(made["id"])["deleted"],
    }


def error() -> list:
    try:
        openai.Completion.create(model="nope", prompt="x")
    except openai.error.InvalidRequestError as error:
        return [error.http_status, error.code, error.param]
    return []


vectors = openai.Embedding.create(model=EMBEDDING_MODEL, input=["one", "two"])
seen = {
    "version": openai.version.VERSION,
    "models": [model["id"] for model in openai.Model.list()["data"]],
    "model": openai.Model.retrieve(MODEL)["id"],
    "embeddings": [len(row["embedding"]) for row in vectors["data"]],
    "error": error(),
    **completions(),
    **chats(),
    **function(),
    **older(),
    "moderation": moderation(),
    **({"images": images()} if "IMAGE_MODEL" in os.environ else {}),
    **audio(),
    "files": files(),
}
print(json.dumps(seen))
