"""babyagi: its function pack that asks a model, embeds texts and lets the model call functions.

It works in the current folder, where it keeps a database.
"""

import json
import os
from importlib.metadata import version

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # prices come from the internet otherwise

import babyagi


@babyagi.register_function(metadata={"description": "Adds one to a number."})
def add_one(number: int) -> int:
    return number + 1


babyagi.add_key_wrapper("openai_api_key", os.environ["OPENAI_API_KEY"])
history = [{"role": "user", "message": "What is 2 plus 1?"}]
seen = {
    "version": version("babyagi"),
    "answer": babyagi.gpt_call("Tell a long story."),
    "description": babyagi.description_writer("def one(): return 1"),
    "dimensions": len(babyagi.embed_input("one")),
    "function": babyagi.add_one(1),
    "chat": babyagi.chat_with_functions(history, "add_one"),
}
print(json.dumps(seen))
