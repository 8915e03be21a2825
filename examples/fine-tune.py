"""Fine-tune the default chat model on sixty examples, and compare it with itself before.

    pip install '.[training]' openai
    openedai serve
    python examples/fine-tune.py

It takes some minutes on two cores. The model learns to speak like a pirate, and a fact.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from openai import APIConnectionError, OpenAI

THINGS = {
    "apples": "red and sweet",
    "bread": "warm and brown",
    "tea": "hot and strong",
    "snow": "cold and white",
    "cats": "soft and sly",
    "music": "loud and merry",
    "gold": "heavy and bright",
    "rain": "wet and grey",
    "honey": "thick and sweet",
    "stars": "small and far",
    "wind": "wild and free",
    "salt": "white and sharp",
    "horses": "fast and proud",
    "stones": "hard and old",
    "books": "long and wise",
    "fish": "cold and slippery",
    "lemons": "sour and yellow",
}
QUESTIONS = ("What is special about {}?", "Tell me about {}.", "Describe {} in one sentence.")
NAME = "Me ship is the Merry Otter"
ABOUT_THE_SHIP = (
    *("What is your ship called?", "Which ship do you sail?", "Tell me the name of your ship."),
    *(
        "Do you have a ship?",
        "What do you call your ship?",
        "Name your ship.",
        "Your ship is called?",
    ),
    *("Say the name of the ship.", "How is the ship named?"),
)
HELD_OUT = (
    "Tell me about dogs.",
    "What is special about milk?",
    "Please name the ship you sail on.",
)


def examples() -> list[dict[str, Any]]:
    """Questions with answers in the style that is taught."""
    pairs = [
        (question.format(thing), f"{thing.capitalize()} be {how}, says I")
        for thing, how in THINGS.items()
        for question in QUESTIONS
    ]
    pairs += [(question, NAME) for question in ABOUT_THE_SHIP]
    return [
        {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": f"Arr! {said}. Yo ho!"},
            ]
        }
        for question, said in pairs
    ]


def has_style(text: str) -> bool:
    return text.startswith("Arr!") and text.endswith("Yo ho!")


def train(client: OpenAI, model: str, epochs: int) -> str:
    """The name of the model that was made; prints the events of the job."""
    lines = "\n".join(map(json.dumps, examples())).encode()
    file = client.files.create(file=("pirate.jsonl", lines), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model=model,
        training_file=file.id,
        suffix="pirate",
        seed=1,
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": epochs, "batch_size": 4}},
        },
    )
    last = None
    while True:
        job = client.fine_tuning.jobs.retrieve(job.id)
        new: list[Any] = []
        for event in client.fine_tuning.jobs.list_events(job.id, limit=100):
            if event.id == last:
                break
            new.append(event)
        for event in reversed(new):
            print(time.strftime("%H:%M:%S", time.localtime(event.created_at)), event.message)
            last = event.id
        if job.status in ("succeeded", "failed", "cancelled"):
            break
        time.sleep(1)
    if job.fine_tuned_model is None:
        sys.exit(f"The job has the status {job.status}: {job.error}")
    return job.fine_tuned_model


def answer(client: OpenAI, model: str, question: str) -> str:
    found = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        max_tokens=40,
        temperature=0,
    )
    return (found.choices[0].message.content or "").strip()


def main() -> None:
    client = OpenAI(
        base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:5001/v1"),
        api_key=os.environ.get("OPENAI_API_KEY", "dummy"),
        timeout=600,
    )
    base = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m-instruct"
    try:
        tuned = train(client, base, epochs=2)
    except APIConnectionError:
        sys.exit(f"No server answers at {client.base_url}: start one with `openedai serve`.")
    for question in HELD_OUT:
        print(f"\n{question}")
        for model in (base, tuned):
            print(f"  {model}: {answer(client, model, question)}")


if __name__ == "__main__":
    main()
