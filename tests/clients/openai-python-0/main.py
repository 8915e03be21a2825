"""openai 0.27 and 0.28, as many older apps still use them."""

import asyncio
import base64
import io
import json
import os
import time
import urllib.request
from pathlib import Path

import openai

MODEL = os.environ.get("MODEL", "gpt-3.5-turbo")
EMBEDDING_MODEL = os.environ.get("EMBEDDING_MODEL", "text-embedding-ada-002")
SPEECH = Path(os.environ.get("SPEECH", ""))
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


def tuning(model: str) -> dict:
    """A model is trained by each of the two APIs, used and deleted."""
    rows = [f'{{"prompt": "number {number}?", "completion": " yes"}}' for number in range(12)]
    file = openai.File.create(file=io.BytesIO("\n".join(rows).encode()), purpose="fine-tune")
    asked = {"model": model, "training_file": file["id"]}
    made = openai.FineTune.create(n_epochs=1, suffix="older", **asked)
    streamed = [event["message"] for event in openai.FineTune.stream_events(made["id"])]
    done = openai.FineTune.retrieve(made["id"])
    listed = openai.FineTune.list_events(made["id"])["data"]
    cancelled = openai.FineTune.create(n_epochs=50, **asked)["id"]
    openai.FineTune.cancel(cancelled)
    [*openai.FineTune.stream_events(cancelled)]
    tuned = done["fine_tuned_model"]
    answer = openai.Completion.create(model=tuned, prompt="number 1?", max_tokens=3)
    return {
        "made": [made["object"], made["status"], made["training_files"][0]["id"] == file["id"]],
        "streamed": streamed,
        "listed": [event["message"] for event in listed],
        "status": done["status"],
        "tuned": tuned,
        "result": openai.File.download(done["result_files"][0]["id"]).decode(),
        "cancelled": openai.FineTune.retrieve(cancelled)["status"],
        "ids": [one["id"] for one in openai.FineTune.list()["data"]] == [cancelled, made["id"]],
        "answer": answer["model"],
        "deleted": openai.Model.delete(tuned)["deleted"],
        **newer_tuning(asked),
    }


def newer_tuning(asked: dict) -> dict:
    made = openai.FineTuningJob.create(hyperparameters={"n_epochs": 1}, **asked)
    done = made
    while done["status"] not in ("succeeded", "failed", "cancelled"):
        time.sleep(0.2)
        done = openai.FineTuningJob.retrieve(made["id"])
    listed = openai.FineTuningJob.list(limit=1)
    events = openai.FineTuningJob.list_events(made["id"], limit=2)
    return {
        "job": [done["object"], done["status"], listed["data"][0]["id"] == made["id"]],
        "more": [listed["has_more"], len(events["data"]), events["has_more"]],
        "job_cancelled": error(lambda: openai.FineTuningJob.cancel(made["id"])),
    }


def no_tuning() -> dict:
    """On a server where nothing was trained."""
    classes = (openai.FineTune, openai.FineTuningJob)
    return {
        "listed": [one.list()["data"] for one in classes],
        "missing": [error(lambda one=one: one.retrieve("ft-none"))[0] for one in classes],
    }


def error(call) -> list:
    try:
        call()
    except openai.error.InvalidRequestError as error:
        return [error.http_status, error.code, error.param]
    return []


def everything() -> dict:
    vectors = openai.Embedding.create(model=EMBEDDING_MODEL, input=["one", "two"])
    unknown = error(lambda: openai.Completion.create(model="nope", prompt="x"))
    return {
        "models": [model["id"] for model in openai.Model.list()["data"]],
        "model": openai.Model.retrieve(MODEL)["id"],
        "embeddings": [len(row["embedding"]) for row in vectors["data"]],
        "error": unknown,
        **completions(),
        **chats(),
        **function(),
        **older(),
        "moderation": moderation(),
        **({"images": images()} if "IMAGE_MODEL" in os.environ else {}),
        **audio(),
        "files": files(),
        "tuning": no_tuning(),
    }


tuned = os.environ.get("TUNED_MODEL")
seen = {"tuning": tuning(tuned)} if tuned else everything()
print(json.dumps({"version": openai.version.VERSION, **seen}))
